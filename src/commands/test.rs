//! `updraft dags test`: runs a DAG file once, without a server, with its progress on the terminal.
//!
//! It is the same engine on a database that is thrown away afterwards. Data that tasks keep below the home folder stays.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use scheduler::catalog::Catalog;
use scheduler::clock::Clock;
use scheduler::control::{Control, PoolPatch, Trigger, TriggeredBy};
use scheduler::dag::Dag;
use scheduler::dag::spec::{self, LoadedDag};
use scheduler::engine::leash::Leash;
use scheduler::engine::wake::Waker;
use scheduler::engine::{Engine, EngineSettings, Execution};
use scheduler::events::{Change, ChangeKind, Changes};
use scheduler::log::{self, Logs};
use scheduler::operator::TaskKey;
use scheduler::run::RunState;
use scheduler::secrets::Secrets;
use scheduler::sources::defaults;
use scheduler::sources::folder::DagFolder;
use scheduler::store::entity::task_instance;
use scheduler::store::leases::Holder;
use scheduler::store::pools::{DEFAULT_POOL, PoolSettings};
use scheduler::store::{Db, runs};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::dags::{dag_file, parse_conf, parse_date, read_source};
use super::installation::{catalog, keyring, open_database, secrets};
use super::tasks;
use crate::cli::TestArgs;
use crate::config::{self, Config};
use crate::home;
use crate::output;
use crate::report::{BadInput, Status};
use crate::terminal::{self, Progress};

/// Lines of its log that are shown of a task that failed.
const FAILED_LINES: usize = 20;

/// Runs the DAG of a file once.
pub async fn run(args: TestArgs, config: &Config) -> anyhow::Result<Status> {
    let catalog = catalog(config)?;
    let Some(loaded) = load(&args, &catalog, config)? else { return Ok(Status::BadInput) };
    let trigger = trigger(&args)?;
    home::create(&config.home)?;
    let scratch =
        tempfile::Builder::new().prefix("updraft-test-").tempdir().context("cannot make a folder to work in")?;
    let lock = std::fs::File::create(scratch.path().join("lock")).context("cannot make a file to lock")?;
    let _guardian = operators::guardian::start(&lock).context("cannot start the guardian of child processes")?;

    let folder = scratch.path().join("dags");
    std::fs::create_dir(&folder).context("cannot make a folder for the DAG file")?;
    copy_into(&folder, &args.file, &config.dags_folder).context("cannot copy the DAG file")?;
    let db = Db::open_passing(&scratch.path().join("test.db")).await?;
    let (clock, changes) = (Clock::System, Changes::default());
    let (waker, wakes) = Waker::new();
    let parts = (db.clone(), catalog.clone(), clock.clone(), changes.clone(), waker.clone());
    let copies = DagFolder::new(folder, parts.0, parts.1, parts.2, parts.3, parts.4, false);
    copies.with_originals(dag_file(&args.file, config)).sync().await?;

    let hints = changes.subscribe();
    let control = Control::new(db.clone(), catalog.clone(), clock.clone(), changes.clone(), waker.clone());
    let dag_id = loaded.dag.dag_id.clone();
    make_pools(&control, &loaded.dag).await?;
    // Whether new DAGs begin paused is for servers: a paused one would keep the run from beginning.
    control.set_paused(&dag_id, false, None).await?;
    // Only the run that was asked for: the schedule of the DAG is none of this command's business.
    let run = control.trigger(&dag_id, trigger).await?;
    let logs = scratch.path().join("logs");
    let settings = EngineSettings {
        db: db.clone(),
        catalog,
        clock,
        changes,
        home: config.home.clone(),
        logs: Logs::Folder(logs.clone()),
        parallelism: config.server.parallelism,
        max_map_length: config.server.max_map_length,
        holder: Holder::alone("test", "localhost"),
        base_url: None,
        grace: Duration::ZERO,
        execution: Execution::Here,
        bus: None,
        leash: Arc::new(Leash::endless()),
        secrets: secrets_around(config).await?,
        run_maker: Arc::new(control),
        makes_due_runs: false,
    };
    let engine = Engine::start(settings, waker, wakes).await?;
    let state = tokio::select! {
        state = follow(&db, hints, &dag_id, &run.run_id, &logs) => state?,
        _ = tokio::signal::ctrl_c() => {
            terminal::line("stopping");
            RunState::Failed
        }
    };
    engine.stop().await;
    terminal::line(&format!("\nrun {}  {}", run.run_id, Progress::new().state(state.word())));
    Ok(if state == RunState::Success { Status::Done } else { Status::RunFailed })
}

/// The connections and variables of the installation around, as far as there is one.
async fn secrets_around(config: &Config) -> anyhow::Result<Secrets> {
    let file = config.database_url.strip_prefix("sqlite://").or(config.database_url.strip_prefix("sqlite:"));
    if file.is_some_and(|file| !Path::new(file.split('?').next().unwrap_or(file)).exists()) {
        return Ok(Secrets::outside(config::secrets::open(&config.secrets_backends)?));
    }
    secrets(config, open_database(config).await?, keyring(config)?)
}

/// Copies a DAG file with the defaults under it, which keep their order by lying in folders around it.
fn copy_into(folder: &Path, file: &Path, around: &Path) -> std::io::Result<()> {
    let mut folder = folder.to_owned();
    for found in defaults::under(file, around)?.iter().rev() {
        std::fs::copy(found, folder.join(defaults::NAMES[0]))?;
        folder.push("nearer");
        std::fs::create_dir(&folder)?;
    }
    let name = file.file_name().ok_or_else(|| std::io::Error::other("it has no name"))?;
    std::fs::copy(file, folder.join(name)).map(|_| ())
}

/// Pools that are never full: what pools there are elsewhere is none of this command's business.
async fn make_pools(control: &Control, dag: &Dag) -> anyhow::Result<()> {
    let endless = PoolPatch { slots: Some(-1), ..PoolPatch::default() };
    control.patch_pool(DEFAULT_POOL, endless, None).await?;
    let named: BTreeSet<&str> = dag.tasks().map(|(_, task)| task.pool.as_str()).collect();
    for name in named.into_iter().filter(|name| *name != DEFAULT_POOL) {
        let settings = PoolSettings { name: name.to_owned(), slots: -1, description: None, include_deferred: false };
        control.create_pool(settings, None).await?;
    }
    Ok(())
}

/// The DAG of a file; none when the file has mistakes, which are shown then.
pub(super) fn load(args: &TestArgs, catalog: &Catalog, config: &Config) -> anyhow::Result<Option<LoadedDag>> {
    let source = read_source(&args.file, config)?;
    let loaded = spec::load(&source, catalog.registry());
    if !loaded.problems.is_empty() {
        terminal::line(&spec::render(&source, &loaded.problems, output::is_colourful()));
        return Ok(None);
    }
    let known: Vec<String> = loaded.dags.iter().map(|loaded| loaded.dag.dag_id.clone()).collect();
    let chosen = match &args.dag_id {
        Some(wanted) => loaded.dags.into_iter().find(|loaded| loaded.dag.dag_id == *wanted),
        None if loaded.dags.len() == 1 => loaded.dags.into_iter().next(),
        None => None,
    };
    chosen.map(Some).ok_or_else(|| {
        BadInput::new(format!("`{}` holds the DAGs {}", args.file.display(), known.join(", ")))
            .hint("say which with --dag-id")
            .into()
    })
}

fn trigger(args: &TestArgs) -> anyhow::Result<Trigger> {
    let logical_date = args.logical_date.as_deref().map(parse_date).transpose()?;
    Ok(Trigger {
        run_id: None,
        logical_date: Some(logical_date.unwrap_or_else(|| Clock::System.now())),
        data_interval: None,
        partition_key: None,
        run_after: None,
        conf: parse_conf(args.conf.as_deref())?,
        note: None,
        triggered_by: TriggeredBy::Test,
        user: None,
    })
}

/// Shows each change of a task until the run is over.
async fn follow(
    db: &Db,
    mut hints: Receiver<Change>,
    dag_id: &str,
    run_id: &str,
    logs: &Path,
) -> anyhow::Result<RunState> {
    let progress = Progress::new();
    loop {
        let hint = match hints.recv().await {
            Ok(hint) => hint,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => anyhow::bail!("the engine broke down"),
        };
        if hint.dag_run_id.as_deref() != Some(run_id) {
            continue;
        }
        match (hint.kind, hint.state.as_deref()) {
            (ChangeKind::TaskInstance, Some(word)) if word != "scheduled" => {
                let (task_id, map_index) = (hint.task_id.unwrap_or_default(), hint.map_index.unwrap_or(-1));
                let name = if map_index < 0 { task_id.clone() } else { format!("{task_id} [{map_index}]") };
                terminal::line(&format!("{name:<32}  {}", progress.state(word)));
                if word == "failed" || word == "up_for_retry" {
                    show_failure(db, dag_id, run_id, (&task_id, map_index), logs).await?;
                }
            }
            (ChangeKind::DagRun, Some(word)) => {
                if let Ok(state) = word.parse::<RunState>()
                    && state.is_finished()
                {
                    return Ok(state);
                }
            }
            _ => {}
        }
    }
}

async fn show_failure(
    db: &Db,
    dag_id: &str,
    run_id: &str,
    (task_id, map_index): (&str, i32),
    logs: &Path,
) -> anyhow::Result<()> {
    let run = runs::get(db.read(), dag_id, run_id).await?;
    let instances = runs::instances(db.read(), run.id).await?;
    let named = |instance: &&task_instance::Model| instance.task_id == task_id && instance.map_index == map_index;
    let Some(instance) = instances.iter().find(named) else { return Ok(()) };
    let key = TaskKey { dag_id: dag_id.to_owned(), run_id: run_id.to_owned(), task_id: task_id.to_owned(), map_index };
    let path = log::path(logs, &key, u32::try_from(instance.try_number).unwrap_or(0));
    for line in tasks::tail(&path, FAILED_LINES) {
        terminal::line(&format!("    {}", tasks::shown(&line)));
    }
    Ok(())
}
