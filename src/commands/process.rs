//! What every command that serves does: logs, signals, the database, and its place among other processes.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use operators::guardian::{self, Guardian};
use scheduler::bus::Bus;
use scheduler::catalog::Catalog;
use scheduler::clock::Clock;
use scheduler::control::Control;
use scheduler::engine::leash::Leash;
use scheduler::engine::wake::Waker;
use scheduler::engine::{EngineSettings, Execution};
use scheduler::events::Changes;
use scheduler::keyring::Keyring;
use scheduler::log::{Logs, Shipper};
use scheduler::operator::SecretReader;
use scheduler::secrets::Secrets;
use scheduler::sources::folder::DagFolder;
use scheduler::store::leases::Holder;
use scheduler::store::{Db, StoreError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use super::installation::{catalog, keyring, open_database, register_key, secrets};
use crate::cli::LogPlace;
use crate::config::Config;
use crate::home;
use crate::memory;
use crate::output;
use crate::report::BadInput;

/// What is logged unless `UPDRAFT_LOG` says otherwise: our own doings, and trouble of the libraries.
///
/// The writer of Delta tables warns of what cannot be undone in a bucket when a file cannot be completed, also where no
/// bucket is; the task says what went wrong.
const LOG_DEFAULT: &str =
    "warn,scheduler=info,operators=info,web=info,updraft=info,deltalake_core::datafile::writer=error";

/// Linux's number of it.
const SIGXFSZ: i32 = 25;

/// How long a process may be silent that only decides: nothing that it began goes on without it.
const DECIDER_PATIENCE: Duration = Duration::from_secs(5);

/// How long a process may be silent that nobody could replace: on SQLite, one process works.
const ALONE_PATIENCE: Duration = Duration::from_secs(15);

/// A process that serves.
pub struct Process {
    /// Its settings.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// Definitions and operators.
    pub catalog: Catalog,
    /// The keys of the secrets in the database.
    pub keyring: Arc<Keyring>,
    /// Where connections and variables are looked for.
    pub secrets: Secrets,
    /// The time.
    pub clock: Clock,
    /// The other processes; none on SQLite.
    pub bus: Option<Bus>,
    /// Cancelled when everything is to end.
    pub stop: CancellationToken,
}

impl Process {
    /// Opens the database and joins the other processes; none when told to stop meanwhile.
    pub async fn join(config: Config, signals: &mut Signals) -> anyhow::Result<Option<Process>> {
        let Some(db) = open_unlocked(&config, signals).await? else { return Ok(None) };
        let stop = CancellationToken::new();
        tokio::spawn(memory::keep_small(stop.clone()));
        let bus = if db.is_postgres() {
            Some(Bus::connect(&config.database_url, db.clone(), stop.clone()).await?)
        } else {
            None
        };
        let catalog = catalog(&config)?;
        let clock = Clock::System;
        let keyring = keyring(&config)?;
        match register_key(&db, &keyring, &clock).await {
            // Only tasks that need what is encrypted so will fail.
            Err(StoreError::Key(problem)) => warn!("{problem}"),
            done => done?,
        }
        let secrets = secrets(&config, db.clone(), Arc::clone(&keyring))?;
        let (kept, ended) = (secrets.clone(), stop.clone());
        tokio::spawn(async move { ended.run_until_cancelled(kept.keep_up()).await });
        Ok(Some(Process { config, db, catalog, keyring, secrets, clock, bus, stop }))
    }

    /// The same for a role that needs others, and so a database that they can share.
    pub async fn join_others(
        role: &str,
        config: Config,
        signals: &mut Signals,
    ) -> anyhow::Result<Option<(Process, Bus)>> {
        if config.database_url.starts_with("sqlite:") {
            let problem = format!("`{role}` is one of several processes, and they cannot share an SQLite database");
            let hint = "name a Postgres with --database-url or UPDRAFT_DATABASE_URL, or start `updraft standalone`";
            return Err(BadInput::new(problem).hint(hint).into());
        }
        let joined = Process::join(config, signals).await?;
        Ok(joined.and_then(|process| process.bus.clone().map(|bus| (process, bus))))
    }

    /// This process as one that decides, and runs no tasks.
    pub fn deciding_holder(&self) -> Holder {
        self.holder(self.unique_instance(), DECIDER_PATIENCE)
    }

    /// This process as a worker.
    pub fn working_holder(&self) -> Holder {
        self.holder(self.unique_instance(), self.config.server.lease)
    }

    /// This process as the only one of its home.
    pub fn standalone_holder(&self) -> anyhow::Result<Holder> {
        let patience = if self.bus.is_some() { self.config.server.lease } else { ALONE_PATIENCE };
        Ok(self.holder(home::instance_id(&self.config.home)?, patience))
    }

    fn holder(&self, instance: String, patience: Duration) -> Holder {
        let presence = self.bus.as_ref().map(Bus::presence);
        Holder { instance, hostname: hostname(), pid: std::process::id(), presence, patience }
    }

    /// Several processes may work in one home, each by itself.
    fn unique_instance(&self) -> String {
        self.bus.as_ref().map_or_else(|| "alone".to_owned(), |bus| bus.presence().to_string())
    }

    /// How long tries may go on when the lease cannot be renewed: for ever where nobody could take over.
    pub fn leash(&self, guardian: &Arc<Guardian>) -> Arc<Leash> {
        if self.bus.is_none() {
            return Arc::new(Leash::endless());
        }
        let guardian = Arc::clone(guardian);
        Arc::new(Leash::new(Box::new(move |until| {
            if let Err(error) = guardian.kill_at(until) {
                warn!(%error, "the guardian of child processes is gone");
            }
        })))
    }

    /// Asks for things in the name of people and of tasks; `waker` reaches the engine.
    pub fn control(&self, changes: &Changes, waker: &Waker) -> Control {
        let Process { db, catalog, clock, keyring, .. } = self;
        Control::new(db.clone(), catalog.clone(), clock.clone(), changes.clone(), waker.clone())
            .with_keyring(Arc::clone(keyring))
    }

    /// Where the logs of tasks go; to be stopped when none is written any more.
    pub fn logs(&self) -> anyhow::Result<Logs> {
        Ok(match self.config.server.logs {
            LogPlace::Files => Logs::Folder(self.config.log_folder()),
            LogPlace::Database => {
                let shipper = Shipper::start(&self.config.home, self.db.clone(), self.clock.clone());
                Logs::Database(shipper.context("cannot keep logs that are to be sent to the database")?)
            }
        })
    }

    /// What the engine of this process needs to know. `base_url` is where people find the web UI.
    pub fn engine_settings(
        &self,
        holder: Holder,
        execution: Execution,
        (changes, waker): (&Changes, &Waker),
        base_url: Option<String>,
        (guardian, logs): (&Arc<Guardian>, &Logs),
    ) -> EngineSettings {
        EngineSettings {
            db: self.db.clone(),
            catalog: self.catalog.clone(),
            clock: self.clock.clone(),
            changes: changes.clone(),
            home: self.config.home.clone(),
            logs: logs.clone(),
            parallelism: self.config.server.parallelism,
            max_map_length: self.config.server.max_map_length,
            holder,
            base_url,
            grace: self.config.server.grace,
            execution,
            bus: self.bus.clone(),
            leash: self.leash(guardian),
            secrets: self.secrets.clone(),
            run_maker: Arc::new(self.control(changes, waker)),
            makes_due_runs: true,
        }
    }

    /// The folder of DAG files, as it is kept in the database.
    pub fn dag_folder(&self, changes: &Changes, waker: &Waker) -> DagFolder {
        let folder = DagFolder::new(
            self.config.dags_folder.clone(),
            self.db.clone(),
            self.catalog.clone(),
            self.clock.clone(),
            changes.clone(),
            waker.clone(),
            self.config.server.dags_are_paused_at_creation,
        );
        match &self.config.dags_origin {
            Some(origin) => folder.copied_from(origin.open(&self.secrets)),
            None => folder,
        }
    }
}

/// Lets the process say what it does on standard error.
pub fn speak() {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_env("UPDRAFT_LOG").unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT)))
        .with_writer(std::io::stderr)
        .with_ansi(output::is_colourful())
        .init();
    keep_quiet_about_caught_panics();
}

/// Starts the guardian of a process that shares its home with others.
pub fn guard() -> anyhow::Result<Arc<Guardian>> {
    let nothing = tempfile::tempfile().context("cannot make a temporary file")?;
    guard_with(&nothing)
}

/// Starts the guardian of a process that holds `lock`.
pub fn guard_with(lock: &File) -> anyhow::Result<Arc<Guardian>> {
    guardian::start(lock).map(Arc::new).context("cannot start the guardian of child processes")
}

/// A second signal ends the process at once: nothing is lost by that either.
pub fn end_at_second(mut signals: Signals) {
    info!("stopping");
    tokio::spawn(async move {
        signals.told_to_stop().await;
        std::process::exit(130);
    });
}

/// When a file cannot be completed (a full disk), deltalake provokes a panic in the writer of its object store, and catches
/// it. Nobody should look for a bug because of that.
fn keep_quiet_about_caught_panics() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_provoked = panic.payload_as_str() == Some("Already shut down")
            && panic.location().is_some_and(|place| place.file().contains("object_store-"));
        if !is_provoked {
            tell(panic);
        }
    }));
}

/// Opens the database, and waits for as long as another process locks it; none when told to stop meanwhile.
async fn open_unlocked(config: &Config, signals: &mut Signals) -> anyhow::Result<Option<Db>> {
    let mut is_told = false;
    loop {
        let opened = tokio::select! {
            opened = open_to_write(config) => opened,
            () = signals.told_to_stop() => return Ok(None),
        };
        match opened {
            Err(error) if is_locked(&error) => {
                if !is_told {
                    warn!("the database is locked by another process; waiting until it lets go");
                    is_told = true;
                }
            }
            opened => {
                if is_told && opened.is_ok() {
                    info!("the database is free");
                }
                return opened.map(Some);
            }
        }
    }
}

async fn open_to_write(config: &Config) -> anyhow::Result<Db> {
    let db = open_database(config).await?;
    db.assert_unlocked().await?;
    Ok(db)
}

fn is_locked(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<StoreError>(), Some(StoreError::Locked(_)))
}

/// The default folder is made; a folder that somebody named must be there. A copy comes by itself.
pub fn prepare_dags_folder(config: &Config) -> anyhow::Result<()> {
    if config.dags_origin.is_some() {
        return Ok(());
    }
    let folder = &config.dags_folder;
    if *folder == config.home.join("dags") {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the DAGs folder `{}`", folder.display()))?;
    }
    if let Err(error) = std::fs::read_dir(folder) {
        let problem = format!("the DAGs folder `{}` cannot be read: {error}", folder.display());
        return Err(BadInput::new(problem).hint("make it, or name another with --dags-folder").into());
    }
    Ok(())
}

/// The signals that ask for an end, and the one that must not bring it about.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// A file has reached the size that `ulimit -f` allows. Caught, it is an error of whoever writes, as a full disk is.
    _file_size: Signal,
}

impl Signals {
    /// From now on the signals do not end the process by themselves.
    pub fn catch() -> anyhow::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate()).context("cannot catch SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot catch SIGINT")?,
            _file_size: signal(SignalKind::from_raw(SIGXFSZ)).context("cannot catch SIGXFSZ")?,
        })
    }

    /// Waits for the next of them.
    pub async fn told_to_stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn hostname() -> String {
    std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname"))
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}
