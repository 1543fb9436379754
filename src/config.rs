//! The settings: a flag, else its `UPDRAFT_*` variable, else `updraft.toml`, else a default.
//!
//! Flags and variables arrive together through clap, in that order; this file lays the rest under them.

pub mod dags;
mod mail;
pub mod secrets;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use operators::notifiers::MailServer;
use scheduler::dag::MAP_LENGTH_MAX;
use serde::Deserialize;

use crate::cli::{
    Command, GlobalArgs, LogArgs, LogPlace, SchedulerArgs, SchedulingArgs, StandaloneArgs, TryArgs, WebArgs, WorkerArgs,
};
use crate::report::BadInput;
use dags::DagsOrigin;
use secrets::BackendSpec;

/// What every command needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// `UPDRAFT_HOME`.
    pub home: PathBuf,
    /// Where the state is.
    pub database_url: String,
    /// Where the DAG files are.
    pub dags_folder: PathBuf,
    /// What that folder is a copy of, when they are kept elsewhere.
    pub dags_origin: Option<DagsOrigin>,
    /// Through which server e-mail callbacks go.
    pub mail: Option<MailServer>,
    /// The keys of the secrets in the database, when they are given from outside (Airflow 3: `fernet_key`).
    pub secret_key: Option<String>,
    /// Where secrets are kept outside of the database, in the order in which they are looked for.
    pub secrets_backends: Vec<BackendSpec>,
    /// The web server and the executor.
    pub server: ServerConfig,
}

/// What the commands that start servers need besides.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The address to listen on.
    pub host: String,
    /// The port to listen on; 0 takes a free one.
    pub port: u16,
    /// Most task instances at the same time.
    pub parallelism: usize,
    /// Most items that a task leaves to map over (Airflow 3: `max_map_length`).
    pub max_map_length: u32,
    /// How long running tasks may go on after the signal to stop.
    pub grace: Duration,
    /// How long a process that runs tasks may be silent, on Postgres, before they are run again elsewhere.
    pub lease: Duration,
    /// The queues of a worker.
    pub queues: Vec<String>,
    /// Most tasks that a worker runs at the same time.
    pub worker_concurrency: u32,
    /// Where the logs of tasks are kept.
    pub logs: LogPlace,
    /// Whether new DAGs start paused (Airflow 3: `dags_are_paused_at_creation`).
    pub dags_are_paused_at_creation: bool,
    /// Where people reach the web UI, for links in messages; the address that is listened on when absent (Airflow 3:
    /// `[api] base_url`).
    pub base_url: Option<String>,
    /// The password of `admin`, when it is given from outside.
    pub admin_password: Option<String>,
    /// What signs sessions, when it is given from outside: web servers that do not share a home folder need the same
    /// (Airflow 3: `[api_auth] jwt_secret`).
    pub jwt_secret: Option<String>,
}

/// `updraft.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsFile {
    home: Option<PathBuf>,
    database_url: Option<String>,
    dags_folder: Option<PathBuf>,
    dags_refresh_secs: Option<u64>,
    host: Option<String>,
    port: Option<u16>,
    parallelism: Option<usize>,
    max_map_length: Option<u32>,
    grace_secs: Option<u64>,
    lease_secs: Option<u64>,
    queues: Option<Vec<String>>,
    worker_concurrency: Option<u32>,
    logs: Option<LogPlace>,
    dags_are_paused_at_creation: Option<bool>,
    base_url: Option<String>,
    secrets_backends: Option<Vec<String>>,
    #[serde(default)]
    smtp: mail::SmtpFile,
}

/// Shorter, and a moment's delay of the database would be taken for a death.
const LEASE_SECS_MIN: u64 = 3;

/// What was typed, whatever the command.
#[derive(Default)]
struct Typed {
    web: WebArgs,
    scheduling: SchedulingArgs,
    worker: WorkerArgs,
    tries: TryArgs,
    logs: LogArgs,
}

impl Typed {
    fn of(command: &Command) -> Typed {
        match command {
            Command::Standalone(StandaloneArgs { web, scheduling, tries, logs }) => {
                let (web, scheduling, tries) = (web.clone(), scheduling.clone(), tries.clone());
                Typed { web, scheduling, tries, logs: logs.clone(), ..Typed::default() }
            }
            Command::Scheduler(SchedulerArgs { scheduling, logs }) => {
                Typed { scheduling: scheduling.clone(), logs: logs.clone(), ..Typed::default() }
            }
            Command::Worker(args) => {
                let (tries, logs) = (args.tries.clone(), args.logs.clone());
                Typed { tries, logs, worker: args.clone(), ..Typed::default() }
            }
            Command::ApiServer(args) => Typed { web: args.web.clone(), ..Typed::default() },
            _ => Typed::default(),
        }
    }
}

impl Config {
    /// Puts the settings together.
    pub fn resolve(global: &GlobalArgs, command: &Command) -> anyhow::Result<Config> {
        let typed = Typed::of(command);
        let file = read_file(global)?;
        let home = match global.home.clone().or(file.home) {
            Some(home) => std::path::absolute(home).context("the home folder has no absolute path")?,
            None => default_home()?,
        };
        let database_url = global
            .database_url
            .clone()
            .or(file.database_url)
            .unwrap_or_else(|| format!("sqlite://{}", home.join("updraft.db").display()));
        check_database_url(&database_url)?;
        let dags_folder = global.dags_folder.clone().or(file.dags_folder);
        let refresh_secs = global.dags_refresh_secs.or(file.dags_refresh_secs);
        let (dags_folder, dags_origin) = dags::resolve(dags_folder, refresh_secs, &home)?;
        let queues = if typed.worker.queues.is_empty() { file.queues.unwrap_or_default() } else { typed.worker.queues };
        let server = ServerConfig {
            host: typed.web.host.or(file.host).unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: typed.web.port.or(file.port).unwrap_or(8080),
            parallelism: typed.scheduling.parallelism.or(file.parallelism).unwrap_or(32).max(1),
            max_map_length: env_number("UPDRAFT_MAX_MAP_LENGTH")?.or(file.max_map_length).unwrap_or(MAP_LENGTH_MAX),
            grace: Duration::from_secs(typed.tries.grace_secs.or(file.grace_secs).unwrap_or(10)),
            lease: Duration::from_secs(typed.tries.lease_secs.or(file.lease_secs).unwrap_or(300).max(LEASE_SECS_MIN)),
            queues: if queues.is_empty() { vec!["default".to_owned()] } else { queues },
            worker_concurrency: typed.worker.concurrency.or(file.worker_concurrency).unwrap_or(16).max(1),
            logs: typed.logs.logs.or(file.logs).unwrap_or_else(|| usual_logs(command)),
            dags_are_paused_at_creation: env_flag("UPDRAFT_DAGS_ARE_PAUSED_AT_CREATION")?
                .or(file.dags_are_paused_at_creation)
                .unwrap_or(true),
            base_url: env_text("UPDRAFT_BASE_URL").or(file.base_url),
            admin_password: env_text("UPDRAFT_ADMIN_PASSWORD"),
            jwt_secret: env_text("UPDRAFT_JWT_SECRET"),
        };
        let mail = mail::resolve(file.smtp, env_text)?;
        let secrets_backends = secrets::resolve(file.secrets_backends, env_text)?;
        let secret_key = env_text("UPDRAFT_SECRET_KEY");
        Ok(Config { home, database_url, dags_folder, dags_origin, mail, secret_key, secrets_backends, server })
    }

    /// Where the DAG files are, for people.
    pub fn dags_place(&self) -> String {
        self.dags_origin.as_ref().map_or_else(|| self.dags_folder.display().to_string(), DagsOrigin::name)
    }

    /// Where the logs of tries are.
    pub fn log_folder(&self) -> PathBuf {
        self.home.join("logs")
    }
}

fn read_file(global: &GlobalArgs) -> anyhow::Result<SettingsFile> {
    let path = match &global.config {
        Some(path) if !path.is_file() => {
            return Err(BadInput::new(format!("the settings file `{}` does not exist", path.display())).into());
        }
        Some(path) => path.clone(),
        None => {
            let beside = PathBuf::from("updraft.toml");
            let home = global.home.clone().map_or_else(default_home, Ok)?;
            if beside.is_file() { beside } else { home.join("updraft.toml") }
        }
    };
    if !path.is_file() {
        return Ok(SettingsFile::default());
    }
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read the settings file `{}`", path.display()))?;
    toml::from_str(&text)
        .map_err(|error| BadInput::new(format!("the settings file `{}` is wrong: {error}", path.display())).into())
}

/// Processes that work together need not share a folder.
fn usual_logs(command: &Command) -> LogPlace {
    if matches!(command, Command::Scheduler(_) | Command::Worker(_)) { LogPlace::Database } else { LogPlace::Files }
}

fn check_database_url(url: &str) -> anyhow::Result<()> {
    let known = ["sqlite:", "postgres://", "postgresql://"];
    if known.iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(());
    }
    // The rest may hold a password.
    let scheme = url.split(':').next().unwrap_or_default();
    Err(BadInput::new(format!("the database URL begins with `{scheme}:`, which Updraft does not know"))
        .hint("write sqlite:///path/to/updraft.db or postgres://user:password@host/database")
        .into())
}

fn default_home() -> anyhow::Result<PathBuf> {
    std::env::home_dir()
        .map(|home| home.join(".updraft"))
        .ok_or_else(|| BadInput::new("there is no home directory; name a folder with --home").into())
}

#[expect(clippy::disallowed_methods, reason = "the one file that reads the environment")]
fn env_text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn env_number(name: &str) -> anyhow::Result<Option<u32>> {
    let Some(text) = env_text(name) else { return Ok(None) };
    let wrong = || BadInput::new(format!("{name} is `{text}`; it is a whole number from 0 on"));
    Ok(Some(text.parse().map_err(|_| wrong())?))
}

fn env_flag(name: &str) -> anyhow::Result<Option<bool>> {
    match env_text(name).as_deref() {
        None => Ok(None),
        Some("1" | "true" | "yes" | "on") => Ok(Some(true)),
        Some("0" | "false" | "no" | "off") => Ok(Some(false)),
        Some(other) => Err(BadInput::new(format!("{name} is `{other}`; it can be `true` or `false`")).into()),
    }
}
