//! One run of `sql`: statements, and then a load, in one transaction or in one each.

use anyhow::{Context as _, anyhow};
use scheduler::operator::{TaskContext, TaskError};
use serde_json::{Value, json};

use super::answer::{Answer, Target};
use super::args::SqlArgs;
use super::load::Loading;
use super::script::{Numbered, Script};
use crate::database::{Database, Fault, Session, said};
use crate::location::S3;

/// What one run needs.
pub(super) struct Job {
    pub(super) args: SqlArgs,
    pub(super) database: Database,
    pub(super) script: Script,
    pub(super) target: Option<Target>,
    pub(super) loading: Option<Loading>,
    pub(super) s3: S3,
    pub(super) ctx: TaskContext,
}

impl Job {
    /// Does all of it: the XCom value.
    pub(super) async fn run(self) -> Result<Value, TaskError> {
        if !self.args.autocommit {
            self.script.check_transaction()?;
        }
        self.ctx.log.info(format_args!("Connects to {}", self.database.shown()));
        let mut session = self.database.session(true, &self.ctx.cancelled).await?;
        match self.converse(&mut session).await {
            Ok(value) => {
                session.close().await;
                Ok(value)
            }
            Err(error) => {
                // Nobody else should have to wait for what is no more.
                session.roll_back().await;
                if !self.args.autocommit {
                    self.ctx.log.info("The transaction is rolled back");
                }
                Err(error)
            }
        }
    }

    async fn converse(&self, session: &mut Session) -> Result<Value, TaskError> {
        if !self.args.autocommit {
            self.begin(session).await?;
        }
        let answered = self.execute(session).await?;
        let loaded = match &self.loading {
            None => None,
            Some(loading) => {
                if self.args.autocommit {
                    self.begin(session).await?;
                }
                Some(loading.run(session, &self.s3, &self.ctx).await?)
            }
        };
        if !self.args.autocommit || loaded.is_some() {
            self.commit(session).await?;
        }
        Ok(with_loaded(answered, loaded))
    }

    async fn execute(&self, session: &mut Session) -> Result<Value, TaskError> {
        let mut values = Vec::new();
        for statement in self.script.statements() {
            if !self.args.autocommit
                && statement.number > 1
                && let Some(word) = statement.ends_silently()
            {
                self.ctx.log.warning(format_args!(
                    "{}MySQL commits before `{word}`; what was done before it is not rolled back any more",
                    statement.name()
                ));
            }
            let is_wanted = statement.is_last() || !self.args.return_last;
            let value = self.one(session, &statement, is_wanted).await?;
            if is_wanted {
                values.push(value);
            }
        }
        Ok(if self.args.return_last { values.pop().unwrap_or_default() } else { Value::Array(values) })
    }

    async fn one(&self, session: &mut Session, statement: &Numbered<'_>, is_wanted: bool) -> Result<Value, TaskError> {
        let bound = statement.bound(self.args.parameters.as_ref())?;
        let wrong = |fault: Fault| statement.wrong(&bound, fault, &self.database);
        let mut answer = Answer::new(if is_wanted { self.args.max_rows } else { 0 });
        if let Some(target) = self.target.clone().filter(|_| statement.is_last()) {
            answer = answer.into_file(target);
        }
        let done = session.execute(&bound, &mut answer, &self.ctx.cancelled).await.map_err(wrong)?;
        if let Some(error) = answer.failure() {
            return Err(error);
        }
        if done.rows == 0 && statement.may_answer() {
            let columns = session.columns(&bound.text).await;
            let columns = columns.map_err(|error| wrong(Fault::Database { error, ahead: None }))?;
            answer.set_columns(&columns);
        }
        let changed = (statement.changes_rows() && !answer.has_columns()).then_some(done.changed);
        match (answer.has_columns(), changed) {
            (true, _) => self.ctx.log.info(format_args!("{}{} rows", statement.name(), done.rows)),
            (false, Some(changed)) => self.ctx.log.info(format_args!("{}{changed} rows changed", statement.name())),
            (false, None) => self.ctx.log.info(format_args!("{}done", statement.name())),
        }
        if let Some((kept, count)) = answer.cut().filter(|_| is_wanted) {
            self.ctx.log.warning(format_args!("The first {kept} of {count} rows are kept as XCom (`max_rows`)"));
        }
        let mut output = None;
        if self.target.is_some() && statement.is_last() {
            if !answer.has_columns() {
                return Err(TaskError::fail(anyhow!(
                    "{}it answers with no rows, and `output` asks for some",
                    statement.name()
                )));
            }
            // Before the transaction ends: rows that a statement takes out of a table must not be lost with their file.
            let published = tokio::select! {
                published = answer.publish(&self.s3) => published?,
                () = self.ctx.cancelled.cancelled() => return Err(TaskError::cancelled()),
            };
            output = published.map(|location| location.to_string());
        }
        let mut value = answer.value(self.args.result, changed);
        if let Some(output) = output {
            self.ctx.log.info(format_args!("Written to {output}"));
            if let Some(table) = value.as_object_mut() {
                table.insert("output".to_owned(), output.into());
            }
        }
        Ok(value)
    }

    async fn begin(&self, session: &mut Session) -> Result<(), TaskError> {
        session.begin(&self.ctx.cancelled).await.map_err(|fault| judged(&self.database, fault, "cannot begin"))
    }

    /// A transaction whose end got no answer may have lasted.
    async fn commit(&self, session: &mut Session) -> Result<(), TaskError> {
        if self.ctx.cancelled.is_cancelled() {
            return Err(TaskError::cancelled());
        }
        let committed = session.commit().await;
        if let Err(Fault::Database { error, .. }) = &committed
            && error.as_database_error().is_none()
        {
            self.ctx.log.warning(
                "The connection was lost while the transaction was committed; it may have lasted, and another try may do \
                 all of it twice",
            );
        }
        committed.map_err(|fault| judged(&self.database, fault, "cannot commit"))
    }
}

/// What went wrong with a statement of ours.
pub(super) fn judged(database: &Database, fault: Fault, deed: &str) -> TaskError {
    match fault {
        Fault::Cancelled => TaskError::cancelled(),
        Fault::Database { error, .. } => {
            database.judge(&error, format!("{}: {deed}: {}", database.shown(), said(&error).whole()))
        }
    }
}

fn with_loaded(answered: Value, loaded: Option<u64>) -> Value {
    match (answered, loaded) {
        (answered, None) => answered,
        (Value::Object(mut answered), Some(loaded)) => {
            answered.insert("rows_loaded".to_owned(), loaded.into());
            Value::Object(answered)
        }
        (_, Some(loaded)) => json!({ "rows_loaded": loaded }),
    }
}

/// A file for rows, if one is asked for.
pub(super) fn target(args: &SqlArgs, ctx: &TaskContext) -> Result<Option<Target>, TaskError> {
    let Some(output) = &args.output else { return Ok(None) };
    let (location, format) = output.resolve(&ctx.home)?;
    let format = format.of_file().with_context(|| {
        format!("`output`: the format of `{location}` is none of csv, json and parquet; write `{{path: …, format: …}}`")
    });
    Ok(Some(Target { location, format: format.map_err(TaskError::fail)?, try_id: ctx.try_id }))
}
