//! One DAG file: reading it, and what the database keeps of its DAGs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::defaults::{DefaultsTexts, read_text};
use super::folder::BUNDLE_NAME;
use super::scan::{self, Found};
use crate::catalog::Catalog;
use crate::dag::Dag;
use crate::dag::spec::{self, LoadedDag, Loader, SourceFile};
use crate::dag::timetable::Timetable;
use crate::store::entity::dag;

/// One file that changed.
pub(super) struct ReadFile {
    pub(super) name: String,
    text: String,
    pub(super) dags: Vec<LoadedDag>,
    /// What is wrong with it, as text with positions; none when nothing is.
    pub(super) problems: Option<String>,
    took: Duration,
}

/// Reads a file of `folder` with the defaults under it, and what it defines.
pub(super) fn read_file(
    folder: &Path,
    (catalog, loader): (&Catalog, &mut Loader<'_>),
    (name, found): (String, &Found),
    texts: &mut DefaultsTexts,
) -> ReadFile {
    let began = Instant::now();
    match read_source(folder, &name, found, texts) {
        Ok(source) => {
            let loaded = loader.load(&source);
            for dag in &loaded.dags {
                catalog.remember(dag);
            }
            let problems = (!loaded.problems.is_empty()).then(|| spec::render(&source, &loaded.problems, false));
            ReadFile { name, text: source.text, dags: loaded.dags, problems, took: began.elapsed() }
        }
        Err(problem) => {
            let problems = Some(problem);
            ReadFile { name, text: String::new(), dags: Vec::new(), problems, took: began.elapsed() }
        }
    }
}

/// The text of a file and of the defaults under it, or what is wrong with one of them.
fn read_source(folder: &Path, name: &str, found: &Found, texts: &mut DefaultsTexts) -> Result<SourceFile, String> {
    let text = read_text(&scan::path_of(folder, name), found.stamp.size_bytes());
    let text = text.map_err(|problem| format!("{name}: {problem}"))?;
    let defaults: Vec<(String, u64)> =
        found.defaults.iter().map(|(name, stamp)| (name.clone(), stamp.size_bytes())).collect();
    Ok(SourceFile::with_defaults(name, text, texts.of(folder, &defaults)?))
}

impl ReadFile {
    /// The row of a DAG in this file. The database keeps what else it knows of the DAG: whether it is paused, and its
    /// next run.
    pub(super) fn row(
        &self,
        loaded: &LoadedDag,
        (fileloc, relative_fileloc): &(PathBuf, String),
        is_paused_at_creation: bool,
        now: DateTime<Utc>,
    ) -> dag::Model {
        let dag = &loaded.dag;
        let timetable = Timetable::new(&dag.schedule, dag.timezone).ok();
        dag::Model {
            dag_id: dag.dag_id.clone(),
            dag_display_name: dag.display_name.clone(),
            task_display_names: task_display_names(dag),
            is_paused: dag.runs.is_paused_upon_creation.unwrap_or(is_paused_at_creation),
            is_stale: false,
            has_import_errors: false,
            fileloc: fileloc.to_string_lossy().into_owned(),
            relative_fileloc: relative_fileloc.clone(),
            bundle_name: BUNDLE_NAME.to_owned(),
            last_parsed_time: Some(now),
            last_parse_duration_ms: i32::try_from(self.took.as_millis()).ok(),
            description: dag.description.clone(),
            owners: dag.owner.clone(),
            timetable_summary: timetable.as_ref().and_then(Timetable::summary),
            timetable_description: timetable.as_ref().map(Timetable::describe),
            timezone: dag.timezone.name().to_owned(),
            max_active_runs: i32::try_from(dag.runs.max_active_runs).unwrap_or(i32::MAX),
            max_active_tasks: i32::try_from(dag.runs.max_active_tasks).unwrap_or(i32::MAX),
            allowed_run_types: dag
                .runs
                .allowed_run_types
                .as_ref()
                .map(|types| types.iter().map(|kind| kind.word()).collect()),
            next_dagrun_logical_date: None,
            next_dagrun_data_interval_start: None,
            next_dagrun_data_interval_end: None,
            next_dagrun_run_after: None,
            version_hash: loaded.hash.clone(),
            source: self.text.clone(),
            updated_at: now,
        }
    }
}

/// The second names of tasks, by their ids; none when no task has one.
fn task_display_names(dag: &Dag) -> Option<Value> {
    let names =
        dag.tasks().filter_map(|(_, task)| Some((task.task_id.clone(), Value::from(task.display_name.as_deref()?))));
    let names: Map<String, Value> = names.collect();
    (!names.is_empty()).then_some(Value::Object(names))
}

/// Whether a DAG's row must be written again. When it was read does not count.
pub(super) fn differs(old: &dag::Model, new: &dag::Model) -> bool {
    old.is_stale
        || old.has_import_errors
        || old.source != new.source
        || old.version_hash != new.version_hash
        || old.fileloc != new.fileloc
        || old.relative_fileloc != new.relative_fileloc
        || old.timetable_description != new.timetable_description
}
