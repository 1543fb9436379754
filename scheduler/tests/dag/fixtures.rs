//! Operators and notifiers that do nothing, with arguments of every shape, and short ways to load a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use scheduler::dag::Dag;
use scheduler::dag::spec::{Loaded, SourceFile, load, render};
use scheduler::dag::timetable::Timetable;
use scheduler::operator::{
    AirflowClass, ArgumentProblem, DeliveryError, Notice, Notifier, Operator, Outcome, Registry, TaskContext,
    TaskError, TemplateFiles,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Like Airflow's BashOperator.
pub struct Bash;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
pub struct BashArgs {
    /// The command, for `bash -c`.
    bash_command: String,
    /// Variables of the environment.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Whether the worker's own environment stays.
    #[serde(default)]
    append_env: bool,
    /// Exit codes that mean "skipped".
    #[serde(default)]
    skip_on_exit_code: Vec<u8>,
    /// Where to run.
    cwd: Option<String>,
}

impl Operator for Bash {
    const NAME: &'static str = "bash";
    const AIRFLOW_CLASSES: &'static [&'static str] = &["BashOperator"];

    /// As if it did what Airflow's SSHOperator does on another machine.
    fn airflow_classes() -> Vec<AirflowClass> {
        let ssh = AirflowClass::named("airflow.providers.ssh.operators.ssh.SSHOperator")
            .renamed("command", "bash_command")
            .renamed("environment", "env")
            .given("append_env", true)
            .unneeded("get_pty")
            .refused("ssh_hook", "write `ssh_conn_id`");
        vec![ssh]
    }

    const SUMMARY: &'static str = "Runs a command.";
    type Args = BashArgs;

    async fn execute(&self, _: BashArgs, _: &TaskContext) -> Result<Outcome, TaskError> {
        Ok(Outcome::done())
    }
}

/// Does nothing, like Airflow's EmptyOperator.
pub struct Empty;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmptyArgs {}

impl Operator for Empty {
    const NAME: &'static str = "empty";
    const AIRFLOW_CLASSES: &'static [&'static str] = &["EmptyOperator", "DummyOperator"];
    const SUMMARY: &'static str = "Does nothing.";
    type Args = EmptyArgs;

    async fn execute(&self, _: EmptyArgs, _: &TaskContext) -> Result<Outcome, TaskError> {
        Ok(Outcome::done())
    }
}

/// Arguments that may be template files.
pub struct Scripted;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
pub struct ScriptedArgs {
    /// A script, or several.
    script: OneOrMany,
    /// A request, as somebody else has it.
    #[serde(default)]
    request: Map<String, Value>,
    /// Where.
    r#where: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
pub enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Operator for Scripted {
    const NAME: &'static str = "scripted";
    const SUMMARY: &'static str = "Does nothing with scripts.";
    const TEMPLATE_FILES: TemplateFiles = &[("script", &[".sh", ".bash"]), ("request", &[".json-tpl"])];
    type Args = ScriptedArgs;

    async fn execute(&self, _: ScriptedArgs, _: &TaskContext) -> Result<Outcome, TaskError> {
        Ok(Outcome::done())
    }
}

/// Nested arguments, alternatives and a check of its own.
pub struct Clean;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
pub struct CleanArgs {
    /// Where the rows come from.
    input: String,
    /// What to do with them, in order.
    rules: Vec<Rule>,
    /// Most rows to read.
    limit: Option<u32>,
    /// How much may be broken, from 0 to 1.
    #[serde(default)]
    tolerance: f64,
    /// What to write.
    #[serde(default)]
    format: Format,
    /// Anything at all, for the reader.
    #[serde(default)]
    notes: Value,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
pub struct Rule {
    column: String,
    cast: Option<Cast>,
    #[serde(default)]
    drop: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cast {
    Int,
    Float,
    Timestamp,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    #[default]
    Delta,
    Csv,
}

impl Operator for Clean {
    const NAME: &'static str = "clean";
    const SUMMARY: &'static str = "Cleans rows.";
    type Args = CleanArgs;

    async fn execute(&self, _: CleanArgs, _: &TaskContext) -> Result<Outcome, TaskError> {
        Ok(Outcome::done())
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let rules = args.get("rules").and_then(Value::as_array).into_iter().flatten().enumerate();
        rules
            .filter(|(_, rule)| rule.get("drop") == Some(&Value::Bool(true)) && rule.get("cast").is_some())
            .map(|(index, _)| ArgumentProblem {
                pointer: format!("/rules/{index}/cast"),
                message: "a dropped column has nothing to cast".to_owned(),
                help: Some("take `cast` or `drop` away".to_owned()),
            })
            .collect()
    }
}

/// Posts somewhere; an address is needed.
pub struct Webhook;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
pub struct WebhookArgs {
    /// Where to.
    url: String,
    /// With what method.
    method: Option<Method>,
    /// What to send.
    #[serde(default)]
    body: Value,
}

#[derive(Deserialize, JsonSchema)]
pub enum Method {
    #[serde(rename = "POST")]
    Post,
    #[serde(rename = "PUT")]
    Put,
}

impl Notifier for Webhook {
    const NAME: &'static str = "webhook";
    const SUMMARY: &'static str = "Calls an address.";
    const PLAIN: Option<&'static str> = Some("url");
    type Args = WebhookArgs;

    async fn deliver(&self, _: WebhookArgs, _: &Notice) -> Result<(), DeliveryError> {
        Ok(())
    }
}

/// Writes to a channel, with Airflow's class for it.
pub struct Slack;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
pub struct SlackArgs {
    /// The variable that holds the address.
    url_env: Option<String>,
    /// What to write.
    text: Option<String>,
}

impl Notifier for Slack {
    const NAME: &'static str = "slack";
    const AIRFLOW_CLASSES: &'static [&'static str] = &["SlackWebhookNotifier"];
    const SUMMARY: &'static str = "Writes to a channel.";
    const NOT_SERVED: &'static [(&'static str, &'static str)] =
        &[("slack_webhook_conn_id", "name a variable of the environment in `url_env`")];
    type Args = SlackArgs;

    async fn deliver(&self, _: SlackArgs, _: &Notice) -> Result<(), DeliveryError> {
        Ok(())
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let has_address = args.contains_key("url_env");
        let missing = ArgumentProblem {
            pointer: String::new(),
            message: "it has no address".to_owned(),
            help: Some("write `url_env`".to_owned()),
        };
        if has_address { Vec::new() } else { vec![missing] }
    }
}

/// Writes to people.
pub struct Email;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
pub struct EmailArgs {
    /// To whom.
    to: Addresses,
    /// About what.
    subject: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
pub enum Addresses {
    One(String),
    Several(Vec<String>),
}

impl Notifier for Email {
    const NAME: &'static str = "email";
    const AIRFLOW_CLASSES: &'static [&'static str] = &["SmtpNotifier"];
    const SUMMARY: &'static str = "Writes to people.";
    const PLAIN: Option<&'static str> = Some("to");
    type Args = EmailArgs;

    async fn deliver(&self, _: EmailArgs, _: &Notice) -> Result<(), DeliveryError> {
        Ok(())
    }
}

/// Runs a program.
pub struct Program;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
pub struct ProgramArgs {
    /// Which.
    command: Addresses,
}

impl Notifier for Program {
    const NAME: &'static str = "command";
    const SUMMARY: &'static str = "Runs a program.";
    const PLAIN: Option<&'static str> = Some("command");
    type Args = ProgramArgs;

    async fn deliver(&self, _: ProgramArgs, _: &Notice) -> Result<(), DeliveryError> {
        Ok(())
    }
}

pub fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.register(Bash).unwrap();
    registry.register(Empty).unwrap();
    registry.register(Clean).unwrap();
    registry.register(Scripted).unwrap();
    registry.register_notifier(Webhook).unwrap();
    registry.register_notifier(Slack).unwrap();
    registry.register_notifier(Email).unwrap();
    registry.register_notifier(Program).unwrap();
    registry
}

pub fn load_text(text: &str) -> Loaded {
    load(&SourceFile::new("dags/example.yaml", text), &registry())
}

/// The only DAG of a file without mistakes.
pub fn dag(text: &str) -> Arc<Dag> {
    let source = SourceFile::new("dags/example.yaml", text);
    let loaded = load(&source, &registry());
    assert!(loaded.problems.is_empty(), "{}", render(&source, &loaded.problems, false));
    assert_eq!(loaded.dags.len(), 1);
    Arc::clone(&loaded.dags[0].dag)
}

/// The timetable that a value of `schedule` means, in UTC.
pub fn timetable(schedule: &str) -> Timetable {
    Timetable::new(&dag(&format!("schedule: {schedule}\ntasks: []\n")).schedule, chrono_tz::Tz::UTC).unwrap()
}

pub fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
}
