//! Fills in templates, fetching the XComs, connections and variables that they ask for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::executor::Order;
use super::mapped::{self, Element};
use crate::connection::secrets_of;
use crate::dag::template::{
    FileText, NamedFile, RenderError, SecretRef, SecretValue, TemplateContext, XComs, named_files, render_args_with,
    render_text,
};
use crate::dag::timetable::{Catchup, CatchupMode, DataInterval, Past, Restriction, Timetable};
use crate::dag::{Dag, Task, shape};
use crate::log::TaskLog;
use crate::operator::{
    ErasedOperator, RunFacts, RunReader, SecretReader, TaskContext, TaskError, TaskFacts, XComReader,
};
use crate::store::entity::dag_run;
use crate::template_files::{SearchPath, TemplateFileError};

/// Rounds of fetching before a template is given up: each round must bring at least one new value.
const ROUNDS_MAX: usize = 100;

/// What a try is given.
pub(super) struct Given {
    /// The arguments, ready for the operator.
    pub(super) args: Map<String, Value>,
    /// The name of the instance when it is a mapped one.
    pub(super) label: Option<String>,
    /// The files whose texts are among the arguments, by those.
    pub(super) files: BTreeMap<String, String>,
}

/// What the arguments are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A try does with them what the task is there for.
    Try,
    /// What a try began elsewhere is ended. What stands in template files is not needed for that, and they may be gone.
    Withdrawal,
}

/// What the task of `order` is given.
///
/// What other tasks left is data: mapped over, it goes into the arguments after the templates were filled in.
pub(super) async fn render(
    operator: &ErasedOperator,
    order: &Order,
    ctx: &TaskContext,
    purpose: Purpose,
) -> Result<Given, TaskError> {
    let dag = &order.around.dag;
    let task = dag.task(order.at.task);
    let element = mapped::element(order, ctx).await?;
    let context = TemplateContext {
        dag: Arc::clone(dag),
        task_id: task.task_id.clone(),
        run_id: order.key.run_id.clone(),
        run: ctx.run.clone(),
        try_number: order.try_number,
        map_index: order.key.map_index,
        mapped: element.values(),
        expanded: element.of,
        now: order.ordered_at,
        callback: None,
    };
    let Element { written, left, .. } = if task.mapping.is_some() { element } else { Element::default() };
    let mut templates = task.args.clone();
    templates.extend(written);
    let mut files = named_files(operator, &templates);
    if purpose == Purpose::Withdrawal {
        leave_out(&mut templates, operator, std::mem::take(&mut files));
    }
    let shelf = Shelf { dag, runs: &*ctx.runs, is_shut: purpose == Purpose::Withdrawal };
    let files = shelf.read_all(files).await?;
    let sources = Sources { xcoms: &*ctx.xcom, secrets: &*ctx.secrets, log: &ctx.log, shelf };
    let mut args = sources.fetching(|xcoms| render_args_with(operator, &templates, &files, &context, xcoms)).await?;
    args.extend(left);
    let label = match &task.map_index_template {
        Some(template) if order.key.map_index >= 0 => {
            Some(sources.fetching(|xcoms| render_text("map_index_template", template, &context, xcoms)).await?)
        }
        _ => None,
    };
    let files = files.into_iter().map(|read| (read.file.pointer, read.file.name)).collect();
    Ok(Given { args, label, files })
}

/// Takes away the arguments that name files, save where the name is as good as what stands in the file.
fn leave_out(args: &mut Map<String, Value>, operator: &ErasedOperator, files: Vec<NamedFile>) {
    for file in files {
        let Some(key) = file.pointer.split('/').nth(1) else { continue };
        let place = shape::at(operator.schema.as_value(), &[key]);
        if !shape::types(&place).contains("string") {
            args.remove(key);
        }
    }
}

/// Characters of a text that people are shown of what a task was given (Airflow 3: `max_templated_field_length`).
const SHOWN_CHARACTERS_MAX: usize = 4_096;

/// Cuts long texts, at any depth: what is shown is kept with the task instance for as long as that is.
pub(super) fn cut(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
                let all = text.chars().count();
                text.truncate(end);
                // Nothing refuses to be written into a text.
                let _ = write!(text, "… ({all} characters in all)");
            }
        }
        Value::Array(values) => values.iter_mut().for_each(cut),
        Value::Object(values) => values.values_mut().for_each(cut),
        _ => {}
    }
}

/// Why templates could not be filled in.
pub(super) enum Stuck {
    /// An XCom, a connection or a variable could not be fetched.
    Fetching(anyhow::Error),
    /// The templates are wrong.
    Rendering(anyhow::Error),
}

impl From<Stuck> for TaskError {
    fn from(stuck: Stuck) -> TaskError {
        match stuck {
            Stuck::Fetching(error) => TaskError::retry(error),
            Stuck::Rendering(error) => TaskError::fail(error),
        }
    }
}

/// Where the template files of a DAG are.
#[derive(Clone, Copy)]
pub(super) struct Shelf<'a> {
    pub(super) dag: &'a Dag,
    pub(super) runs: &'a dyn RunReader,
    /// Whether every file counts as empty.
    pub(super) is_shut: bool,
}

impl Shelf<'_> {
    /// The files that arguments name, read.
    async fn read_all(&self, files: Vec<NamedFile>) -> Result<Vec<FileText>, Stuck> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let path = self.search_path().await?;
        off_thread(move || path.read_all(files)).await
    }

    /// The text of a file that a template names, if there is one.
    async fn find(&self, name: String) -> Result<Option<String>, Stuck> {
        if self.is_shut {
            return Ok(Some(String::new()));
        }
        let path = self.search_path().await?;
        off_thread(move || path.find(&name)).await
    }

    async fn search_path(&self) -> Result<SearchPath, Stuck> {
        let found = self.runs.dag_file(&self.dag.dag_id).await.map_err(Stuck::Fetching)?;
        let gone = || Stuck::Rendering(anyhow::anyhow!("the DAG `{}` has no file any more", self.dag.dag_id));
        SearchPath::of(self.dag, &found.ok_or_else(gone)?).map_err(|error| Stuck::Rendering(error.into()))
    }
}

/// Reads where it holds nobody up.
async fn off_thread<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, TemplateFileError> + Send + 'static,
) -> Result<T, Stuck> {
    let read = tokio::task::spawn_blocking(read).await.map_err(|panic| Stuck::Fetching(panic.into()))?;
    read.map_err(|error| match error {
        TemplateFileError::Unreadable { .. } => Stuck::Fetching(error.into()),
        error => Stuck::Rendering(error.into()),
    })
}

/// Where that which templates ask for is fetched from.
pub(super) struct Sources<'a> {
    pub(super) xcoms: &'a dyn XComReader,
    pub(super) secrets: &'a dyn SecretReader,
    /// Where secrets that were fetched are not to be read.
    pub(super) log: &'a TaskLog,
    /// Files that they include.
    pub(super) shelf: Shelf<'a>,
}

impl Sources<'_> {
    /// What `render` makes once it has what it asks for.
    ///
    /// Rendering is pure, so a template that pulls an XCom stops at it; the value is fetched here, and it is rendered again.
    pub(super) async fn fetching<T>(&self, render: impl Fn(&XComs) -> Result<T, RenderError>) -> Result<T, Stuck> {
        let mut xcoms = XComs::new();
        for _ in 0..ROUNDS_MAX {
            match render(&xcoms) {
                Ok(rendered) => return Ok(rendered),
                Err(RenderError::NeedsXCom(wanted)) => {
                    for xcom in wanted {
                        if !xcom.run.is_own() {
                            let left = self.xcoms.pull_from(&xcom).await.map_err(Stuck::Fetching)?;
                            xcoms.insert_left(xcom, left);
                            continue;
                        }
                        let value = match xcom.map_index {
                            None => self.xcoms.pull(&xcom.task_id, &xcom.key).await,
                            Some(index) => self.xcoms.pull_of(&xcom.task_id, &xcom.key, index).await,
                        };
                        let value = value.map_err(Stuck::Fetching)?;
                        xcoms.insert(xcom, value);
                    }
                }
                Err(RenderError::NeedsAssetEvents) => {
                    xcoms.insert_asset_events(self.xcoms.asset_events().await.map_err(Stuck::Fetching)?);
                }
                Err(RenderError::NeedsLastSuccess) => {
                    xcoms.insert_last_success(self.xcoms.last_success().await.map_err(Stuck::Fetching)?);
                }
                Err(RenderError::NeedsSecrets(wanted)) => {
                    for secret in wanted {
                        let value = self.secret(&secret).await.map_err(Stuck::Fetching)?;
                        xcoms.insert_secret(secret, value);
                    }
                }
                Err(RenderError::NeedsFiles(wanted)) => {
                    for name in wanted {
                        let text = self.shelf.find(name.clone()).await?;
                        xcoms.insert_file(name, text);
                    }
                }
                Err(error @ RenderError::Failed(_)) => return Err(Stuck::Rendering(error.into())),
            }
        }
        Err(Stuck::Rendering(anyhow::anyhow!("the templates never stop asking for XComs")))
    }

    /// The connection or variable, whose secrets are masked in the log from here on.
    async fn secret(&self, secret: &SecretRef) -> anyhow::Result<Option<SecretValue>> {
        match secret {
            SecretRef::Connection(conn_id) => {
                let Some(connection) = self.secrets.connection(conn_id).await? else { return Ok(None) };
                self.log.hide_connection(&connection);
                Ok(Some(SecretValue::Connection(Arc::new(connection))))
            }
            SecretRef::Variable(key) => {
                let Some(text) = self.secrets.variable(key).await? else { return Ok(None) };
                // A sensitive name hides all of the text; in JSON, sensitive names hide what is under them.
                let plain = Value::from(text.as_str());
                let json = serde_json::from_str(&text).unwrap_or(Value::Null);
                for secret in secrets_of(key, &plain).into_iter().chain(secrets_of(key, &json)) {
                    self.log.hide(&secret);
                }
                Ok(Some(SecretValue::Variable(text)))
            }
        }
    }
}

/// What tasks and callbacks may know of a run.
pub(super) fn run_facts(
    dag: &Dag,
    row: &dag_run::Model,
    started: Option<DateTime<Utc>>,
    params: Map<String, Value>,
) -> RunFacts {
    RunFacts {
        run_type: row.run_type.clone(),
        logical_date: row.logical_date,
        data_interval_start: row.data_interval_start,
        data_interval_end: row.data_interval_end,
        partition_key: row.partition_key.clone(),
        partition_date: row.partition_date,
        next_interval: next_interval(dag, row),
        run_after: row.run_after,
        start_date: started,
        conf: row.conf.as_object().cloned().unwrap_or_default(),
        params,
        owner: dag.owner.clone(),
        timezone: dag.timezone,
    }
}

/// What tasks and callbacks may know of a task.
pub(super) fn task_facts(task: &Task) -> TaskFacts {
    TaskFacts { owner: task.owner.clone(), email: task.email.clone() }
}

/// What the run after this one is about, whenever that is due.
fn next_interval(dag: &Dag, row: &dag_run::Model) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let own = DataInterval { start: row.data_interval_start?, end: row.data_interval_end? };
    let timetable = Timetable::new(&dag.schedule, dag.timezone).ok()?;
    // With catchup no run is passed over, so that the answer is the run right after this one.
    let catchup = Catchup { mode: CatchupMode::All, window: None };
    let restriction = Restriction { earliest: None, latest: None, catchup };
    let next = timetable.next_run(&Past::after(own), own.end, &restriction)?;
    Some((next.data_interval.start, next.data_interval.end))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character_and_short_ones_are_left_alone() {
        let long = "ü".repeat(SHOWN_CHARACTERS_MAX + 1);
        let fits = "ü".repeat(SHOWN_CHARACTERS_MAX);
        let mut value = json!({ "sql": [long, fits], "rows": 7 });

        cut(&mut value);

        assert_eq!(value, json!({ "sql": [format!("{fits}… (4097 characters in all)"), fits], "rows": 7 }));
    }
}
