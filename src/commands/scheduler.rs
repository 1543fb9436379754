//! `updraft scheduler`: decides what runs, and hands it out to workers.

use scheduler::engine::wake::{WakeFile, Waker};
use scheduler::engine::{Engine, Execution};
use scheduler::events::Changes;

use super::process::{Process, Signals, end_at_second, guard, prepare_dags_folder, speak};
use crate::config::Config;
use crate::home;
use crate::output;
use crate::report::Status;

/// Starts it, and stops it again when told to.
pub async fn run(config: Config) -> anyhow::Result<Status> {
    speak();
    let mut signals = Signals::catch()?;
    home::create(&config.home)?;
    // Callbacks may be commands, which must not outlive this process either.
    let guardian = guard()?;
    prepare_dags_folder(&config)?;
    let joined = Process::join_others("scheduler", config, &mut signals).await?;
    let Some((process, bus)) = joined else { return Ok(Status::Done) };

    let (waker, wakes) = Waker::new();
    let (waker, changes) = (waker.through(bus.clone()), Changes::default().through(bus.clone()));
    let mut folder = process.dag_folder(&changes, &waker);
    folder.sync().await?;
    let config = process.config.clone();
    let base_url = config.server.base_url.clone();
    let holder = process.deciding_holder();
    let logs = process.logs()?;
    let (execution, hints) = (Execution::Workers, (&changes, &waker));
    let settings = process.engine_settings(holder, execution, hints, base_url, (&guardian, &logs));
    let mut engine = Engine::start(settings, waker.clone(), wakes).await?;
    let stop = process.stop.clone();
    let watching = tokio::spawn(folder.watch(stop.clone()));
    let poked = tokio::spawn(WakeFile::in_home(&config.home).watch(waker.clone(), stop.clone()));
    tokio::spawn(bus.pass_on(Some(waker), changes));
    output::line(&format!(
        "\nThe scheduler of Updraft {} is ready\nDAG files are read from {}\n",
        env!("CARGO_PKG_VERSION"),
        config.dags_place(),
    ))?;

    tokio::select! {
        () = signals.told_to_stop() => end_at_second(signals),
        () = engine.ended() => anyhow::bail!("the engine broke down; what it did is in the database, so start again"),
    }
    engine.stop().await;
    logs.stop().await;
    stop.cancel();
    let _ = tokio::join!(watching, poked);
    process.db.close().await?;
    Ok(Status::Done)
}
