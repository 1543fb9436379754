//! The web server of a process, and what it says of itself.

use anyhow::Context;
use scheduler::engine::wake::Waker;
use scheduler::events::Changes;
use scheduler::log::LogReader;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use web::{AppState, AuthSettings};

use super::process::Process;
use crate::config::Config;
use crate::home;
use crate::output;
use crate::report::BadInput;

/// Listens where the settings say.
pub async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    let (host, port) = (&config.server.host, config.server.port);
    TcpListener::bind((host.as_str(), port)).await.map_err(|error| {
        let problem = match error.kind() {
            std::io::ErrorKind::AddrInUse => format!("port {port} on {host} is in use"),
            _ => format!("cannot listen on {host}, port {port}: {error}"),
        };
        BadInput::new(problem).hint("choose another with --port or UPDRAFT_PORT").into()
    })
}

/// Where a listener is reached.
pub fn url_of(listener: &TcpListener) -> anyhow::Result<String> {
    Ok(format!("http://{}", listener.local_addr().context("the listener has no address")?))
}

/// Serves the REST API and the UI until the process stops.
pub fn serve(
    process: &Process,
    listener: TcpListener,
    password: &Password,
    changes: Changes,
    waker: &Waker,
) -> anyhow::Result<JoinHandle<std::io::Result<()>>> {
    let Process { config, db, catalog, clock, stop, .. } = process;
    let secret = match &config.server.jwt_secret {
        Some(given) => given.clone().into_bytes(),
        None => home::session_secret(&config.home)?,
    };
    let auth = AuthSettings { username: "admin".to_owned(), password: password.text.clone(), secret };
    let control = process.control(&changes, waker);
    let logs = LogReader::new(config.log_folder(), db.clone());
    let (db, catalog, clock) = (db.clone(), catalog.clone(), clock.clone());
    let state = AppState::new(db, control, changes, catalog, clock, logs, &auth, stop.clone());
    Ok(tokio::spawn(web::serve(listener, web::build_router(state), stop.clone())))
}

/// The password of `admin`: given, kept, or made now.
pub fn admin_password(config: &Config) -> anyhow::Result<Password> {
    if let Some(given) = &config.server.admin_password {
        return Ok(Password { text: given.clone(), origin: Origin::Given });
    }
    let (text, is_new) = home::admin_password(&config.home)?;
    Ok(Password { text, origin: if is_new { Origin::New } else { Origin::Kept } })
}

/// The password of `admin`, and where it came from.
pub struct Password {
    text: String,
    origin: Origin,
}

enum Origin {
    Given,
    New,
    Kept,
}

/// The first lines that matter: where it is, and how to sign in.
pub fn greet(config: &Config, url: &str, password: &Password, dags: Option<&str>) -> anyhow::Result<()> {
    let kept = home::password_file(&config.home);
    let sign_in = match password.origin {
        Origin::Given => "the password in UPDRAFT_ADMIN_PASSWORD".to_owned(),
        Origin::New => format!("the password  {}  (kept in {})", password.text, kept.display()),
        Origin::Kept => format!("the password in {}", kept.display()),
    };
    output::line(&format!(
        "\nUpdraft {} is ready at  {url}\nSign in as  admin  with {sign_in}\n{}",
        env!("CARGO_PKG_VERSION"),
        dags.map(|place| format!("DAG files are read from {place}\n")).unwrap_or_default(),
    ))
}
