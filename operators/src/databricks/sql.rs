//! `databricks_sql`: SQL on a SQL warehouse of Databricks.
//!
//! ```yaml
//! - task_id: favourites
//!   operator: databricks_sql
//!   http_path: /sql/1.0/warehouses/862f1d757f0424f7
//!   sql: SELECT category, COUNT(*) AS posts FROM pins WHERE day = :day GROUP BY category
//!   parameters: { day: "{{ ds }}" }
//! ```

mod journal;

use std::time::Duration;

use anyhow::anyhow;
use scheduler::operator::{
    AirflowClass, ArgumentProblem, Next, Operator, Outcome, TaskContext, TaskError, TemplateFiles, Verdict,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::arguments::{Asking, Driver, With, is_open, problem, yes};
use super::failure::Failure;
use super::origin::Origin;
use super::session::{Session, varied};
use super::sql_output::{CsvParams, File, Format};
use super::statements::{self, Chunks, Statement, Submission};
use super::warehouse::{Named, Parameters, check_warehouse};
use super::workspace::Workspaces;
use crate::checkpoint;
use crate::location::{Location, S3};
use crate::span::{self, Span};
use crate::statements::{Dialect, split};
use crate::time_limit::{self, TimeUp};

pub(super) use journal::end;
use journal::{Kept, taken_up};

/// The first pause between two looks at a statement; each is half as long again, up to the longest.
const LOOK_FIRST: Duration = Duration::from_millis(500);

/// A statement is looked at so often at most, as in Airflow.
const POLLING_PERIOD: Duration = Duration::from_secs(30);

/// So many rows go into XCom.
const XCOM_ROWS: usize = 1_000;

/// That a statement is cancelled is awaited for so long.
const CANCEL_PATIENCE: Duration = Duration::from_secs(15);

/// The `databricks_sql` operator.
pub struct Sql {
    workspaces: Workspaces,
    s3: S3,
}

impl Sql {
    /// Asks `workspaces`, and reaches buckets through `s3`.
    pub fn new(workspaces: Workspaces, s3: S3) -> Sql {
        Sql { workspaces, s3 }
    }
}

/// Arguments of the `databricks_sql` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlArgs {
    /// One or several statements: a text with semicolons between them, or a list.
    #[serde(default)]
    sql: Option<Texts>,
    /// One statement, as Airflow's DatabricksSQLStatementsOperator has it.
    #[serde(default)]
    statement: Option<String>,
    /// The SQL warehouse, by its id.
    #[serde(default)]
    warehouse_id: Option<String>,
    /// The same by its path, `/sql/1.0/warehouses/<id>`; by default that in `extra` of the connection.
    #[serde(default)]
    http_path: Option<String>,
    /// The same by its name.
    #[serde(default)]
    sql_endpoint_name: Option<String>,
    /// Values for the places `:name` in the statements.
    #[serde(default)]
    parameters: Option<Parameters>,
    /// The catalog in which names are looked up.
    #[serde(default)]
    catalog: Option<String>,
    /// The schema in which names are looked up.
    #[serde(default)]
    schema: Option<String>,
    /// Whether a text is taken apart at its semicolons.
    #[serde(default = "yes")]
    split_statements: bool,
    /// Whether only the result of the last statement is kept.
    #[serde(default = "yes")]
    return_last: bool,
    /// A file for the rows of the last statement, on this machine or in S3.
    #[serde(default)]
    output_path: Option<String>,
    /// How that file is written.
    #[serde(default)]
    output_format: Format,
    /// How CSV is written.
    #[serde(default)]
    csv_params: CsvParams,
    /// How many rows at most go into XCom.
    #[serde(default = "xcom_rows")]
    max_rows: usize,
    /// How often a statement that goes on is looked at, at most: a number of seconds, or a duration; 30 s by default.
    #[serde(default)]
    polling_period_seconds: Option<Span>,
    /// A statement that takes longer is cancelled, and the task fails: a duration, or a number of seconds.
    #[serde(default)]
    timeout: Option<Span>,
    /// Whether the task ends when the statements do. Otherwise it ends when the last of them was sent.
    #[serde(default = "yes")]
    wait_for_termination: bool,
    /// Airflow's choice of a waiting that needs no worker. Every task waits so here.
    #[serde(default)]
    #[expect(dead_code, reason = "every task that waits is deferred")]
    deferrable: bool,
    /// Airflow's choice of a transaction for each statement. Every statement is one of its own here.
    #[serde(default)]
    #[expect(dead_code, reason = "every statement is a transaction")]
    autocommit: bool,
    /// Airflow's choice of writing the rows into the log. They are in XCom, and in the file.
    #[serde(default)]
    #[expect(dead_code, reason = "the rows are shown from XCom")]
    show_return_value_in_logs: bool,
}

fn xcom_rows() -> usize {
    XCOM_ROWS
}

/// A text, or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Texts {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Operator for Sql {
    const NAME: &'static str = "databricks_sql";
    const SUMMARY: &'static str = "Runs SQL on a SQL warehouse of Databricks.";
    const TEMPLATE_FILES: TemplateFiles = &[("sql", &[".sql"])];
    type Args = With<Asking, With<Driver, SqlArgs>>;

    fn airflow_classes() -> Vec<AirflowClass> {
        const GCS: &str = "write `output_path: s3://…`, or a file of this machine";
        vec![
            AirflowClass::named("DatabricksSqlOperator")
                .renamed("database", "schema")
                .unneeded("requires_result_fetch")
                .unneeded("retry_on_failure")
                .unneeded("conn_id")
                .refused("output_processor", "it is a function of Python; change the rows in the SQL")
                .refused("gcp_conn_id", GCS)
                .refused("gcs_impersonation_chain", GCS),
            AirflowClass::named("DatabricksSQLStatementsOperator"),
        ]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { common: asking, own: With { own, .. } } = args;
        let statements = own.statements().map_err(|problem| TaskError::fail(anyhow!(problem)))?;
        let here = Session::open(&self.workspaces, &asking, ctx).await?;
        let (kept, there) = Box::pin(taken_up(&here)).await?;
        let session = there.as_deref().unwrap_or(&here);
        let named = Named {
            warehouse_id: own.warehouse_id.as_deref(),
            http_path: own.http_path.as_deref(),
            name: own.sql_endpoint_name.as_deref(),
        };
        let work = Work { session, args: &own, warehouse: Warehouse { named, id: OnceCell::new() }, s3: &self.s3 };
        work.run(&statements, kept).await
    }

    async fn withdraw(&self, args: Self::Args, ctx: &TaskContext) -> Result<(), TaskError> {
        let With { common: asking, .. } = args;
        let Some(kept) = checkpoint::load::<Kept>(ctx).await?.filter(|kept| !kept.is_over) else { return Ok(()) };
        let Kept { statement_id, at, origin, .. } = kept;
        let Some(id) = statement_id else {
            ctx.log.warning(format_args!(
                "Statement {} may have been sent before the process was lost, and nobody knows as which; it may go on",
                at + 1
            ));
            return Ok(());
        };
        let here = Session::open(&self.workspaces, &asking, ctx).await?;
        let there = match &origin {
            Some(origin) => origin.session(&format!("statement {id}"), &here).await?,
            None => None,
        };
        match end(there.as_deref().unwrap_or(&here), &id).await {
            Ok(state) => ctx.log.info(format_args!("Statement {id} is not wanted any more: it is {state}")),
            // It is not known there any more.
            Err(failure) if failure.is_lasting_refusal() => {}
            Err(failure) => return Err(failure.into_error()),
        }
        Ok(())
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Asking::check(args);
        problems.extend(Driver::check(args));
        problems.extend(span::check::<Span>(args, "timeout"));
        problems.extend(check_warehouse(args, "sql_endpoint_name"));
        let is_given = |key: &str| args.get(key).is_some_and(|value| !value.is_null());
        match (is_given("sql"), is_given("statement")) {
            (false, false) => problems.push(problem("", "it has no `sql`")),
            (true, true) => problems.push(problem("/statement", "`sql` and `statement` exclude each other")),
            _ => {}
        }
        let sql = args.get("sql").or_else(|| args.get("statement")).and_then(Value::as_str);
        if sql.is_some_and(|text| !is_open(&text.into()) && split(text, Dialect::Databricks).is_empty()) {
            problems.push(problem(if is_given("sql") { "/sql" } else { "/statement" }, "there is no statement in it"));
        }
        problems
    }
}

impl SqlArgs {
    /// The statements, one by one.
    fn statements(&self) -> Result<Vec<String>, String> {
        let texts = match (&self.sql, &self.statement) {
            (Some(Texts::One(text)), None) | (None, Some(text)) => vec![text.clone()],
            (Some(Texts::Several(texts)), None) => texts.clone(),
            (Some(_), Some(_)) => return Err("`sql` and `statement` exclude each other".to_owned()),
            (None, None) => return Err("it has no `sql`".to_owned()),
        };
        let statements: Vec<String> = if self.split_statements {
            let statements = texts.iter().flat_map(|text| split(text, Dialect::Databricks));
            statements.map(|statement| statement.text).collect()
        } else {
            texts
        };
        if statements.is_empty() { Err("there is no statement in `sql`".to_owned()) } else { Ok(statements) }
    }
}

/// The work of one try.
struct Work<'a> {
    session: &'a Session,
    args: &'a SqlArgs,
    warehouse: Warehouse<'a>,
    s3: &'a S3,
}

/// The warehouse of the statements, which is looked for when the first is sent: one that goes on elsewhere has found its own.
struct Warehouse<'a> {
    named: Named<'a>,
    id: OnceCell<String>,
}

impl Work<'_> {
    fn ctx(&self) -> &TaskContext {
        &self.session.ctx
    }

    async fn run(&self, sql: &[String], kept: Option<Kept>) -> Result<Outcome, TaskError> {
        let first = kept.as_ref().map_or(0, |kept| kept.at).min(sql.len() - 1);
        if first > 0 {
            self.ctx().log.info(format_args!("Goes on with statement {} of {}", first + 1, sql.len()));
        }
        let mut found = kept.and_then(|kept| kept.statement_id);
        let mut answers = Vec::new();
        for (at, text) in sql.iter().enumerate().skip(first) {
            let is_last = at + 1 == sql.len();
            let known = found.take();
            if is_last && !self.args.wait_for_termination {
                let id = match known {
                    Some(id) => id,
                    None => Box::pin(self.send(at, text, is_last)).await?.statement_id,
                };
                return Ok(outcome(Value::Null, &id));
            }
            let statement = self.one(at, text, is_last, known).await?;
            if is_last {
                // What follows is ours, and may fail.
                self.keep_end(at, &statement.statement_id).await;
            }
            if is_last || !self.args.return_last {
                let answer = Box::pin(self.answer(&statement, is_last)).await?;
                answers.push((answer, statement.statement_id));
            }
        }
        let Some((last, id)) = answers.pop() else { return Ok(Outcome::done()) };
        if self.args.return_last {
            return Ok(outcome(last, &id));
        }
        let all = answers.into_iter().map(|(answer, _)| answer).chain([last]).collect();
        Ok(outcome(Value::Array(all), &id))
    }

    async fn keep(&self, at: usize, statement_id: Option<&str>, is_over: bool) -> Result<(), TaskError> {
        let kept = Kept {
            try_number: self.ctx().try_number,
            at,
            statement_id: statement_id.map(str::to_owned),
            is_over,
            origin: Some(Origin::of(self.session)),
        };
        checkpoint::save(&kept, self.ctx()).await
    }

    /// Keeps that a statement has ended, after which nothing follows.
    async fn keep_end(&self, at: usize, id: &str) {
        if let Err(problem) = self.keep(at, Some(id), true).await {
            self.ctx().log.warning(format_args!("That it has ended could not be kept: {:#}", problem.error));
        }
    }

    async fn send(&self, at: usize, text: &str, is_last: bool) -> Result<Statement, TaskError> {
        if self.ctx().cancelled.is_cancelled() {
            return Err(TaskError::cancelled());
        }
        let Warehouse { named, id } = &self.warehouse;
        let warehouse_id = id.get_or_try_init(|| Box::pin(named.find(self.session))).await?;
        self.keep(at, None, false).await?;
        let parameters = self.args.parameters.as_ref().map(Parameters::described).unwrap_or_default();
        let submission = Submission {
            warehouse_id,
            sql: text,
            catalog: self.args.catalog.as_deref(),
            schema: self.args.schema.as_deref(),
            parameters: &parameters,
            is_large: is_last && self.args.output_path.is_some(),
        };
        let statement = statements::submit(self.session, &submission).await.map_err(|failure| {
            if failure.trouble.may_be_done {
                self.ctx().log.warning(format_args!(
                    "Statement {} may have been run although there was no answer; another try may run it twice",
                    at + 1
                ));
            }
            failure.into_error()
        })?;
        self.keep(at, Some(&statement.statement_id), false).await?;
        let left = ("statement_id".to_owned(), Value::from(statement.statement_id.as_str()));
        self.ctx().push_xcoms(vec![left]).await;
        self.ctx().log.info(format_args!("Statement {} was sent: {}", at + 1, statement.statement_id));
        Ok(statement)
    }

    /// Sends a statement, unless an earlier process has, and waits for its end.
    async fn one(&self, at: usize, text: &str, is_last: bool, known: Option<String>) -> Result<Statement, TaskError> {
        let (id, sent) = match known {
            Some(id) => {
                self.ctx().log.info(format_args!("Goes on with statement {id}, which this try sent"));
                (id, None)
            }
            None => {
                let sent = Box::pin(self.send(at, text, is_last)).await?;
                (sent.statement_id.clone(), Some(sent))
            }
        };
        let ended = self.wait(at, &id, sent).await;
        if let Err(error) = &ended {
            let is_time_up = error.error.downcast_ref::<TimeUp>().is_some();
            if self.ctx().withdrawn.is_cancelled() || is_time_up {
                Box::pin(self.abandon(at, &id)).await;
            } else if error.verdict == Verdict::Cancelled {
                self.ctx()
                    .log
                    .info(format_args!("Statement {id} goes on; whoever takes up this task goes on watching it"));
            }
        }
        ended
    }

    async fn wait(&self, at: usize, id: &str, sent: Option<Statement>) -> Result<Statement, TaskError> {
        let longest = self.args.polling_period_seconds.map_or(POLLING_PERIOD, |Span(period)| period);
        let mut pause = LOOK_FIRST.min(longest);
        let mut next = sent;
        let mut told = String::new();
        loop {
            let statement = match next.take() {
                Some(statement) => statement,
                None => tokio::select! {
                    looked = Box::pin(statements::get(self.session, id)) => looked.map_err(Failure::into_error)?,
                    error = self.time_up() => return Err(error),
                },
            };
            if told != statement.state() {
                told = statement.state().to_owned();
                self.ctx().log.info(format_args!("Statement {id}: {told}"));
            }
            if statement.is_success() {
                return Ok(statement);
            }
            if statement.is_over() {
                // The error of the statement matters more.
                self.keep_end(at, id).await;
                let error = statement.error();
                return Err(if statement.may_retry() { TaskError::retry(error) } else { TaskError::fail(error) });
            }
            drop(statement);
            self.ctx().defer(format!("waits for statement {id} of Databricks"));
            tokio::select! {
                () = tokio::time::sleep(varied(pause)) => {}
                () = self.ctx().cancelled.cancelled() => return Err(TaskError::cancelled()),
                error = self.time_up() => return Err(error),
            }
            pause = pause.mul_f64(1.5).min(longest);
        }
    }

    /// The end of the shorter of `timeout` and the task's `execution_timeout`, both counted from the begin of the try.
    async fn time_up(&self) -> TaskError {
        let own = self.args.timeout.map(|Span(limit)| limit);
        time_limit::reached(own.into_iter().chain(self.ctx().time_limit).min(), self.ctx()).await
    }

    /// Cancels a statement, and awaits that it has ended.
    async fn abandon(&self, at: usize, id: &str) {
        let session = self.session.until(CancellationToken::new());
        match tokio::time::timeout(CANCEL_PATIENCE, end(&session, id)).await {
            Ok(Ok(state)) => {
                self.ctx().log.info(format_args!("Statement {id} was cancelled: it is {state}"));
                self.keep_end(at, id).await;
            }
            Ok(Err(failure)) => {
                let error = &failure.trouble.error;
                self.ctx().log.error(format_args!("Statement {id} could not be cancelled, and may go on: {error:#}"));
            }
            Err(_) => {
                self.ctx().log.error(format_args!("Statement {id} was to be cancelled, but that was not acknowledged"));
            }
        }
    }

    /// The result of a statement: its first rows for XCom, all of them for the file.
    async fn answer(&self, statement: &Statement, is_last: bool) -> Result<Value, TaskError> {
        let manifest = statement.manifest.clone().unwrap_or_default();
        let columns = &manifest.schema.columns;
        let mut file = match &self.args.output_path {
            Some(path) if is_last => {
                let location = Location::parse(path, &self.ctx().home).map_err(TaskError::fail)?;
                let names = columns.iter().map(|column| column.name.clone()).collect();
                let try_id = self.ctx().try_id;
                Some(File::begin(location, self.args.output_format, &self.args.csv_params, names, try_id)?)
            }
            _ => None,
        };
        let mut rows: Vec<Value> = Vec::new();
        let mut count = 0_u64;
        let mut chunks = Chunks::of(self.session, statement);
        while let Some(chunk) = chunks.next().await.map_err(Failure::into_error)? {
            for row in chunk {
                let row: Vec<Value> = row
                    .into_iter()
                    .zip(columns)
                    .map(|(cell, column)| statements::typed(cell, &column.type_name))
                    .collect();
                if let Some(file) = &mut file {
                    file.write(&row)?;
                }
                if rows.len() < self.args.max_rows {
                    rows.push(Value::Array(row));
                }
                count += 1;
            }
            if file.is_none() && rows.len() >= self.args.max_rows {
                count = count.max(manifest.total_row_count);
                break;
            }
        }
        if manifest.truncated {
            self.ctx().log.warning("Databricks cut the result");
        }
        self.ctx().log.info(format_args!("The answer has {count} rows"));
        let mut answer = json!({
            "columns": columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
            "rows": rows,
            "row_count": count,
        });
        if let Some(file) = file {
            answer["output"] = file.publish(self.s3).await?.to_string().into();
        }
        Ok(answer)
    }
}

fn outcome(return_value: Value, statement_id: &str) -> Outcome {
    let xcoms = vec![("statement_id".to_owned(), statement_id.into())];
    Outcome::Success { return_value, xcoms, next: Next::Everything }
}
