//! `updraft standalone`: scheduler, executor and web server in one process.

use scheduler::engine::wake::{WakeFile, Waker};
use scheduler::engine::{Engine, Execution};
use scheduler::events::Changes;

use super::process::{Process, Signals, end_at_second, guard_with, prepare_dags_folder, speak};
use super::web_server::{admin_password, greet, listen, serve, url_of};
use crate::config::Config;
use crate::home;
use crate::report::Status;

/// Starts everything, says where it is, and stops it again when told to.
pub async fn run(config: Config) -> anyhow::Result<Status> {
    speak();
    // Before anything can be left half-done, and before anybody is told that we are ready to be stopped.
    let mut signals = Signals::catch()?;
    let listener = listen(&config).await?;
    home::create(&config.home)?;
    let lock = home::lock(&config.home).await?;
    let guardian = guard_with(&lock)?;
    prepare_dags_folder(&config)?;
    let Some(process) = Process::join(config, &mut signals).await? else { return Ok(Status::Done) };

    let (waker, wakes) = Waker::new();
    let changes = Changes::default();
    let waker = match &process.bus {
        Some(bus) => waker.through(bus.clone()),
        None => waker,
    };
    let mut folder = process.dag_folder(&changes, &waker);
    folder.sync().await?;

    let (config, url) = (process.config.clone(), url_of(&listener)?);
    let base_url = config.server.base_url.clone().unwrap_or_else(|| url.clone());
    let holder = process.standalone_holder()?;
    let logs = process.logs()?;
    let (execution, hints) = (Execution::Here, (&changes, &waker));
    let settings = process.engine_settings(holder, execution, hints, Some(base_url), (&guardian, &logs));
    let mut engine = Engine::start(settings, waker.clone(), wakes).await?;
    let stop = process.stop.clone();
    let watching = tokio::spawn(folder.watch(stop.clone()));
    let poked = tokio::spawn(WakeFile::in_home(&config.home).watch(waker.clone(), stop.clone()));
    if let Some(bus) = process.bus.clone() {
        tokio::spawn(bus.pass_on(Some(waker.clone()), changes.clone()));
    }
    let password = admin_password(&config)?;
    let serving = serve(&process, listener, &password, changes, &waker)?;
    greet(&config, &url, &password, Some(&config.dags_place()))?;

    tokio::select! {
        () = signals.told_to_stop() => end_at_second(signals),
        () = engine.ended() => anyhow::bail!("the engine broke down; what it did is in the database, so start again"),
    }
    engine.stop().await;
    logs.stop().await;
    stop.cancel();
    let _ = tokio::join!(watching, poked, serving);
    process.db.close().await?;
    Ok(Status::Done)
}
