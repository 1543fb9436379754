//! `trigger_dag`: makes a run of a DAG, and waits for it if that is wanted.
//!
//! ```yaml
//! - task_id: report
//!   operator: trigger_dag
//!   trigger_dag_id: sales_report
//!   conf: {region: "{{ params.region }}"}
//!   wait_for_completion: true
//! ```
//!
//! A try makes one run, also when its process is killed in between. It waits asleep, as a sensor does.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::anyhow;
use scheduler::dag::template;
use scheduler::operator::{
    AirflowClass, ArgumentProblem, HowMade, MadeRun, Next, Operator, Outcome, RunRefusal, TaskContext, TaskError,
    WantedDate, WantedRun, WhenExists,
};
use scheduler::run::RunState;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::sensors::arguments::Patience;
use crate::sensors::time;
use crate::sensors::wait::{Rhythm, Sight, Watch};
use crate::span::{self, Span, spoken};

/// The `trigger_dag` operator.
pub struct TriggerDag {
    looks: Arc<Semaphore>,
}

impl TriggerDag {
    /// With as many looks at a time as `looks` allows.
    pub fn new(looks: Arc<Semaphore>) -> TriggerDag {
        TriggerDag { looks }
    }
}

/// Arguments of the `trigger_dag` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TriggerDagArgs {
    /// The DAG of which a run is made; it may be the one that the task is in.
    #[schemars(length(min = 1))]
    trigger_dag_id: String,
    /// The id of the run; made up when absent.
    #[serde(default)]
    trigger_run_id: Option<String>,
    /// What the run is given, over the params of its DAG, and checked by their schemas.
    #[serde(default)]
    conf: Option<Map<String, Value>>,
    /// The logical date of the run: an instant or a day; null for none; the present when absent.
    #[serde(default)]
    logical_date: LogicalDate,
    /// Before which instant the run does not begin: an instant or a day. With it, and without `logical_date`, the run has no
    /// logical date.
    #[serde(default)]
    run_after: Option<String>,
    /// Whether a run that has this id or this logical date already is cleared, and so runs again with what it was given then.
    #[serde(default)]
    reset_dag_run: bool,
    /// Whether the task waits until the run is over.
    #[serde(default)]
    wait_for_completion: bool,
    /// How long it sleeps at most before it looks again: a duration such as `30s`, or a number of seconds. It looks more
    /// often at first.
    #[serde(default = "a_minute")]
    poke_interval: Span,
    /// The states of the run at which the task succeeds; `[success]` by default.
    #[serde(default)]
    allowed_states: Option<Vec<String>>,
    /// The states of the run at which the task fails; `[failed]` by default. `retries` apply, and a retry makes a run of
    /// its own.
    #[serde(default)]
    failed_states: Option<Vec<String>>,
    /// Whether the task is skipped when there is a run with this id or this logical date already.
    #[serde(default)]
    skip_when_already_exists: bool,
    /// Whether the task fails when the DAG is paused. Otherwise the run waits until the DAG is not.
    #[serde(default)]
    fail_when_dag_is_paused: bool,
    /// A remark on the run.
    #[serde(default)]
    note: Option<String>,
}

/// The logical date of the run, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum LogicalDate {
    #[default]
    Unsaid,
    Nothing,
    Text(String),
}

impl<'de> Deserialize<'de> for LogicalDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LogicalDate, D::Error> {
        Ok(match Option::<String>::deserialize(deserializer)?.as_deref().map(str::trim) {
            // A template that finds nothing writes so.
            None | Some("" | "None") => LogicalDate::Nothing,
            Some(text) => LogicalDate::Text(text.to_owned()),
        })
    }
}

impl JsonSchema for LogicalDate {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "LogicalDate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<String>::json_schema(generator)
    }
}

fn a_minute() -> Span {
    Span(std::time::Duration::from_mins(1))
}

impl Operator for TriggerDag {
    const NAME: &'static str = "trigger_dag";
    const SUMMARY: &'static str = "Makes a run of a DAG, and waits for it if that is wanted.";
    type Args = TriggerDagArgs;

    fn airflow_classes() -> Vec<AirflowClass> {
        let class = "airflow.providers.standard.operators.trigger_dagrun.TriggerDagRunOperator";
        vec![
            AirflowClass::named(class)
                .unneeded("deferrable")
                .refused("openlineage_inject_parent_info", "lineage is not sent anywhere; leave it out"),
        ]
    }

    async fn execute(&self, args: TriggerDagArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let run = ctx.run_maker.make(&ctx.key, ctx.try_number, args.wanted(ctx)?).await.map_err(refused)?;
        let dag_id = &args.trigger_dag_id;
        let what = match run.how {
            HowMade::New => "Made",
            HowMade::Before => "Goes on with",
            HowMade::Reset => "Cleared",
            HowMade::Existing => {
                let reason = format!("DAG {dag_id} has the run {} already", run.run_id);
                return Ok(Outcome::Skipped { reason });
            }
        };
        ctx.log.info(format_args!("{what} run {} of DAG {dag_id}", run.run_id));
        if args.wait_for_completion {
            let waited = self.wait(&args, &run, ctx).await?;
            if matches!(waited, Outcome::Skipped { .. }) {
                return Ok(waited);
            }
        }
        Ok(args.outcome(&run))
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let problem = |key: &str, message: String| ArgumentProblem { pointer: format!("/{key}"), message, help: None };
        let mut problems: Vec<ArgumentProblem> = span::check::<Span>(args, "poke_interval").into_iter().collect();
        let is_set = |key: &str| args.get(key) == Some(&Value::Bool(true));
        if is_set("reset_dag_run") && is_set("skip_when_already_exists") {
            let message = "`reset_dag_run` and `skip_when_already_exists` exclude each other".to_owned();
            problems.push(problem("skip_when_already_exists", message));
        }
        for key in ["allowed_states", "failed_states"] {
            for word in args.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
                if word.parse::<RunState>().is_err() && !template::holds_template(word) {
                    let help = Some(format!("the states are {}", RunState::ALL.map(RunState::word).join(", ")));
                    problems.push(ArgumentProblem { help, ..problem(key, format!("`{word}` is no state of runs")) });
                }
            }
        }
        for key in ["logical_date", "run_after"] {
            let text = args.get(key).and_then(Value::as_str).filter(|text| !template::holds_template(text));
            if let Some(Err(message)) = text.map(time::check) {
                problems.push(problem(key, message));
            }
        }
        problems
    }
}

impl TriggerDagArgs {
    fn wanted(&self, ctx: &TaskContext) -> Result<WantedRun, TaskError> {
        let instant = |key: &str, text: &str| {
            time::instant(text, ctx).map_err(|message| TaskError::fail(anyhow!("`{key}`: {message}")))
        };
        let run_after = self.run_after.as_deref().map(str::trim).filter(|text| !matches!(*text, "" | "None"));
        let run_after = run_after.map(|text| instant("run_after", text)).transpose()?;
        let logical_date = match &self.logical_date {
            LogicalDate::Unsaid if run_after.is_some() => WantedDate::Nothing,
            LogicalDate::Unsaid => WantedDate::Now,
            LogicalDate::Nothing => WantedDate::Nothing,
            LogicalDate::Text(text) => WantedDate::At(instant("logical_date", text)?),
        };
        Ok(WantedRun {
            dag_id: self.trigger_dag_id.clone(),
            run_id: self.trigger_run_id.clone().filter(|run_id| !run_id.is_empty()),
            logical_date,
            run_after,
            conf: self.conf.clone().unwrap_or_default(),
            note: self.note.clone(),
            when_exists: match (self.reset_dag_run, self.skip_when_already_exists) {
                (true, _) => WhenExists::Reset,
                (false, true) => WhenExists::Tell,
                (false, false) => WhenExists::Fail,
            },
            refuses_paused: self.fail_when_dag_is_paused,
        })
    }

    /// Airflow's XComs, from which its own link to the run is made.
    fn outcome(&self, run: &MadeRun) -> Outcome {
        let mut xcoms = vec![
            ("trigger_dag_id".to_owned(), json!(self.trigger_dag_id)),
            ("trigger_run_id".to_owned(), json!(run.run_id)),
        ];
        xcoms.extend(run.logical_date.map(|date| ("trigger_logical_date_iso".to_owned(), json!(date.to_rfc3339()))));
        Outcome::Success { return_value: Value::Null, xcoms, next: Next::Everything }
    }

    /// What a state of the run means to the task.
    fn judge(&self, run: &MadeRun, state: Option<&str>) -> Sight {
        let (dag_id, run_id) = (&self.trigger_dag_id, &run.run_id);
        let Some(state) = state else {
            return Sight::Failed(format!("run {run_id} of DAG {dag_id} is not there any more"));
        };
        let names = |states: &Option<Vec<String>>, by_default: RunState| match states {
            Some(states) => states.iter().any(|word| word == state),
            None => state == by_default.word(),
        };
        // An empty list of allowed states is as good as none (Airflow 3); an empty list of failed ones is not.
        let allowed = self.allowed_states.clone().filter(|states| !states.is_empty());
        if names(&self.failed_states, RunState::Failed) {
            return Sight::Failed(format!("run {run_id} of DAG {dag_id} is {state}"));
        }
        Sight::of(names(&allowed, RunState::Success))
    }
}

impl TriggerDag {
    async fn wait(&self, args: &TriggerDagArgs, run: &MadeRun, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let patience = Patience::growing(args.poke_interval);
        let watch = Watch {
            patience: &patience,
            ctx,
            awaited: format!("run {} of DAG {}", run.run_id, args.trigger_dag_id),
            rhythm: Rhythm::Intervals(Arc::clone(&self.looks)),
        };
        let look = || async {
            let state = ctx.runs.state(&args.trigger_dag_id, &run.run_id).await?;
            Ok(args.judge(run, state.as_deref()))
        };
        let waiting = watch.until(look);
        // The engine minds it no more once the try is deferred.
        let Some(limit) = ctx.time_limit else { return waiting.await };
        let spent = (ctx.clock.now() - ctx.started_at).to_std().unwrap_or_default();
        match tokio::time::timeout(limit.saturating_sub(spent), waiting).await {
            Ok(waited) => waited,
            Err(_) => {
                let limit = spoken(limit);
                Err(TaskError::retry(anyhow!("waited longer than its execution_timeout of {limit}")))
            }
        }
    }
}

fn refused(refusal: RunRefusal) -> TaskError {
    match refusal {
        RunRefusal::Never(_) => TaskError::fail(refusal),
        RunRefusal::NotNow(_) | RunRefusal::World(_) => TaskError::retry(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(more: &Value) -> TriggerDagArgs {
        let mut all = json!({ "trigger_dag_id": "sales" });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn the_state_of_the_run_decides() {
        let run = MadeRun { run_id: "r".to_owned(), logical_date: None, how: HowMade::New };
        let judged = |more: &Value, state| args(more).judge(&run, state);
        let failed = Sight::Failed("run r of DAG sales is failed".to_owned());
        assert_eq!(judged(&json!({}), Some("running")), Sight::NotYet);
        assert_eq!(judged(&json!({}), Some("success")), Sight::There);
        assert_eq!(judged(&json!({}), Some("failed")), failed);
        assert_eq!(judged(&json!({ "allowed_states": [] }), Some("success")), Sight::There);
        assert_eq!(judged(&json!({ "failed_states": [], "allowed_states": ["failed"] }), Some("failed")), Sight::There);
        assert_eq!(judged(&json!({ "allowed_states": ["queued"] }), Some("success")), Sight::NotYet);
        assert!(matches!(judged(&json!({}), None), Sight::Failed(_)));
    }

    #[test]
    fn no_logical_date_is_another_thing_than_one_that_is_not_said() {
        assert_eq!(args(&json!({})).logical_date, LogicalDate::Unsaid);
        assert_eq!(args(&json!({ "logical_date": null })).logical_date, LogicalDate::Nothing);
        assert_eq!(args(&json!({ "logical_date": "None" })).logical_date, LogicalDate::Nothing);
        let date = LogicalDate::Text("2026-03-02".to_owned());
        assert_eq!(args(&json!({ "logical_date": "2026-03-02" })).logical_date, date);
    }
}
