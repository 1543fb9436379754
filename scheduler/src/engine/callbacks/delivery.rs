//! One attempt to deliver a callback: find what it says, fill it in, hand it to its notifier.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio_util::task::AbortOnDropHandle;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::dag::Dag;
use crate::dag::callback::Callback;
use crate::dag::params;
use crate::dag::template::{CallbackFacts, TemplateContext, render_values};
use crate::engine::gate::Gate;
use crate::engine::rendering::{self, Shelf, Sources, Stuck};
use crate::engine::try_storage::{StoredRuns, StoredXComs};
use crate::events::Changes;
use crate::log::{Level, LogKey, Logs, TaskLog};
use crate::operator::{CallbackKind, DELIVERY_TIME_MAX, DeliveryError, ErasedNotifier, Notice, NoticedTry, TaskKey};
use crate::run::InstanceIndex;
use crate::secrets::Secrets;
use crate::store::callbacks::Attempted;
use crate::store::entity::{callback_request, dag_run};
use crate::store::{Db, StoreError, runs, versions};

/// What deliveries need of the process.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) db: Db,
    pub(super) catalog: Catalog,
    pub(super) clock: Clock,
    pub(super) logs: Logs,
    pub(super) base_url: Option<String>,
    pub(super) secrets: Secrets,
    pub(super) changes: Changes,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It was delivered, or there is nothing left to tell it of.
    Delivered,
    /// It was not.
    Failed {
        /// Why, without secrets.
        error: String,
        /// Whether another attempt may succeed.
        may_retry: bool,
        /// The receiver's own word on when to come back.
        not_before: Option<Duration>,
    },
}

impl From<DeliveryError> for Ended {
    fn from(error: DeliveryError) -> Ended {
        Ended::Failed { error: error.to_string(), may_retry: error.may_retry, not_before: error.not_before }
    }
}

/// The database will answer again; a definition that cannot be read stays so.
impl From<StoreError> for DeliveryError {
    fn from(error: StoreError) -> DeliveryError {
        DeliveryError::retry(error)
    }
}

/// An attempt that was made.
pub(super) struct Attempt {
    /// What was to be delivered.
    pub(super) request: callback_request::Model,
    /// Through what, as far as that could be found out.
    pub(super) notifier: Option<&'static str>,
    /// Whom it told, or was to tell, as far as that was found out and is no secret.
    pub(super) receiver: Option<String>,
    /// How that ended.
    pub(super) ended: Ended,
}

impl Attempt {
    /// As it is kept.
    pub(super) fn as_stored(&self) -> Attempted<'_> {
        let error = match &self.ended {
            Ended::Delivered => None,
            Ended::Failed { error, .. } => Some(error.as_str()),
        };
        let (notifier, receiver) = (self.notifier, self.receiver.as_deref());
        Attempted { id: self.request.id, attempts: self.request.attempts + 1, notifier, receiver, error }
    }
}

/// Makes one attempt.
pub(super) async fn attempt(tools: &Tools, request: callback_request::Model) -> Attempt {
    let (notifier, receiver, told) = match prepare(tools, &request).await {
        Ok(Some(prepared)) => (Some(prepared.notifier.name), prepared.receiver(), prepared.deliver().await),
        // Somebody deleted the run.
        Ok(None) => (None, None, Ok(())),
        Err(error) => (None, None, Err(error)),
    };
    Attempt { request, notifier, receiver, ended: told.map_or_else(Ended::from, |()| Ended::Delivered) }
}

/// Everything that an attempt needs.
struct Prepared {
    notifier: ErasedNotifier,
    args: Map<String, Value>,
    notice: Notice,
}

impl Prepared {
    fn receiver(&self) -> Option<String> {
        let receiver = self.notifier.receiver(&self.args)?;
        Some(self.notice.log.mask(&receiver))
    }

    async fn deliver(self) -> Result<(), DeliveryError> {
        let Prepared { notifier, args, notice } = self;
        // A panic in a notifier is a fault of ours, but it must not take the service with it.
        let work = AbortOnDropHandle::new(tokio::spawn(async move { notifier.deliver(args, &notice).await }));
        match tokio::time::timeout(DELIVERY_TIME_MAX, work).await {
            Ok(Ok(told)) => told,
            Ok(Err(_panic)) => Err(DeliveryError::retry(anyhow::anyhow!("the notifier broke down"))),
            Err(_) => Err(DeliveryError::retry(anyhow::anyhow!("it took longer than {DELIVERY_TIME_MAX:?}"))),
        }
    }
}

async fn prepare(tools: &Tools, request: &callback_request::Model) -> Result<Option<Prepared>, DeliveryError> {
    let Some(row) = runs::find_by_key(tools.db.read(), request.dag_run_id).await? else { return Ok(None) };
    let dag = definition(tools, &row).await?;
    let (kind, callback) = called(&dag, request)?;
    let notifier =
        tools.catalog.registry().notifier(&callback.notifier).cloned().ok_or_else(|| {
            DeliveryError::fail(anyhow::anyhow!("this Updraft has no notifier `{}`", callback.notifier))
        })?;
    let facts: CallbackFacts = serde_json::from_value(request.facts.clone())
        .map_err(|error| DeliveryError::fail(anyhow::anyhow!("what it is about cannot be read: {error}")))?;
    let facts = CallbackFacts { url: url(tools, request, &facts), ..facts };
    let log = log_of(tools, request);
    let args = render(tools, &dag, &row, &notifier, callback, &facts, &log).await?;
    let notice = notice(request, &dag, &row, kind, facts, log);
    Ok(Some(Prepared { notifier, args, notice }))
}

async fn definition(tools: &Tools, row: &dag_run::Model) -> Result<Arc<Dag>, DeliveryError> {
    let version = versions::find(tools.db.read(), row.dag_version_id)
        .await?
        .ok_or_else(|| DeliveryError::fail(anyhow::anyhow!("the version of the DAG that it is part of is gone")))?;
    tools
        .catalog
        .definition(&version.dag_id, &version.hash, &version.relative_fileloc, &version.source)
        .map_err(DeliveryError::fail)
}

/// What the definition says for the callback that was called.
fn called<'a>(dag: &'a Dag, request: &callback_request::Model) -> Result<(CallbackKind, &'a Callback), DeliveryError> {
    let find = || {
        let kind = CallbackKind::from_word(&request.kind)?;
        let position = usize::try_from(request.position).ok()?;
        let callback = match &request.task_id {
            Some(task_id) => dag.task(dag.find(task_id)?).callbacks.of(kind).get(position),
            None => dag.callbacks.find(kind, position),
        };
        Some((kind, callback?))
    };
    find().ok_or_else(|| DeliveryError::fail(anyhow::anyhow!("its DAG has no such callback")))
}

async fn render(
    tools: &Tools,
    dag: &Arc<Dag>,
    row: &dag_run::Model,
    notifier: &ErasedNotifier,
    callback: &Callback,
    facts: &CallbackFacts,
    log: &TaskLog,
) -> Result<Map<String, Value>, DeliveryError> {
    let instance = facts.instance.as_ref();
    let context = TemplateContext {
        dag: Arc::clone(dag),
        task_id: instance.map(|instance| instance.task_id.clone()).unwrap_or_default(),
        run_id: row.run_id.clone(),
        run: Arc::new(run_facts(dag, row, facts)),
        try_number: instance.map_or(0, |instance| instance.try_number),
        map_index: instance.map_or(-1, |instance| instance.map_index),
        mapped: Map::new(),
        expanded: None,
        now: tools.clock.now(),
        callback: Some(Arc::new(facts.clone())),
    };
    let reader = instance
        .and_then(|instance| Some(InstanceIndex { task: dag.find(&instance.task_id)?, map_index: instance.map_index }));
    let xcoms = StoredXComs {
        db: tools.db.clone(),
        run: row.id,
        dag: Arc::clone(dag),
        reader,
        lists: Arc::default(),
        gate: Gate::opened(),
    };
    let schema = notifier.schema.as_value();
    let runs = StoredRuns { db: tools.db.clone(), catalog: tools.catalog.clone() };
    let sources =
        Sources { xcoms: &xcoms, secrets: &tools.secrets, log, shelf: Shelf { dag, runs: &runs, is_shut: false } };
    let rendered = sources.fetching(|xcoms| render_values(schema, &callback.args, &context, xcoms)).await;
    rendered.map_err(|stuck| match stuck {
        Stuck::Fetching(error) => DeliveryError::retry(error),
        Stuck::Rendering(error) => DeliveryError::fail(error),
    })
}

/// Params that do not fit fail the tasks of a run; those who are told of that must be told all the same.
fn run_facts(dag: &Dag, row: &dag_run::Model, facts: &CallbackFacts) -> crate::operator::RunFacts {
    let conf = row.conf.as_object().cloned().unwrap_or_default();
    let task = facts.instance.as_ref().and_then(|instance| dag.find(&instance.task_id));
    let params = params::merge(dag, task.map(|task| dag.task(task)), &conf);
    rendering::run_facts(dag, row, facts.run_start.or(row.start_date), params)
}

fn notice(
    request: &callback_request::Model,
    dag: &Dag,
    row: &dag_run::Model,
    kind: CallbackKind,
    facts: CallbackFacts,
    log: TaskLog,
) -> Notice {
    let run = Arc::new(run_facts(dag, row, &facts));
    let task = |task_id: &str| dag.find(task_id).map(|task| rendering::task_facts(dag.task(task))).unwrap_or_default();
    let instance = facts.instance.map(|instance| NoticedTry {
        task: task(&instance.task_id),
        key: TaskKey {
            dag_id: request.dag_id.clone(),
            run_id: request.run_id.clone(),
            task_id: instance.task_id,
            map_index: instance.map_index,
        },
        try_number: instance.try_number,
        state: instance.state,
    });
    Notice {
        id: request.id,
        kind,
        is_of_run: request.task_id.is_none(),
        dag_id: request.dag_id.clone(),
        run_id: request.run_id.clone(),
        run,
        run_state: facts.run_state,
        instance,
        reason: facts.reason,
        exception: facts.exception,
        deadline: facts.deadline.map(|deadline| deadline.deadline_time),
        url: facts.url,
        log,
    }
}

/// Where a person reads more, in the web UI.
fn url(tools: &Tools, request: &callback_request::Model, facts: &CallbackFacts) -> Option<String> {
    let base = tools.base_url.as_ref()?.trim_end_matches('/');
    let mut url = format!("{base}/dags/{}/runs/{}", encoded(&request.dag_id), encoded(&request.run_id));
    if let Some(instance) = &facts.instance {
        url.push_str("/tasks/");
        url.push_str(&encoded(&instance.task_id));
    }
    Some(url)
}

/// One part of a path: everything but what never needs it is escaped (RFC 3986).
fn encoded(part: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    part.bytes().map(escape).collect()
}

/// Tells whoever reads the log of the try, or of the server, how an attempt ended.
pub(super) fn write_down(tools: &Tools, request: &callback_request::Model, level: Level, event: &str) {
    log_of(tools, request).line(level, "updraft", event);
    let (dag, run) = (&request.dag_id, &request.run_id);
    let task = request.task_id.as_deref().unwrap_or_default();
    match level {
        Level::Debug | Level::Info => tracing::info!(%dag, %run, task, "{event}"),
        Level::Warning | Level::Error => tracing::warn!(%dag, %run, task, "{event}"),
    }
}

/// The log of the try that a callback is about. A log that cannot be opened keeps nobody from being told.
fn log_of(tools: &Tools, request: &callback_request::Model) -> TaskLog {
    let log_of_try = request.task_id.as_ref().and_then(|task_id| {
        let task = TaskKey {
            dag_id: request.dag_id.clone(),
            run_id: request.run_id.clone(),
            task_id: task_id.clone(),
            map_index: request.map_index,
        };
        let try_number = request.try_number.and_then(|number| u32::try_from(number).ok())?;
        let key = LogKey { run: request.dag_run_id, task, try_number };
        Some(tools.logs.open(&key, tools.clock.clone()))
    });
    log_of_try.unwrap_or_else(|| TaskLog::discard(tools.clock.clone()))
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn ids_are_safe_in_urls() {
        assert_eq!(encoded("manual__2026-11-21T00:00:00+00:00"), "manual__2026-11-21T00%3A00%3A00%2B00%3A00");
        assert_eq!(encoded("größe/1"), "gr%C3%B6%C3%9Fe%2F1");
    }
}
