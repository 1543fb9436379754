//! `updraft dags`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, Utc};
use scheduler::chain::Chain;
use scheduler::control::{Trigger, TriggeredBy};
use scheduler::dag::Dag;
use scheduler::dag::spec::{self, LoadedDag, SourceFile};
use scheduler::dag::template::{FileText, check_file};
use scheduler::dag::timetable::{Timetable, Upcoming};
use scheduler::operator::DagFile;
use scheduler::paths::normalize;
use scheduler::preview::{self, Awaited};
use scheduler::run::RunState;
use scheduler::sources::defaults;
use scheduler::store::entity::{dag, dag_run};
use scheduler::store::{dags, runs};
use scheduler::template_files::SearchPath;
use serde_json::{Map, Value, json};

use super::clear;
use super::installation::{Installation, catalog};
use crate::cli::{DagsCommand, TriggerArgs};
use crate::config::Config;
use crate::output::{self, Output};
use crate::report::{BadInput, Status};
use crate::terminal;

/// How often a waiting command looks at the run.
const LOOK: std::time::Duration = std::time::Duration::from_millis(200);

/// Runs the command.
pub async fn run(command: DagsCommand, config: Config, output: Output) -> anyhow::Result<Status> {
    if let DagsCommand::Validate { paths } = command {
        return validate(paths, &config, output);
    }
    let installation = Installation::open(config).await?;
    match command {
        DagsCommand::List => list(&installation, output).await,
        DagsCommand::Show { dag_id } => show(&installation, &dag_id, output).await,
        DagsCommand::Trigger(args) => trigger(&installation, args, output).await,
        DagsCommand::Pause { dag_id } => set_paused(&installation, &dag_id, true, output).await,
        DagsCommand::Unpause { dag_id } => set_paused(&installation, &dag_id, false, output).await,
        DagsCommand::Delete { dag_id, yes } => delete(&installation, &dag_id, yes, output).await,
        DagsCommand::Next { dag_id, count } => next(&installation, &dag_id, count, output).await,
        DagsCommand::Validate { .. } | DagsCommand::Test(_) | DagsCommand::Render(_) => Ok(Status::Done),
    }
}

async fn delete(installation: &Installation, dag_id: &str, yes: bool, output: Output) -> anyhow::Result<Status> {
    let question = format!("delete DAG `{dag_id}` with all of its runs?");
    if !yes && !clear::agreed(&question, "whether to delete it")? {
        return Ok(Status::Done);
    }
    installation.control.delete_dag(dag_id, None).await?;
    output.print(&json!({ "dag_id": dag_id }), |_| format!("{dag_id} is deleted"))?;
    Ok(Status::Done)
}

async fn list(installation: &Installation, output: Output) -> anyhow::Result<Status> {
    let rows: Vec<dag::Model> =
        dags::list_all(installation.db.read()).await?.into_iter().filter(|row| !row.is_stale).collect();
    let data: Vec<Value> = rows.iter().map(summary).collect();
    output.print(&data, |_| {
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                vec![
                    row.dag_id.clone(),
                    row.timetable_description.clone().unwrap_or_default(),
                    row.next_dagrun_run_after.map(shown).unwrap_or_default(),
                    if row.is_paused { "paused".to_owned() } else { "active".to_owned() },
                    if row.has_import_errors { "import errors".to_owned() } else { String::new() },
                ]
            })
            .collect();
        output::table(&["DAG", "SCHEDULE", "NEXT RUN", "", ""], &rows)
    })?;
    Ok(Status::Done)
}

fn summary(row: &dag::Model) -> Value {
    json!({
        "dag_id": row.dag_id,
        "is_paused": row.is_paused,
        "has_import_errors": row.has_import_errors,
        "description": row.description,
        "owners": row.owners,
        "timetable_summary": row.timetable_summary,
        "timetable_description": row.timetable_description,
        "next_dagrun_run_after": row.next_dagrun_run_after,
        "relative_fileloc": row.relative_fileloc,
    })
}

async fn definition(installation: &Installation, dag_id: &str) -> anyhow::Result<(dag::Model, std::sync::Arc<Dag>)> {
    let row = dags::get_live(installation.db.read(), dag_id).await?;
    let dag = installation.catalog.definition(&row.dag_id, &row.version_hash, &row.relative_fileloc, &row.source)?;
    Ok((row, dag))
}

async fn show(installation: &Installation, dag_id: &str, output: Output) -> anyhow::Result<Status> {
    let (row, dag) = definition(installation, dag_id).await?;
    let tasks: Vec<Value> = dag
        .topological()
        .iter()
        .map(|&index| {
            let task = dag.task(index);
            let mut upstream: Vec<&str> = dag.upstream(index).map(|index| dag.task(index).task_id.as_str()).collect();
            upstream.sort_unstable();
            json!({ "task_id": task.task_id, "operator": task.operator, "dependencies": upstream })
        })
        .collect();
    let params: Map<String, Value> =
        dag.params.iter().map(|(name, param)| (name.clone(), param.default.clone().unwrap_or(Value::Null))).collect();
    let mut data = summary(&row);
    data["params"] = Value::Object(params);
    data["tasks"] = Value::Array(tasks);
    output.print(&data, |data| {
        let rows: Vec<Vec<String>> = data["tasks"].as_array().map_or_else(Vec::new, |tasks| {
            tasks
                .iter()
                .map(|task| vec![text(&task["task_id"]), text(&task["operator"]), text(&task["dependencies"])])
                .collect()
        });
        format!(
            "{}  {}\nschedule: {}\nfile: {}\nparams: {}\n\n{}",
            row.dag_id,
            if row.is_paused { "(paused)" } else { "" },
            row.timetable_description.as_deref().unwrap_or("none"),
            row.relative_fileloc,
            data["params"],
            output::table(&["TASK", "OPERATOR", "DEPENDENCIES"], &rows)
        )
    })?;
    Ok(Status::Done)
}

/// A JSON value as people write it: text bare, lists joined.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

async fn trigger(installation: &Installation, args: TriggerArgs, output: Output) -> anyhow::Result<Status> {
    let logical_date = match (args.logical_date.as_deref(), &args.partition_key) {
        (Some(date), _) => Some(parse_date(date)?),
        // A run of a partition has no date, unless one is asked for.
        (None, Some(_)) => None,
        (None, None) => Some(installation.clock.now()),
    };
    let trigger = Trigger {
        run_id: args.run_id,
        logical_date,
        data_interval: None,
        partition_key: args.partition_key,
        run_after: None,
        conf: parse_conf(args.conf.as_deref())?,
        note: args.note,
        triggered_by: TriggeredBy::Cli,
        user: None,
    };
    let run = installation.control.trigger(&args.dag_id, trigger).await?;
    let is_paused = dags::find(installation.db.read(), &args.dag_id).await?.is_some_and(|dag| dag.is_paused);
    let run = if args.wait { wait(installation, run).await? } else { run };
    let data = json!({ "dag_id": run.dag_id, "dag_run_id": run.run_id, "state": run.state });
    output.print(&data, |_| format!("{}  {}", run.run_id, run.state))?;
    if is_paused && !args.wait {
        terminal::line(&format!("hint: the DAG is paused; the run begins after `updraft dags unpause {}`", run.dag_id));
    }
    Ok(if run.state == RunState::Failed.word() { Status::RunFailed } else { Status::Done })
}

async fn wait(installation: &Installation, mut run: dag_run::Model) -> anyhow::Result<dag_run::Model> {
    loop {
        if run.state.parse::<RunState>().is_ok_and(RunState::is_finished) {
            return Ok(run);
        }
        tokio::time::sleep(LOOK).await;
        run = runs::get(installation.db.read(), &run.dag_id, &run.run_id).await?;
    }
}

/// The object that `--conf` holds.
pub(super) fn parse_conf(conf: Option<&str>) -> anyhow::Result<Map<String, Value>> {
    parse_object("--conf", conf)
}

/// The JSON object that an option holds; an empty one when it is not there.
pub(super) fn parse_object(option: &str, text: Option<&str>) -> anyhow::Result<Map<String, Value>> {
    let hint = format!(r#"write it like {option} '{{"rows": 100}}'"#);
    match text.map(serde_json::from_str) {
        None => Ok(Map::new()),
        Some(Ok(Value::Object(object))) => Ok(object),
        Some(Ok(_)) => Err(BadInput::new(format!("{option} is not a JSON object")).hint(hint).into()),
        Some(Err(error)) => Err(BadInput::new(format!("{option} is not JSON: {error}")).hint(hint).into()),
    }
}

/// The instant that an option holds.
pub(super) fn parse_date(text: &str) -> anyhow::Result<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .map(|date| date.to_utc())
        .map_err(|_| BadInput::new(format!("`{text}` is not a date")).hint("write it like 2026-11-21T00:00:00Z").into())
}

async fn set_paused(
    installation: &Installation,
    dag_id: &str,
    is_paused: bool,
    output: Output,
) -> anyhow::Result<Status> {
    let row = installation.control.set_paused(dag_id, is_paused, None).await?;
    output.print(&json!({ "dag_id": row.dag_id, "is_paused": row.is_paused }), |_| {
        format!("{dag_id} is {}", if row.is_paused { "paused" } else { "active" })
    })?;
    Ok(Status::Done)
}

async fn next(installation: &Installation, dag_id: &str, count: u16, output: Output) -> anyhow::Result<Status> {
    let (row, dag) = definition(installation, dag_id).await?;
    let timetable = Timetable::new(&dag.schedule, dag.timezone)?;
    let now = installation.clock.now();
    let runs = preview::upcoming(&installation.db, &row, &dag, &timetable, now, usize::from(count)).await?;
    let awaited = preview::awaited(&installation.db, &dag).await?;
    let data: Vec<Value> = runs.iter().map(|run| upcoming(run, &timetable)).collect();
    output.print(&data, |_| match &awaited {
        Some(awaited) if runs.is_empty() => waits_for(dag_id, awaited),
        Some(awaited) => {
            format!("{}\n\n{}", next_runs(&row, &dag, &timetable, &runs, now), waits_for(dag_id, awaited))
        }
        None => next_runs(&row, &dag, &timetable, &runs, now),
    })?;
    if row.is_paused && !runs.is_empty() {
        terminal::line(&format!("hint: the DAG is paused; this is what `updraft dags unpause {dag_id}` starts"));
    }
    Ok(Status::Done)
}

/// The assets that a DAG waits for, and which of them were updated since it last ran for them.
fn waits_for(dag_id: &str, awaited: &Awaited) -> String {
    let of_assets = awaited.assets.iter().map(|asset| {
        vec![
            asset.name.clone(),
            asset.queued_at.map_or_else(|| "waits for an update".to_owned(), |at| format!("updated {}", shown(at))),
            asset.last_event_at.map_or_else(|| "never".to_owned(), shown),
        ]
    });
    let of_aliases = awaited.unresolved.iter().map(|alias| {
        vec![format!("alias {alias}"), "waits for a task to find an asset".to_owned(), "never".to_owned()]
    });
    let rows: Vec<Vec<String>> = of_assets.chain(of_aliases).collect();
    let state = if awaited.is_met { "holds" } else { "does not hold yet" };
    format!(
        "{dag_id} runs when {}: {state}\n\n{}",
        awaited.expression,
        output::table(&["ASSET", "SINCE THE LAST RUN", "LAST UPDATED"], &rows)
    )
}

fn upcoming(upcoming: &Upcoming, timetable: &Timetable) -> Value {
    json!({
        "run_after": upcoming.run.run_after,
        "logical_date": upcoming.run.logical_date,
        "data_interval_start": upcoming.run.data_interval.start,
        "data_interval_end": upcoming.run.data_interval.end,
        "partition_key": timetable.partition(upcoming.run.run_after).map(|partition| partition.key),
        "note": upcoming.note.map(|note| note.to_string()),
    })
}

/// The runs to come in the DAG's time zone, with what they are about where that is not the instant itself.
fn next_runs(row: &dag::Model, dag: &Dag, timetable: &Timetable, runs: &[Upcoming], now: DateTime<Utc>) -> String {
    if runs.is_empty() {
        return if timetable.is_scheduled() {
            format!("{} has no run to come: {}", row.dag_id, timetable.describe())
        } else {
            format!("{} never runs by the clock: {}", row.dag_id, timetable.describe())
        };
    }
    let local = |at: DateTime<Utc>| at.with_timezone(&dag.timezone).format("%Y-%m-%d %H:%M:%S %Z").to_string();
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|upcoming| {
            let interval = upcoming.run.data_interval;
            let covers = match timetable.partition(upcoming.run.run_after) {
                Some(partition) => partition.key,
                None if interval.start == interval.end => String::new(),
                None => format!("{} to {}", local(interval.start), local(interval.end)),
            };
            let missed = (upcoming.run.run_after <= now).then(|| "at once".to_owned());
            let notes: Vec<String> = missed.into_iter().chain(upcoming.note.map(|note| note.to_string())).collect();
            vec![local(upcoming.run.run_after), covers, notes.join(", ")]
        })
        .collect();
    output::table(&["RUNS AT", "COVERS", ""], &rows)
}

fn validate(paths: Vec<PathBuf>, config: &Config, output: Output) -> anyhow::Result<Status> {
    let paths = if paths.is_empty() { vec![config.dags_folder.clone()] } else { paths };
    let catalog = catalog(config)?;
    let mut problems = Vec::new();
    let mut count = 0;
    for path in dag_files(&paths)? {
        let source = read_source(&path, config)?;
        let mut loaded = spec::load(&source, catalog.registry());
        let found = loaded.dags.iter().flat_map(|loaded| file_problems(loaded, &source, &path, config));
        let found: Vec<spec::Problem> = found.collect();
        loaded.problems.extend(found);
        count += loaded.dags.len();
        for obstacle in loaded.dags.iter().flat_map(|loaded| catalog.obstacles(&loaded.dag)) {
            terminal::line(&format!("warning: {}: {obstacle}", source.name));
        }
        if !loaded.problems.is_empty() {
            terminal::line(&spec::render(&source, &loaded.problems, output::is_colourful()));
        }
        problems.extend(loaded.problems.iter().map(|problem| {
            json!({
                "file": source.file_of(problem),
                "line": problem.line,
                "column": problem.column,
                "code": problem.code.as_str(),
                "message": problem.message,
                "help": problem.help,
                "dag_id": problem.dag_id,
            })
        }));
    }
    let found = problems.len();
    let dags = if count == 1 { "1 DAG".to_owned() } else { format!("{count} DAGs") };
    output.print(&problems, |_| match found {
        0 => format!("{dags}, nothing wrong"),
        1 => format!("{dags}, 1 mistake"),
        _ => format!("{dags}, {found} mistakes"),
    })?;
    Ok(if found == 0 { Status::Done } else { Status::BadInput })
}

/// What is wrong with the template files that the tasks of a DAG name.
fn file_problems(loaded: &LoadedDag, source: &SourceFile, path: &Path, config: &Config) -> Vec<spec::Problem> {
    let search = match SearchPath::of(&loaded.dag, &dag_file(path, config)) {
        Ok(search) => search,
        Err(problem) => return vec![loaded.search_path_problem(source, problem.to_string())],
    };
    loaded.file_problems(source, |file| match search.read(file) {
        Ok(text) => {
            let read = FileText { file: file.clone(), text };
            check_file(&read).iter().map(ToString::to_string).collect()
        }
        Err(problem) => vec![Chain(&problem).to_string()],
    })
}

/// Where a DAG file is. One outside of the folder of DAG files has what is beside it, and nothing else.
pub(super) fn dag_file(path: &Path, config: &Config) -> DagFile {
    let absolute = |path: &Path| normalize(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    let folder = absolute(path).parent().map(Path::to_owned).unwrap_or_default();
    let root = absolute(&config.dags_folder);
    DagFile { root: if folder.starts_with(&root) { root } else { folder.clone() }, folder }
}

fn dag_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let folder = std::fs::read_dir(path).with_context(|| format!("cannot read `{}`", path.display()))?;
            let mut inside: Vec<PathBuf> = folder.filter_map(Result::ok).map(|entry| entry.path()).collect();
            inside.sort();
            let is_wanted = |path: &PathBuf| path.is_dir() || is_yaml(path) && !defaults::is_defaults_file(path);
            let wanted: Vec<PathBuf> = inside.into_iter().filter(is_wanted).collect();
            files.extend(dag_files(&wanted)?);
        } else if defaults::is_defaults_file(path) {
            let message =
                format!("`{}` holds defaults, which are checked with the DAG files over them", path.display());
            return Err(BadInput::new(message).hint("name its folder").into());
        } else if path.exists() {
            files.push(path.clone());
        } else {
            return Err(BadInput::new(format!("`{}` does not exist", path.display())).into());
        }
    }
    Ok(files)
}

/// A DAG file with the defaults under it.
pub(super) fn read_source(path: &Path, config: &Config) -> anyhow::Result<SourceFile> {
    defaults::read_source(path, &config.dags_folder)
        .map_err(|(path, error)| BadInput::new(format!("cannot read `{}`: {error}", path.display())).into())
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

pub(super) fn shown(date: DateTime<Utc>) -> String {
    date.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
