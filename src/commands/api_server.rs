//! `updraft api-server`: the REST API and the web UI, in a process of their own.

use scheduler::engine::wake::Waker;
use scheduler::events::Changes;

use super::process::{Process, Signals, end_at_second, speak};
use super::web_server::{admin_password, greet, listen, serve, url_of};
use crate::config::Config;
use crate::home;
use crate::report::Status;

/// Starts it, and stops it again when told to.
pub async fn run(config: Config) -> anyhow::Result<Status> {
    speak();
    let mut signals = Signals::catch()?;
    let listener = listen(&config).await?;
    home::create(&config.home)?;
    let joined = Process::join_others("api-server", config, &mut signals).await?;
    let Some((process, bus)) = joined else { return Ok(Status::Done) };

    // What is asked for here is carried out by the scheduler that leads; nobody here listens to wake-ups.
    let waker = Waker::new().0.through(bus.clone());
    let changes = Changes::default();
    tokio::spawn(bus.pass_on(None, changes.clone()));
    let (config, url) = (process.config.clone(), url_of(&listener)?);
    let password = admin_password(&config)?;
    let serving = serve(&process, listener, &password, changes, &waker)?;
    greet(&config, &url, &password, None)?;

    signals.told_to_stop().await;
    end_at_second(signals);
    process.stop.cancel();
    let _ = serving.await;
    process.db.close().await?;
    Ok(Status::Done)
}
