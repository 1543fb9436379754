//! The local executor: runs tries in this process.
//!
//! A try is an async operator on tokio. It begins only after its `running` is durable, and its end is reported to
//! the coordinator, which makes that durable in turn. Its arguments are made ready before, where nothing that it reads can be
//! in the same commit ([`Gate`]). One that says that it only waits goes on as a sleeping future, and
//! counts no more; so what a try keeps while it sleeps is kept small, and what tries of a run have in common is shared.
//!
//! A try of an operator that has no effect need not wait: [`LocalExecutor::make_at_once`] makes it before anything of it
//! is durable, so that its beginning, its end and what follows are one commit.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::active_run::Rendered;
use super::gate::Gate;
use super::leash::Leash;
use super::lists::Lists;
use super::people::{Answers, StoredPeople};
use super::rendering::{self, Given, Purpose};
use super::try_storage::{LeftCheckpoint, StoredCheckpoint, StoredPushes, StoredRuns, StoredXComs};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::dag::{AnswerPolicy, Dag, Task, params};
use crate::events::Changes;
use crate::log::{self, LogKey, Logs, TaskLog};
use crate::operator::{
    ErasedOperator, Next, Outcome, OutletEvent, Outlets, RunFacts, RunMaker, RunReader, Slot, TaskContext, TaskError,
    TaskKey, Verdict,
};
use crate::run::{InstanceIndex, Pushed, TryEnd};
use crate::secrets::Secrets;
use crate::storable;
use crate::store::checkpoints::Keeper;
use crate::store::entity::dag_run;
use crate::store::{Db, StoreError};

/// After a try was told to stop, it has this long before it is abandoned.
const CANCEL_GRACE: Duration = Duration::from_secs(30);

/// The wait before the database, which was away, is asked again for what a try is given.
const AWAY_RETRY: Duration = Duration::from_millis(500);

/// A try that is over sooner, well and without a word, leaves no log.
const BEGIN_LOG_AFTER: Duration = Duration::from_millis(500);

/// An order to make a try.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// The run's key.
    pub(crate) run: Uuid,
    /// Which task instance.
    pub(crate) at: InstanceIndex,
    /// The try.
    pub(crate) try_id: Uuid,
    /// Counts from 1.
    pub(crate) try_number: u32,
    /// Which task instance, as people name it.
    pub(crate) key: Arc<TaskKey>,
    /// The run around it.
    pub(crate) around: Arc<RunAround>,
    /// When the try began; before this order, if it goes on with one that waited in another process.
    pub(crate) started_at: DateTime<Utc>,
    /// Whether it goes on with one that waited in another process.
    pub(crate) goes_on: bool,
    /// When the try was ordered.
    pub(crate) ordered_at: DateTime<Utc>,
}

/// What the tries of a run have in common.
#[derive(Debug)]
pub(crate) struct RunAround {
    /// The definition that the run is pinned to.
    pub(crate) dag: Arc<Dag>,
    /// When the run began.
    pub(crate) started: Option<DateTime<Utc>>,
    row: dag_run::Model,
    facts: OnceLock<Result<Arc<RunFacts>, String>>,
}

impl RunAround {
    /// What the row of a run says.
    pub(crate) fn new(dag: Arc<Dag>, row: dag_run::Model, started: Option<DateTime<Utc>>) -> RunAround {
        RunAround { dag, started, row, facts: OnceLock::new() }
    }

    /// The run, as people name it.
    pub(crate) fn run_id(&self) -> &str {
        &self.row.run_id
    }

    /// What tasks may know of the run: with its params, which are checked again when a task begins (Airflow 3: params).
    fn facts(&self) -> Result<Arc<RunFacts>, TaskError> {
        let facts = self.facts.get_or_init(|| {
            let conf = self.row.conf.as_object().cloned().unwrap_or_default();
            let params = params::merge_and_validate(&self.dag, &conf)
                .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
            Ok(Arc::new(rendering::run_facts(&self.dag, &self.row, self.started, params)))
        });
        facts.clone().map_err(|problems| TaskError::fail(anyhow::anyhow!(problems)))
    }

    /// The same for one task, which may have params of its own.
    fn facts_for(&self, task: &Task) -> Result<Arc<RunFacts>, TaskError> {
        let facts = self.facts()?;
        if task.params.is_empty() {
            return Ok(facts);
        }
        let params = params::of_task(&self.dag, task, &facts.conf).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            TaskError::fail(anyhow::anyhow!(problems.join("; ")))
        })?;
        Ok(Arc::new(RunFacts { params, ..(*facts).clone() }))
    }
}

/// What an executor has to tell of a try.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// It only waits from now on.
    Deferred(Deferral),
    /// It has ended.
    Ended(Report),
}

/// A try that only waits.
#[derive(Clone, Debug)]
pub(crate) struct Deferral {
    /// The run's key.
    pub(crate) run: Uuid,
    /// Which task instance, as people name it.
    pub(crate) key: Arc<TaskKey>,
    /// The try.
    pub(crate) try_id: Uuid,
    /// What it waits for.
    pub(crate) reason: String,
}

/// What became of a try.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The run's key.
    pub(crate) run: Uuid,
    /// Which task instance, as people name it: the run may go on with another version of its DAG meanwhile.
    pub(crate) key: Arc<TaskKey>,
    /// The try.
    pub(crate) try_id: Uuid,
    /// How it ended.
    pub(crate) end: TryEnd,
    /// What it left behind.
    pub(crate) xcoms: Vec<(String, Value)>,
    /// What it says of the assets that it made.
    pub(crate) outlet_events: Vec<OutletEvent>,
    /// What it was given, as people see it.
    pub(crate) rendered: Rendered,
}

/// Why a running try is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// It took longer than `execution_timeout`.
    Timeout(Duration),
    /// The coordinator asked for it.
    Cancelled,
}

/// What tries need of the process.
pub(crate) struct Surroundings {
    pub(crate) db: Db,
    pub(crate) catalog: Catalog,
    pub(crate) clock: Clock,
    pub(crate) home: PathBuf,
    pub(crate) logs: Logs,
    pub(crate) leash: Arc<Leash>,
    pub(crate) secrets: Secrets,
    pub(crate) run_maker: Arc<dyn RunMaker>,
    pub(crate) changes: Changes,
}

/// What all tries of an executor share.
pub(super) struct Shared {
    pub(super) surroundings: Surroundings,
    runs: Arc<dyn RunReader>,
    answers: Arc<Answers>,
    lists: Arc<Lists>,
    told: mpsc::UnboundedSender<Told>,
    /// Whether tries that only wait are let go of, because the process ends.
    is_leaving: AtomicBool,
}

/// Runs tries in this process.
pub(crate) struct LocalExecutor {
    shared: Arc<Shared>,
    tries: HashMap<Uuid, UnderWay>,
    /// Those of them that were told to stop because nobody wants their work: a further try of the same task instance waits
    /// until its end, of which the token tells.
    stopping: HashMap<Place, (Uuid, CancellationToken)>,
    /// How many of them only wait.
    deferred: usize,
    /// Tries that were to be made at once, and have something to wait for. They go on when they are started. Nobody ever
    /// waits for the lock: it stands for the promise that a future is used by one thread at a time.
    begun: Mutex<HashMap<Uuid, Work>>,
    tracker: TaskTracker,
}

/// Makes one try, and tells of its end.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task instance: its run, its task, its map index.
type Place = (Uuid, String, i32);

/// A try under way.
struct UnderWay {
    /// Opened when it is durable that it begins.
    gate: Gate,
    /// How it is told to stop.
    stop: CancellationToken,
    /// Tells of its end.
    over: CancellationToken,
    /// The task instance.
    of: Place,
    /// How it is told, before that, that its work is not wanted any more.
    withdrawn: CancellationToken,
    is_deferred: bool,
}

impl LocalExecutor {
    /// An executor that tells `told` what becomes of its tries.
    pub(crate) fn new(surroundings: Surroundings, told: mpsc::UnboundedSender<Told>) -> LocalExecutor {
        let runs = Arc::new(StoredRuns { db: surroundings.db.clone(), catalog: surroundings.catalog.clone() });
        let answers = Arc::new(Answers::new(surroundings.changes.clone()));
        let shared = Arc::new(Shared {
            surroundings,
            runs,
            answers,
            lists: Arc::default(),
            told,
            is_leaving: AtomicBool::new(false),
        });
        LocalExecutor {
            shared,
            tries: HashMap::new(),
            stopping: HashMap::new(),
            deferred: 0,
            begun: Mutex::default(),
            tracker: TaskTracker::new(),
        }
    }

    /// Whether tries of a task are made at once, where they are ordered.
    pub(crate) fn makes_at_once(&self, task: &Task) -> bool {
        self.shared.surroundings.catalog.registry().find(&task.operator).is_some_and(|operator| operator.is_instant)
    }

    /// Makes a try of an operator that has no effect, and tells of its end. False when it has to wait for something, as for
    /// what another task left: then it goes on once it is started.
    pub(crate) fn make_at_once(&mut self, order: &Order) -> bool {
        let mut work = self.work(order.clone());
        let is_over = work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        if !is_over {
            self.begun().insert(order.try_id, work);
        }
        is_over
    }

    /// Makes ready what a try is given, while its `running` becomes durable. It begins when it is started.
    pub(crate) fn prepare(&mut self, order: &Order) {
        if !self.makes(order.try_id) {
            let work = self.work(order.clone());
            self.tracker.spawn(work);
        }
    }

    /// Starts a try, whose `running` is durable.
    pub(crate) fn start(&mut self, order: &Order) {
        let try_id = order.try_id;
        let begun = self.begun().remove(&try_id);
        if let Some(work) = begun {
            self.tracker.spawn(work);
        } else {
            self.prepare(order);
        }
        if let Some(under_way) = self.tries.get(&try_id) {
            under_way.gate.open();
        }
    }

    fn begun(&mut self) -> &mut HashMap<Uuid, Work> {
        self.begun.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&mut self, order: Order) -> Work {
        let held = self.shared.surroundings.leash.hold();
        let withdrawn = CancellationToken::new();
        let of = (order.run, order.key.task_id.clone(), order.key.map_index);
        let before = self.stopping.get(&of).map(|(_, over)| over.clone());
        let (stop, over) = (held.stops.clone(), CancellationToken::new());
        let gate = Gate::shut(stop.clone());
        // Also of an end that nobody planned.
        let tells_of_end = over.clone().drop_guard();
        let under_way =
            UnderWay { gate: gate.clone(), stop, over, of, withdrawn: withdrawn.clone(), is_deferred: false };
        self.tries.insert(order.try_id, under_way);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let _tells_of_end = tells_of_end;
            if let Some(before) = before {
                before.cancelled().await;
            }
            let (mut report, task_log) = make_try(&shared, order, gate, held.stops.clone(), withdrawn).await;
            let was_stopped = matches!(report.end, TryEnd::Failed { .. }) && shared.surroundings.leash.let_go_of(&held);
            if was_stopped {
                // Its children were killed because this process could not renew its lease, which is no fault of the task.
                report.end = TryEnd::GivenBack;
            }
            // Whoever hears of the end finds the whole log.
            task_log.arrived().await;
            drop(task_log);
            // Nobody listens any more only when the process ends; the next one finds the try lost.
            let _ = shared.told.send(Told::Ended(report));
        })
    }

    /// Tells a try to stop, because its work is not wanted any more; it reports when it has.
    pub(crate) fn cancel(&mut self, try_id: Uuid) {
        if let Some(under_way) = self.tries.get(&try_id) {
            under_way.withdrawn.cancel();
            under_way.stop.cancel();
            self.stopping.insert(under_way.of.clone(), (try_id, under_way.over.clone()));
        }
    }

    /// Lets go of a try, which goes on elsewhere.
    pub(crate) fn let_go_of(&self, try_id: Uuid) {
        if let Some(under_way) = self.tries.get(&try_id) {
            under_way.stop.cancel();
        }
    }

    /// Lets go of every try, because they go on elsewhere.
    pub(crate) fn let_go_of_all(&mut self) {
        // What was never started never tells of its end.
        for (try_id, _) in std::mem::take(self.begun()) {
            self.forget(try_id);
        }
        for under_way in self.tries.values() {
            under_way.stop.cancel();
        }
    }

    /// Lets go of every try that only waits, because the process ends: elsewhere they go on.
    pub(crate) fn let_go_of_deferred(&self) {
        self.shared.is_leaving.store(true, Ordering::Relaxed);
        for under_way in self.tries.values().filter(|under_way| under_way.is_deferred) {
            under_way.stop.cancel();
        }
    }

    /// A try only waits from now on, and takes no slot.
    pub(crate) fn defer(&mut self, try_id: Uuid) {
        if let Some(under_way) = self.tries.get_mut(&try_id).filter(|under_way| !under_way.is_deferred) {
            under_way.is_deferred = true;
            self.deferred += 1;
        }
    }

    /// Whether a try ended only because this process let go of it while it waited. Nothing needs to be written of that:
    /// it stays `deferred`, and whoever comes next begins the same try anew.
    pub(crate) fn has_let_go_of(&self, report: &Report) -> bool {
        report.end == TryEnd::GivenBack && self.tries.get(&report.try_id).is_some_and(|try_| try_.is_deferred)
    }

    /// A try has reported.
    pub(crate) fn forget(&mut self, try_id: Uuid) {
        let Some(under_way) = self.tries.remove(&try_id) else { return };
        if under_way.is_deferred {
            self.deferred -= 1;
        }
        if self.stopping.get(&under_way.of).is_some_and(|(stopping, _)| *stopping == try_id) {
            self.stopping.remove(&under_way.of);
        }
        if self.tries.is_empty() {
            self.shared.lists.clear();
        }
    }

    /// Whether that try is under way.
    pub(crate) fn makes(&self, try_id: Uuid) -> bool {
        self.tries.contains_key(&try_id)
    }

    /// Whether a try of that task instance is under way.
    pub(super) fn makes_try_of(&self, run: Uuid, task_id: &str, map_index: i32) -> bool {
        self.tries.values().any(|under_way| {
            let (of_run, of_task, of_index) = &under_way.of;
            *of_run == run && of_task == task_id && *of_index == map_index
        })
    }

    /// What its tries share.
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// How many tries take a slot.
    pub(crate) fn len(&self) -> usize {
        self.tries.len() - self.deferred
    }

    /// How many tries are under way, those that only wait included.
    pub(crate) fn under_way(&self) -> usize {
        self.tries.len()
    }

    /// Whether no try is under way, not even one that waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.tries.is_empty()
    }
}

/// The slot of one try.
struct HeldSlot {
    shared: Arc<Shared>,
    run: Uuid,
    key: Arc<TaskKey>,
    try_id: Uuid,
    /// Cancelled when it was given up.
    is_free: CancellationToken,
}

impl Slot for HeldSlot {
    fn give_up(&self, reason: String) {
        if self.is_free.is_cancelled() {
            return;
        }
        self.is_free.cancel();
        let reason = storable::text(reason);
        let deferral = Deferral { run: self.run, key: Arc::clone(&self.key), try_id: self.try_id, reason };
        // Nobody listens any more only when the process ends.
        let _ = self.shared.told.send(Told::Deferred(deferral));
    }
}

async fn make_try(
    shared: &Arc<Shared>,
    order: Order,
    gate: Gate,
    stopping: CancellationToken,
    withdrawn: CancellationToken,
) -> (Report, TaskLog) {
    let Surroundings { logs, clock, .. } = &shared.surroundings;
    let log_key = LogKey { run: order.run, task: TaskKey::clone(&order.key), try_number: order.try_number };
    let task_log = logs.open(&log_key, clock.clone());
    let mut rendered = Rendered::default();
    let is_free = CancellationToken::new();
    let task = order.around.dag.task(order.at.task);
    let outlets = Outlets::new(&task.outlets, &task.outlet_aliases);
    let signs = Signs { gate, stopping, withdrawn, is_free: is_free.clone(), outlets: outlets.clone() };
    let ended = supervise(shared, &order, &task_log, &signs, &mut rendered).await;
    let ended = ended.and_then(|outcome| kept(outcome, task.answer)).and_then(storable::outcome);
    let rendered = storable_rendered(rendered);
    // Tens of thousands of sensors need not open their logs so that a server can stop.
    let is_let_go = is_free.is_cancelled() && shared.is_leaving.load(Ordering::Relaxed);
    let is_nothing_to_say = is_let_go || !signs.gate.is_open();
    if !(is_nothing_to_say && ended.as_ref().is_err_and(|error| error.verdict == Verdict::Cancelled)) {
        write_end(&task_log, &ended);
    }
    let (end, xcoms) = match ended {
        Ok(Outcome::Success { return_value, xcoms, next }) => {
            let end = TryEnd::Success { pushed: pushed(&return_value), next: next.clone() };
            (end, all_xcoms(return_value, xcoms, &next))
        }
        Ok(Outcome::Skipped { reason }) => (TryEnd::Skipped { reason: task_log.mask(&reason) }, Vec::new()),
        Err(error) => match error.verdict {
            Verdict::Cancelled => (TryEnd::GivenBack, Vec::new()),
            verdict => {
                let may_retry = verdict == Verdict::Retry;
                let exit_code = error.exit_code;
                let error = storable::text(task_log.mask(&error.to_string()));
                (TryEnd::Failed { error, exit_code, may_retry }, Vec::new())
            }
        },
    };
    let outlet_events = outlets.told().into_iter().map(storable::outlet_event).collect();
    let report = Report { run: order.run, key: order.key, try_id: order.try_id, end, xcoms, outlet_events, rendered };
    (report, task_log)
}

fn context(
    shared: &Arc<Shared>,
    order: &Order,
    run: Arc<RunFacts>,
    log: TaskLog,
    cancelled: CancellationToken,
    signs: &Signs,
) -> TaskContext {
    let Surroundings { db, clock, home, secrets, run_maker, .. } = &shared.surroundings;
    let keeper = Keeper {
        run: order.run,
        task_id: order.key.task_id.clone(),
        map_index: order.key.map_index,
        try_number: order.try_number,
        dag_version: Some(order.around.row.dag_version_id),
    };
    let task = order.around.dag.task(order.at.task);
    TaskContext {
        key: TaskKey::clone(&order.key),
        try_number: order.try_number,
        try_id: order.try_id,
        started_at: order.started_at,
        clock: clock.clone(),
        run,
        task: Arc::new(rendering::task_facts(task)),
        home: home.clone(),
        log,
        cancelled,
        withdrawn: signs.withdrawn.clone(),
        time_limit: task.execution_timeout,
        xcom: Arc::new(StoredXComs {
            db: db.clone(),
            run: order.run,
            dag: Arc::clone(&order.around.dag),
            reader: Some(order.at),
            lists: Arc::clone(&shared.lists),
            gate: signs.gate.clone(),
        }),
        xcom_writer: Arc::new(StoredPushes {
            db: db.clone(),
            key: Arc::clone(&order.key),
            keeper: keeper.clone(),
            clock: clock.clone(),
        }),
        checkpoint: Arc::new(StoredCheckpoint {
            db: db.clone(),
            keeper,
            dag_id: order.key.dag_id.clone(),
            clock: clock.clone(),
            retries: task.retries,
        }),
        runs: Arc::clone(&shared.runs),
        run_maker: Arc::clone(run_maker),
        people: Arc::new(StoredPeople {
            db: db.clone(),
            clock: clock.clone(),
            answers: Arc::clone(&shared.answers),
            run: order.run,
            key: Arc::clone(&order.key),
            try_number: order.try_number,
        }),
        outlets: signs.outlets.clone(),
        slot: Arc::new(HeldSlot {
            shared: Arc::clone(shared),
            run: order.run,
            key: Arc::clone(&order.key),
            try_id: order.try_id,
            is_free: signs.is_free.clone(),
        }),
        secrets: Arc::new(secrets.clone()),
        files: Arc::default(),
    }
}

impl Shared {
    /// Has what a try started elsewhere ended, which is over and has `left` this checkpoint. Its log goes on.
    pub(super) async fn withdraw(
        self: &Arc<Shared>,
        order: &Order,
        left: Value,
        cancelled: CancellationToken,
    ) -> Result<(), TaskError> {
        let Surroundings { logs, clock, catalog, .. } = &self.surroundings;
        let log_key = LogKey { run: order.run, task: TaskKey::clone(&order.key), try_number: order.try_number };
        let task_log = logs.open(&log_key, clock.clone());
        let operator = &order.around.dag.task(order.at.task).operator;
        let operator = catalog
            .registry()
            .find(operator)
            .ok_or_else(|| TaskError::fail(anyhow::anyhow!("this Updraft has no operator `{operator}`")))?;
        let signs = Signs {
            gate: Gate::opened(),
            stopping: CancellationToken::new(),
            withdrawn: CancellationToken::new(),
            is_free: CancellationToken::new(),
            // It makes nothing more.
            outlets: Outlets::new(&[], &[]),
        };
        // It holds no slot that it could give up.
        signs.is_free.cancel();
        signs.withdrawn.cancel();
        let ctx = TaskContext {
            checkpoint: Arc::new(LeftCheckpoint(left)),
            ..context(
                self,
                order,
                order.around.facts_for(order.around.dag.task(order.at.task))?,
                task_log,
                cancelled,
                &signs,
            )
        };
        let Given { args, files, .. } = Box::pin(rendering::render(operator, order, &ctx, Purpose::Withdrawal)).await?;
        operator.withdraw(args, &TaskContext { files: Arc::new(files), ..ctx }).await
    }
}

/// What passes between a try and those around it, beside its end.
struct Signs {
    /// It begins.
    gate: Gate,
    /// It is to stop.
    stopping: CancellationToken,
    /// Its work is not wanted any more.
    withdrawn: CancellationToken,
    /// It has given up its slot.
    is_free: CancellationToken,
    /// What it says of the assets that it makes.
    outlets: Outlets,
}

/// A try that has done nothing yet.
struct Prepared {
    operator: ErasedOperator,
    args: Map<String, Value>,
    ctx: TaskContext,
    /// How the operator is told to stop.
    token: CancellationToken,
}

/// Makes ready what the operator of a try is given.
async fn prepare(
    shared: &Arc<Shared>,
    order: &Order,
    task_log: &TaskLog,
    signs: &Signs,
    rendered: &mut Rendered,
) -> Result<Prepared, TaskError> {
    let task = order.around.dag.task(order.at.task);
    let facts = order.around.facts_for(task)?;
    let operator = shared
        .surroundings
        .catalog
        .registry()
        .find(&task.operator)
        .ok_or_else(|| TaskError::fail(anyhow::anyhow!("this Updraft has no operator `{}`", task.operator)))?
        .clone();
    let token = CancellationToken::new();
    let ctx = context(shared, order, facts, task_log.clone(), token.clone(), signs);
    let Given { args, label, files } = loop {
        match rendering::render(&operator, order, &ctx, Purpose::Try).await {
            // It has done nothing yet, and need not fail because the database restarts.
            Err(error) if is_of_absence(&error) => {
                if signs.stopping.is_cancelled() {
                    return Err(TaskError::cancelled());
                }
                tokio::time::sleep(AWAY_RETRY).await;
            }
            given => break given?,
        }
    };
    let ctx = TaskContext { files: Arc::new(files), ..ctx };
    let mut fields = task_log.masked(Value::Object(args.clone()));
    rendering::cut(&mut fields);
    *rendered = Rendered { fields: Some(fields), label: label.map(|label| task_log.mask(&label)) };
    Ok(Prepared { operator, args, ctx, token })
}

/// Runs the operator, and stops it when its time is up or somebody says so.
async fn supervise(
    shared: &Arc<Shared>,
    order: &Order,
    task_log: &TaskLog,
    signs: &Signs,
    rendered: &mut Rendered,
) -> Result<Outcome, TaskError> {
    let task = order.around.dag.task(order.at.task);
    let deed = if order.goes_on { "goes on in another process" } else { "begins" };
    let (number, task_id, operator) = (order.try_number, &task.task_id, &task.operator);
    task_log.head(&format!("Try {number} of task `{task_id}` (operator `{operator}`) {deed}"));
    // Boxed, so that a try that sleeps afterwards does not keep the room that this takes.
    let prepared = match Box::pin(prepare(shared, order, task_log, signs, rendered)).await {
        Ok(Prepared { operator, args, ctx, .. }) if operator.is_instant => {
            return by_itself(operator.execute(args, &ctx).await);
        }
        prepared => prepared,
    };
    if !signs.gate.passed().await {
        return Err(TaskError::cancelled());
    }
    let Prepared { operator, args, ctx, token } = prepared?;
    if order.goes_on || task_log.is_begun() {
        // What was said of it before, by a process that was stopped, is not left standing as its end.
        task_log.begin();
    }
    if signs.stopping.is_cancelled() {
        return Err(TaskError::cancelled());
    }
    let mut handle = tokio::spawn(async move { operator.execute(args, &ctx).await });
    let stop = tokio::select! {
        joined = &mut handle => return by_itself(flatten(joined)),
        () = signs.stopping.cancelled() => Stop::Cancelled,
        stop = time_up(task.execution_timeout, &signs.is_free) => stop,
        never = begin_log(task_log) => match never {},
    };
    if matches!(stop, Stop::Timeout(_)) {
        signs.withdrawn.cancel();
    }
    token.cancel();
    let last_word = tokio::time::timeout(CANCEL_GRACE, &mut handle).await;
    if last_word.is_err() {
        handle.abort();
    }
    match (stop, last_word) {
        // It was told to stop but had just ended: its result counts.
        (_, Ok(Ok(Ok(outcome)))) => Ok(outcome),
        (Stop::Timeout(limit), _) => {
            Err(TaskError::retry(anyhow::anyhow!("took longer than its execution_timeout of {}", spoken(limit))))
        }
        (Stop::Cancelled, _) => Err(TaskError::cancelled()),
    }
}

/// Whether a try found out nothing but that the database is away for a moment.
fn is_of_absence(error: &TaskError) -> bool {
    error.error.chain().filter_map(|cause| cause.downcast_ref::<StoreError>()).any(StoreError::is_passing)
}

fn flatten(joined: Result<Result<Outcome, TaskError>, tokio::task::JoinError>) -> Result<Outcome, TaskError> {
    joined.unwrap_or_else(|error| {
        // A panic in an operator is a fault of ours, but it must not take the scheduler with it.
        Err(TaskError::retry(anyhow::anyhow!("the operator broke down: {error}")))
    })
}

/// An operator that gives up without having been told to has failed: making the same try again at once could go on for
/// ever.
fn by_itself(ended: Result<Outcome, TaskError>) -> Result<Outcome, TaskError> {
    ended.map_err(|error| match error.verdict {
        Verdict::Cancelled => TaskError { verdict: Verdict::Retry, ..error },
        _ => error,
    })
}

/// Lets the log of a try that takes its time say that it began.
async fn begin_log(task_log: &TaskLog) -> Infallible {
    tokio::time::sleep(BEGIN_LOG_AFTER).await;
    task_log.begin();
    std::future::pending().await
}

/// The end of `execution_timeout`, which does not apply to what only waits (Airflow 3: deferral).
async fn time_up(limit: Option<Duration>, is_free: &CancellationToken) -> Stop {
    if let Some(limit) = limit {
        tokio::select! {
            () = tokio::time::sleep(limit) => return Stop::Timeout(limit),
            () = is_free.cancelled() => {}
        }
    }
    std::future::pending().await
}

fn write_end(task_log: &TaskLog, ended: &Result<Outcome, TaskError>) {
    let (level, event) = match ended {
        Ok(Outcome::Success { .. }) => return task_log.end_well("Ended well"),
        Ok(Outcome::Skipped { reason }) => (log::Level::Info, format!("Skipped: {reason}")),
        Err(error) if error.verdict == Verdict::Cancelled => (log::Level::Warning, "Stopped from outside".to_owned()),
        Err(error) => (log::Level::Error, format!("Failed: {error}")),
    };
    task_log.line(level, "updraft", &event);
}

fn storable_rendered(Rendered { fields, label }: Rendered) -> Rendered {
    Rendered { fields: fields.map(storable::value), label: label.map(storable::text) }
}

fn pushed(return_value: &Value) -> Pushed {
    let items = |length: usize| Pushed::Items(u32::try_from(length).unwrap_or(u32::MAX));
    match return_value {
        Value::Null => Pushed::Nothing,
        Value::Array(list) => items(list.len()),
        Value::Object(mapping) => items(mapping.len()),
        _ => Pushed::Value,
    }
}

/// What of an answer is kept for other tasks (Airflow 3: `do_xcom_push`, `multiple_outputs`).
fn kept(outcome: Outcome, policy: AnswerPolicy) -> Result<Outcome, TaskError> {
    let Outcome::Success { return_value, mut xcoms, next } = outcome else { return Ok(outcome) };
    if !policy.is_kept {
        return Ok(Outcome::Success { return_value: Value::Null, xcoms, next });
    }
    match &return_value {
        Value::Object(entries) if policy.is_split => {
            // Nothing is not kept under any key.
            let entries = entries.iter().filter(|(_, value)| !value.is_null());
            xcoms.extend(entries.map(|(key, value)| (key.clone(), value.clone())));
        }
        value if policy.is_split && !value.is_null() => {
            return Err(TaskError::fail(anyhow::anyhow!("`multiple_outputs` needs an answer that is a mapping")));
        }
        _ => {}
    }
    Ok(Outcome::Success { return_value, xcoms, next })
}

/// What a try leaves: its answer, and what it decided about its downstream (Airflow 3: `skipmixin_key`).
fn all_xcoms(return_value: Value, mut xcoms: Vec<(String, Value)>, next: &Next) -> Vec<(String, Value)> {
    if !return_value.is_null() {
        xcoms.push(("return_value".to_owned(), return_value));
    }
    let followed: Option<&[String]> = match next {
        Next::Everything => None,
        Next::Only(ids) => Some(ids),
        Next::Nothing | Next::NothingDirect => Some(&[]),
    };
    if let Some(followed) = followed {
        xcoms.push(("skipmixin_key".to_owned(), serde_json::json!({ "followed": followed })));
    }
    xcoms
}

/// A duration as people say it: `1h 30m`, `2.5s`.
fn spoken(duration: Duration) -> String {
    let secs = duration.as_secs();
    match (secs / 3600, secs / 60 % 60, secs % 60) {
        (0, 0, _) => format!("{}s", duration.as_secs_f64()),
        (0, minutes, 0) => format!("{minutes}m"),
        (0, minutes, rest) => format!("{minutes}m {rest}s"),
        (hours, 0, _) => format!("{hours}h"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use sea_orm::{DbErr, RuntimeErr};

    use super::*;
    use crate::store::doing;

    #[test]
    fn a_database_that_is_away_is_told_apart_from_what_it_says() {
        let away = || doing("reading XComs")(DbErr::Conn(RuntimeErr::Internal("refused".to_owned())));
        let looking = Err::<(), StoreError>(away()).context("cannot look up the connection `lake` (database)");
        let wrong = doing("reading XComs")(DbErr::Custom("no such table".to_owned()));

        assert!(is_of_absence(&TaskError::retry(away())));
        assert!(is_of_absence(&TaskError::retry(looking.unwrap_err())));
        assert!(!is_of_absence(&TaskError::retry(wrong)));
        assert!(!is_of_absence(&TaskError::retry(anyhow::anyhow!("a server is away"))));
    }
}
