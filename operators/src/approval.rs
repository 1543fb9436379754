//! `approval`: asks people, and waits for the answer.
//!
//! ```yaml
//! - task_id: publish
//!   operator: approval
//!   subject: Publish the figures of {{ ds }}?
//!   body: "{{ ti.xcom_pull('count') }} rows, **none** rejected."
//!   execution_timeout: 8h
//!   defaults: Reject            # when nobody answers in time
//! ```
//!
//! It waits without a slot and without a process. When it is rejected, what comes directly after it is skipped. With `options`
//! of its own it is a question that decides nothing by itself, and with `options_mapping` one that chooses what follows
//! (Airflow 3: human in the loop).

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use scheduler::dag::{Param, params, template};
use scheduler::operator::{
    AirflowClass, Answer, ArgumentProblem, Next, Operator, Outcome, Question, Respondent, TaskContext, TaskError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::notify::{Notifiers, Told};
use crate::span::{self, Span, spoken};

/// What says yes (Airflow 3: ApprovalOperator).
const APPROVE: &str = "Approve";

/// What says no.
const REJECT: &str = "Reject";

/// A question is read on a page, and kept in a row.
const CHARACTERS_MAX: usize = 100_000;

/// The `approval` operator.
pub struct Approval {
    notifiers: Notifiers,
}

impl Approval {
    pub(crate) fn new(notifiers: Notifiers) -> Approval {
        Approval { notifiers }
    }
}

/// Arguments of the `approval` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalArgs {
    /// The question, in one line.
    #[schemars(length(min = 1))]
    subject: String,
    /// What one has to know to answer it, in Markdown.
    #[serde(default)]
    body: Option<String>,
    /// What can be answered; `[Approve, Reject]` when absent, and then a rejection skips what comes after.
    #[serde(default)]
    #[schemars(length(min = 1))]
    options: Option<Vec<String>>,
    /// What is answered when nobody does in time: an option, or a list of them. Without it the try fails, and `retries` ask
    /// anew.
    #[serde(default)]
    defaults: Option<OneOrMore>,
    /// How long it waits for the answer: a duration, or a number of seconds; `execution_timeout` when absent.
    #[serde(default)]
    response_timeout: Option<Span>,
    /// Whether several options may be chosen.
    #[serde(default)]
    multiple: bool,
    /// What else is asked for, as the `params` of a DAG are written: plain values, which are defaults, or JSON Schemas.
    /// The UI makes a form of it.
    #[serde(default)]
    params: BTreeMap<String, Value>,
    /// Who may answer: a name, or a list of them; everybody who can sign in when absent. A name may be written as Airflow's
    /// `{id: …, name: …}`.
    #[serde(default)]
    assigned_users: Option<Users>,
    /// What runs next, by option: the id of a task or group directly after this one, or a list of them. An option that is not in
    /// it stands for the task of that name. The rest of what comes directly after is skipped.
    #[serde(default)]
    options_mapping: Option<BTreeMap<String, OneOrMore>>,
    /// Whether a rejection skips everything after it, whatever the trigger rules are.
    #[serde(default)]
    ignore_downstream_trigger_rules: bool,
    /// Whether a rejection fails the task, for good.
    #[serde(default)]
    fail_on_reject: bool,
    /// Who is told that there is a question: a notifier, or a list of them, written as in `notify`, each
    /// with a text of its own.
    #[serde(default)]
    notifiers: Option<OneOrMany<Told>>,
}

/// A text, or a list of texts.
type OneOrMore = OneOrMany<String>;

/// People, as DAG files name them.
type Users = OneOrMany<User>;

/// One, or a list.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn list(self) -> Vec<T> {
        match self {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        }
    }
}

/// Somebody, by name, or as Airflow's `HITLUser`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum User {
    Name(String),
    Full { id: String, name: String },
}

impl From<User> for Respondent {
    fn from(user: User) -> Respondent {
        match user {
            User::Name(name) => Respondent { id: name.clone(), name },
            User::Full { id, name } => Respondent { id, name },
        }
    }
}

impl Operator for Approval {
    const NAME: &'static str = "approval";
    const SUMMARY: &'static str = "Asks people, and waits for the answer.";
    const ASKS_PEOPLE: bool = true;
    type Args = ApprovalArgs;

    fn airflow_classes() -> Vec<AirflowClass> {
        let class = |name: &'static str| AirflowClass::named(name).renamed("respondents", "assigned_users");
        let deciding = "`ApprovalOperator` alone decides what follows a rejection";
        vec![
            class("airflow.providers.standard.operators.hitl.ApprovalOperator")
                .refused("options", "an approval has two; `HITLOperator` asks with options of its own")
                .refused("multiple", "an approval is one answer"),
            class("airflow.providers.standard.operators.hitl.HITLOperator")
                .refused("fail_on_reject", deciding)
                .refused("ignore_downstream_trigger_rules", deciding),
            class("airflow.providers.standard.operators.hitl.HITLBranchOperator")
                .given("options_mapping", json!({}))
                .refused("fail_on_reject", deciding)
                .refused("ignore_downstream_trigger_rules", deciding),
            class("airflow.providers.standard.operators.hitl.HITLEntryOperator")
                .given("options", json!(["OK"]))
                .given("defaults", json!(["OK"]))
                .refused("fail_on_reject", deciding)
                .refused("ignore_downstream_trigger_rules", deciding),
        ]
    }

    async fn execute(&self, args: ApprovalArgs, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let is_own = args.response_timeout.is_some();
        let limit = args.response_timeout.map(|span| span.0).or(ctx.time_limit);
        let (question, after, told) = args.taken_apart().map_err(|problem| TaskError::fail(anyhow!(problem)))?;
        let until = deadline(limit, ctx);
        let is_new = ctx.people.ask(&question).await?;
        ctx.log.info(format_args!("Asks: {} ({})", question.subject, question.options.join(", ")));
        if is_new {
            for told in told {
                // The question stands on the page of what waits for people, whoever is told of it.
                if let Err(error) = self.notifiers.tell(told, ctx).await {
                    ctx.log.warning(format_args!("Cannot tell of the question: {error}"));
                }
            }
        }
        let by_when = match (limit, &question.defaults) {
            (Some(limit), Some(defaults)) => format!(", {} after {}", defaults.join(", "), spoken(limit)),
            (Some(limit), None) => format!(", for {} at most", spoken(limit)),
            (None, _) => String::new(),
        };
        ctx.defer(format!("waits for a person to answer{by_when}"));
        let answer = tokio::select! {
            answer = ctx.people.answer(until) => answer?,
            () = ctx.cancelled.cancelled() => return Err(TaskError::cancelled()),
        };
        let answer = match (answer, &question.defaults) {
            (Some(answer), _) => answer,
            (None, Some(defaults)) => {
                let given = params::fill_in(&question.params, &Map::new()).map_err(|problems| {
                    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    TaskError::retry(anyhow!("nobody answered in time, and {}", problems.join("; ")))
                })?;
                ctx.people.fall_back(defaults, given).await?
            }
            (None, None) => {
                let key = if is_own { "response_timeout" } else { "execution_timeout" };
                let limit = limit.map(spoken).unwrap_or_default();
                return Err(TaskError::retry(anyhow!("nobody answered within {limit}, the {key}")));
            }
        };
        let chosen = answer.chosen_options.join(", ");
        ctx.log.info(format_args!("Answered by {}: {chosen}", answer.responded_by));
        after.outcome(&answer)
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let problem =
            |pointer: &str, message: String| ArgumentProblem { pointer: pointer.to_owned(), message, help: None };
        let mut problems: Vec<ArgumentProblem> = span::check::<Span>(args, "response_timeout").into_iter().collect();
        let texts = |key: &str| texts(args.get(key));
        let options = texts("options").unwrap_or_else(|| vec![APPROVE.to_owned(), REJECT.to_owned()]);
        if let Some((at, option)) =
            options.iter().enumerate().find(|(at, option)| options[..*at].contains(option) || option.trim().is_empty())
        {
            let wrong = if option.trim().is_empty() { "is empty" } else { "stands there twice" };
            problems.push(problem(&format!("/options/{at}"), format!("the option `{option}` {wrong}")));
        }
        let is_multiple = args.get("multiple") == Some(&Value::Bool(true));
        let defaults = texts("defaults").unwrap_or_default();
        let are_written = options.iter().all(|option| !template::holds_template(option));
        for stranger in defaults.iter().filter(|option| !template::holds_template(option) && are_written) {
            if !options.contains(stranger) {
                let message = format!("`{stranger}` is not one of the options, which are {}", options.join(", "));
                problems.push(problem("/defaults", message));
            }
        }
        if defaults.len() > 1 && !is_multiple {
            problems.push(problem("/defaults", "only one option may be chosen, unless `multiple` is set".to_owned()));
        }
        for key in ["fail_on_reject", "ignore_downstream_trigger_rules"] {
            let is_set = args.get(key) == Some(&Value::Bool(true));
            if is_set && (args.contains_key("options") || args.contains_key("options_mapping")) {
                let message = format!("`{key}` is for approvals, which have no `options` of their own");
                problems.push(problem(&format!("/{key}"), message));
            }
        }
        for option in args.get("options_mapping").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            if !options.contains(option) && are_written {
                let message = format!("`{option}` is not one of the options, which are {}", options.join(", "));
                problems.push(problem(&format!("/options_mapping/{option}"), message));
            }
        }
        for (name, written) in args.get("params").and_then(Value::as_object).into_iter().flatten() {
            if let Err(message) = params::read(written) {
                problems.push(problem(&format!("/params/{name}"), message));
            }
        }
        problems.extend(self.notifiers.check_all(args.get("notifiers"), "/notifiers"));
        problems
    }
}

/// A text or a list of texts, as written.
fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    match value? {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(list) => Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    }
}

/// What an answer means to what comes after.
#[derive(Clone, Debug)]
enum After {
    /// Nothing.
    Anything,
    /// A rejection skips what comes after, or fails the task.
    Approval { fails: bool, skips_everything: bool },
    /// It says what follows.
    Branch(BTreeMap<String, Vec<String>>),
}

impl ApprovalArgs {
    fn taken_apart(self) -> Result<(Question, After, Vec<Told>), String> {
        let length = self.subject.chars().count() + self.body.as_deref().map_or(0, |body| body.chars().count());
        if length > CHARACTERS_MAX {
            return Err(format!("`subject` and `body` have {length} characters, and may have {CHARACTERS_MAX}"));
        }
        let after = match (self.options_mapping, &self.options) {
            (Some(mapping), _) => {
                After::Branch(mapping.into_iter().map(|(option, ids)| (option, ids.list())).collect())
            }
            (None, Some(_)) => After::Anything,
            (None, None) => {
                After::Approval { fails: self.fail_on_reject, skips_everything: self.ignore_downstream_trigger_rules }
            }
        };
        let read = |(name, written): (String, Value)| match params::read(&written) {
            Ok(param) => Ok((name, param)),
            Err(problem) => Err(format!("param `{name}` {problem}")),
        };
        let question = Question {
            // It stands in one line, whatever a template made.
            subject: self.subject.split_whitespace().collect::<Vec<_>>().join(" "),
            body: self.body,
            options: self.options.unwrap_or_else(|| vec![APPROVE.to_owned(), REJECT.to_owned()]),
            defaults: self.defaults.map(OneOrMany::list).filter(|defaults| !defaults.is_empty()),
            multiple: self.multiple,
            params: self.params.into_iter().map(read).collect::<Result<BTreeMap<String, Param>, String>>()?,
            assigned_users: self
                .assigned_users
                .map(OneOrMany::list)
                .unwrap_or_default()
                .into_iter()
                .map(Into::into)
                .collect(),
        };
        if let Some(complaint) = question.defaults.as_ref().and_then(|defaults| question.complaint(defaults)) {
            return Err(format!("`defaults`: {complaint}"));
        }
        Ok((question, after, self.notifiers.map(OneOrMany::list).unwrap_or_default()))
    }
}

impl After {
    fn outcome(self, answer: &Answer) -> Result<Outcome, TaskError> {
        let is_rejected = answer.chosen_options.iter().any(|option| option == REJECT);
        let next = match self {
            After::Approval { fails: true, .. } if is_rejected => {
                return Err(TaskError::fail(anyhow!("rejected by {}", answer.responded_by)));
            }
            After::Approval { skips_everything, .. } if is_rejected => {
                if skips_everything {
                    Next::Nothing
                } else {
                    Next::NothingDirect
                }
            }
            After::Anything | After::Approval { .. } => Next::Everything,
            After::Branch(mut mapping) => {
                let ids = |option: &String| mapping.remove(option).unwrap_or_else(|| vec![option.clone()]);
                Next::Only(answer.chosen_options.iter().flat_map(ids).collect())
            }
        };
        let return_value = json!({
            "chosen_options": answer.chosen_options,
            "params_input": answer.params_input,
            "responded_at": answer.responded_at.to_rfc3339_opts(SecondsFormat::Micros, true),
            "responded_by_user": { "id": answer.responded_by, "name": answer.responded_by },
        });
        Ok(Outcome::Success { return_value, xcoms: Vec::new(), next })
    }
}

/// When nobody needs to answer any more.
fn deadline(limit: Option<Duration>, ctx: &TaskContext) -> Option<DateTime<Utc>> {
    ctx.started_at.checked_add_signed(TimeDelta::from_std(limit?).ok()?)
}
