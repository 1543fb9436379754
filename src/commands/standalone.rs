//! `updraft standalone`: scheduler, executor and web server in one process.

use std::path::Path;

use anyhow::Context;
use scheduler::clock::Clock;
use scheduler::control::Control;
use scheduler::engine::wake::{WakeFile, Waker};
use scheduler::engine::{Engine, EngineSettings};
use scheduler::events::Changes;
use scheduler::sources::folder::DagFolder;
use scheduler::store::leases::Holder;
use scheduler::store::{Db, StoreError};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;
use web::{AppState, AuthSettings};

use super::installation::{catalog, open_database};
use crate::config::Config;
use crate::home;
use crate::output;
use crate::report::{BadInput, Status};

/// What is logged unless `UPDRAFT_LOG` says otherwise: our own doings, and trouble of the libraries.
///
/// The writer of Delta tables warns of what cannot be undone in a bucket when a file cannot be completed, also where no
/// bucket is; the task says what went wrong.
const LOG_DEFAULT: &str =
    "warn,scheduler=info,operators=info,web=info,updraft=info,deltalake_core::datafile::writer=error";

/// Linux's number of it.
const SIGXFSZ: i32 = 25;

/// Starts everything, says where it is, and stops it again when told to.
pub async fn run(config: Config) -> anyhow::Result<Status> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_env("UPDRAFT_LOG").unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT)))
        .with_writer(std::io::stderr)
        .with_ansi(output::is_colourful())
        .init();
    keep_quiet_about_caught_panics();
    // Before anything can be left half-done, and before anybody is told that we are ready to be stopped.
    let mut signals = Signals::catch()?;
    let listener = listen(&config).await?;
    home::create(&config.home)?;
    let lock = home::lock(&config.home).await?;
    let _guardian = operators::guardian::start(&lock).context("cannot start the guardian of child processes")?;
    prepare_dags_folder(&config)?;

    let Some(db) = open_unlocked(&config, &mut signals).await? else { return Ok(Status::Done) };
    let catalog = catalog(&config)?;
    let (clock, changes) = (Clock::System, Changes::default());
    let (waker, wakes) = Waker::new();
    let mut folder = DagFolder::new(
        config.dags_folder.clone(),
        db.clone(),
        catalog.clone(),
        clock.clone(),
        changes.clone(),
        waker.clone(),
        config.server.dags_are_paused_at_creation,
    );
    folder.sync().await?;

    let url = format!("http://{}", listener.local_addr().context("the listener has no address")?);
    let settings = EngineSettings {
        db: db.clone(),
        catalog: catalog.clone(),
        clock: clock.clone(),
        changes: changes.clone(),
        home: config.home.clone(),
        log_folder: config.log_folder(),
        parallelism: config.server.parallelism,
        holder: Holder { instance: home::instance_id(&config.home)?, hostname: hostname(), pid: std::process::id() },
        base_url: Some(config.server.base_url.clone().unwrap_or_else(|| url.clone())),
        grace: config.server.grace,
    };
    let mut engine = Engine::start(settings, waker.clone(), wakes).await?;
    let stop = CancellationToken::new();
    let watching = tokio::spawn(folder.watch(stop.clone()));
    let poked = tokio::spawn(WakeFile::in_home(&config.home).watch(waker.clone(), stop.clone()));

    let password = admin_password(&config)?;
    let auth = AuthSettings {
        username: "admin".to_owned(),
        password: password.text.clone(),
        secret: home::session_secret(&config.home)?,
    };
    let control = Control::new(db.clone(), catalog.clone(), clock.clone(), changes.clone(), waker);
    let log_folder = config.log_folder();
    let state = AppState::new(db.clone(), control, changes, catalog, clock, log_folder, &auth, stop.clone());
    let serving = tokio::spawn(web::serve(listener, web::build_router(state), stop.clone()));
    greet(&config, &url, &password)?;

    tokio::select! {
        () = signals.told_to_stop() => info!("stopping"),
        () = engine.ended() => anyhow::bail!("the engine broke down; what it did is in the database, so start again"),
    }
    // From here on a second signal ends the process at once: nothing is lost by that either.
    tokio::spawn(async move {
        signals.told_to_stop().await;
        std::process::exit(130);
    });
    engine.stop().await;
    stop.cancel();
    let _ = tokio::join!(watching, poked, serving);
    db.close().await?;
    Ok(Status::Done)
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

async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    let (host, port) = (&config.server.host, config.server.port);
    TcpListener::bind((host.as_str(), port)).await.map_err(|error| {
        let problem = match error.kind() {
            std::io::ErrorKind::AddrInUse => format!("port {port} on {host} is in use"),
            _ => format!("cannot listen on {host}, port {port}: {error}"),
        };
        BadInput::new(problem).hint("choose another with --port or UPDRAFT_PORT").into()
    })
}

/// The default folder is made; a folder that somebody named must be there.
fn prepare_dags_folder(config: &Config) -> anyhow::Result<()> {
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

fn admin_password(config: &Config) -> anyhow::Result<Password> {
    if let Some(given) = &config.server.admin_password {
        return Ok(Password { text: given.clone(), origin: Origin::Given });
    }
    let (text, is_new) = home::admin_password(&config.home)?;
    Ok(Password { text, origin: if is_new { Origin::New } else { Origin::Kept } })
}

/// The password of `admin`, and where it came from.
struct Password {
    text: String,
    origin: Origin,
}

enum Origin {
    Given,
    New,
    Kept,
}

/// The first lines that matter: where it is, and how to sign in.
fn greet(config: &Config, url: &str, password: &Password) -> anyhow::Result<()> {
    let kept = home::password_file(&config.home);
    let sign_in = match password.origin {
        Origin::Given => "the password in UPDRAFT_ADMIN_PASSWORD".to_owned(),
        Origin::New => format!("the password  {}  (kept in {})", password.text, kept.display()),
        Origin::Kept => format!("the password in {}", kept.display()),
    };
    output::line(&format!(
        "\nUpdraft {} is ready at  {url}\nSign in as  admin  with {sign_in}\nDAG files are read from {}\n",
        env!("CARGO_PKG_VERSION"),
        config.dags_folder.display(),
    ))
}

/// The signals that ask for an end, and the one that must not bring it about.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// A file has reached the size that `ulimit -f` allows. Caught, it is an error of whoever writes, as a full disk is.
    _file_size: Signal,
}

impl Signals {
    /// From now on the signals do not end the process by themselves.
    fn catch() -> anyhow::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate()).context("cannot catch SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot catch SIGINT")?,
            _file_size: signal(SignalKind::from_raw(SIGXFSZ)).context("cannot catch SIGXFSZ")?,
        })
    }

    /// Waits for the next of them.
    async fn told_to_stop(&mut self) {
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
