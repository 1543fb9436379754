//! `updraft worker`: runs the tasks that schedulers hand out.

use std::sync::Arc;

use scheduler::engine::wake::Waker;
use scheduler::events::Changes;
use scheduler::store::leases::Offer;
use scheduler::worker::{Worker, WorkerSettings};

use super::process::{Process, Signals, end_at_second, guard, speak};
use crate::config::Config;
use crate::home;
use crate::output;
use crate::report::Status;

/// Starts it, and stops it again when told to.
pub async fn run(config: Config) -> anyhow::Result<Status> {
    speak();
    let mut signals = Signals::catch()?;
    home::create(&config.home)?;
    let guardian = guard()?;
    let joined = Process::join_others("worker", config, &mut signals).await?;
    let Some((process, bus)) = joined else { return Ok(Status::Done) };

    let config = process.config.clone();
    // Tasks make runs and ask people; nobody here listens to wake-ups.
    let waker = Waker::new().0.through(bus.clone());
    let changes = Changes::default().through(bus.clone());
    tokio::spawn(bus.clone().pass_on(None, changes.clone()));
    let offer = Offer { queues: config.server.queues.clone(), concurrency: config.server.worker_concurrency };
    let logs = process.logs()?;
    let settings = WorkerSettings {
        db: process.db.clone(),
        catalog: process.catalog.clone(),
        clock: process.clock.clone(),
        home: config.home.clone(),
        logs: logs.clone(),
        holder: process.working_holder(),
        offer: offer.clone(),
        bus,
        leash: process.leash(&guardian),
        grace: config.server.grace,
        secrets: process.secrets.clone(),
        run_maker: Arc::new(process.control(&changes, &waker)),
        changes,
    };
    let mut worker = Worker::start(settings).await?;
    output::line(&format!(
        "\nA worker of Updraft {} is ready: up to {} tasks at a time from {}\n",
        env!("CARGO_PKG_VERSION"),
        offer.concurrency,
        offer.queues.join(", "),
    ))?;

    tokio::select! {
        () = signals.told_to_stop() => end_at_second(signals),
        () = worker.ended() => anyhow::bail!("the worker broke down; what it did is in the database, so start again"),
    }
    worker.stop().await;
    logs.stop().await;
    process.stop.cancel();
    process.db.close().await?;
    Ok(Status::Done)
}
