//! What time asks for: the engine that moves runs on.
//!
//! ```text
//!   API, CLI ──control──> database ──wake──┐
//!   DAG files ──────────> database ──wake──┤
//!   cron ticks, retry timers ──────────────┼──> coordinator ──step──> changes ──one commit──> database
//!   executor ──reports of tries────────────┘         ^                              │
//!                                                    └── starts, stops, hints <─────┘ only after the commit
//! ```
//!
//! The coordinator is one task that owns all state in memory, so nothing in it is locked. It takes every message that
//! has gathered while the last commit was under way, moves the runs on with the pure step function, writes everything in
//! one transaction, and only then lets the world know: tries start, API calls are answered, watchers are told.
//!
//! **Invariant:** the database is the truth. Whatever is in memory can be rebuilt from it, and is, after a restart.
//!
//! **Invariant:** every write is fenced by the lease of this process (see [`crate::store::leases`]).

pub(crate) mod active_run;
mod admission;
mod adoption;
mod assets;
mod backfills;
mod callbacks;
mod coordinator;
mod due_runs;
pub(crate) mod executor;
mod failures;
mod gate;
mod handing_out;
pub(crate) mod lease;
pub mod leash;
mod lists;
mod mapped;
pub(crate) mod observer;
pub(crate) mod outage;
pub(crate) mod outcome;
mod pending;
mod people;
mod rendering;
mod schedules;
mod standby;
mod ticks;
mod timers;
mod try_storage;
mod waiting;
pub mod wake;
mod withdrawal;
mod writing;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bus::Bus;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::events::Changes;
use crate::log::Logs;
use crate::operator::RunMaker;
use crate::secrets::Secrets;
use crate::store::leases::Holder;
use crate::store::{Db, StoreError};
use wake::{Wake, Waker};

use coordinator::Coordinator;
use leash::Leash;
use observer::Observer;
use standby::{Standby, Watcher};

/// Where tries are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// In this process (Airflow 3: LocalExecutor).
    Here,
    /// By workers, which take them from the database (Airflow 3: CeleryExecutor). Only on Postgres.
    Workers,
}

/// What the engine needs to know.
#[derive(Clone)]
pub struct EngineSettings {
    /// Where the truth is.
    pub db: Db,
    /// Definitions and operators.
    pub catalog: Catalog,
    /// The time.
    pub clock: Clock,
    /// Whom to tell.
    pub changes: Changes,
    /// `UPDRAFT_HOME`.
    pub home: PathBuf,
    /// Where the logs of tries go.
    pub logs: Logs,
    /// Most task instances at the same time (Airflow 3: `[core] parallelism`, default 32).
    pub parallelism: usize,
    /// Most items that a task leaves to map over (Airflow 3: `[core] max_map_length`, default 1024).
    pub max_map_length: u32,
    /// Who we are.
    pub holder: Holder,
    /// Where the web UI is reached, for links in messages; without it they hold none (Airflow 3: `[api] base_url`).
    pub base_url: Option<String>,
    /// How long running tries may go on after [`Engine::stop`].
    pub grace: Duration,
    /// Where tries are made.
    pub execution: Execution,
    /// The other processes of this installation; none on SQLite.
    pub bus: Option<Bus>,
    /// How long the tries of this process may go on without a renewed lease.
    pub leash: Arc<Leash>,
    /// Where connections and variables are looked for.
    pub secrets: Secrets,
    /// Makes the runs that tasks ask for.
    pub run_maker: Arc<dyn RunMaker>,
    /// Whether runs are made that schedules and assets ask for.
    pub makes_due_runs: bool,
}

/// A running engine: it leads, or stands by until the one that leads is gone.
pub struct Engine {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Engine {
    /// Starts. When no other engine leads, this one has taken over what earlier processes left by the time this returns.
    ///
    /// `waker` and `wakes` are the two ends of [`Waker::new`].
    pub async fn start(
        settings: EngineSettings,
        waker: Waker,
        wakes: UnboundedReceiver<Wake>,
    ) -> Result<Engine, EngineError> {
        let stop = CancellationToken::new();
        let leading = lease::lead(&settings.db, &settings.holder, &[], &settings.leash, &settings.clock).await?;
        let standby = Standby { settings: settings.clone(), waker: waker.clone(), observer: Observer::default() };
        if settings.bus.is_some() {
            let watcher = Watcher { db: settings.db.clone(), waker: waker.clone() };
            tokio::spawn(watcher.run(stop.clone()));
        }
        let leash = Arc::clone(&settings.leash);
        let until = stop.clone();
        tokio::spawn(async move { until.run_until_cancelled(leash.watch()).await });
        let task = match leading {
            Some(lease) => {
                let coordinator =
                    Coordinator::start(settings, lease, waker, wakes).await.map_err(|(problem, _)| problem)?;
                tokio::spawn(standby.go_on(Some(coordinator), None, stop.clone()))
            }
            None => {
                tracing::info!("another scheduler leads; standing by");
                tokio::spawn(standby.go_on(None, Some(wakes), stop.clone()))
            }
        };
        Ok(Engine { stop, task })
    }

    /// Stops: nothing new starts, running tries get their grace period, then they are stopped and given back.
    pub async fn stop(self) {
        self.stop.cancel();
        // A panic of the coordinator has been reported by then; there is nothing left to stop.
        let _ = self.task.await;
    }

    /// Completes when the engine has ended by itself, which it does only when it is broken.
    pub async fn ended(&mut self) {
        let _ = (&mut self.task).await;
    }
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The database refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cron clock refuses.
    #[error("the cron clock does not start")]
    Clock(#[from] tokio_cron_scheduler::JobSchedulerError),
}
