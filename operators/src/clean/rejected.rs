//! The table of rows that expectations dropped, beside the output.
//!
//! It is committed before the output is: a row is never missing from both. What an earlier try of the same run put there
//! is replaced, so that a try which is made again doubles nothing. Where the output is overwritten, so is what earlier
//! runs of the task rejected: the two tables tell of the same rows.

use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::{SessionContext, ident};
use scheduler::operator::TaskKey;

use crate::delta::{self, Save, Write};
use crate::location::{Location, S3};
use crate::spool::Spool;

/// The columns that say whose row it was.
const DAG_ID: &str = "_dag_id";
const RUN_ID: &str = "_run_id";
const TASK_ID: &str = "_task_id";
const REJECTED_AT: &str = "_rejected_at";

/// Where rejected rows go, and whose they are.
pub struct Rejected {
    pub location: Location,
    /// Whether the output loses its earlier rows as well.
    pub replaces_all: bool,
    pub key: TaskKey,
    pub now: DateTime<Utc>,
    pub session: SessionContext,
    pub s3: S3,
}

impl Rejected {
    /// Commits the rows of this run; none if nothing was rejected.
    pub async fn commit(self, rows: Option<Spool>) -> anyhow::Result<()> {
        let writing = || format!("the rejected rows cannot be kept in `{}`", self.location);
        let Some(rows) = rows else {
            return delta::delete(&self.location, self.mine(), &self.session, &self.s3).await.with_context(writing);
        };
        let table = self.session.read_table(Arc::new(rows.table()?))?;
        let mut columns: Vec<Expr> = table.schema().fields().iter().map(|field| ident(field.name())).collect();
        let at = ScalarValue::TimestampMicrosecond(Some(self.now.timestamp_micros()), Some("UTC".into()));
        columns.extend([
            lit(self.key.dag_id.as_str()).alias(DAG_ID),
            lit(self.key.run_id.as_str()).alias(RUN_ID),
            lit(task(&self.key)).alias(TASK_ID),
            lit(at).alias(REJECTED_AT),
        ]);
        let plan = table.select(columns)?.into_unoptimized_plan();
        let how = Write { save: Save::OverwriteWhere(self.mine()), ..Write::default() };
        let table = delta::open(&self.location, &self.s3).await?;
        delta::write(table, &self.location, plan, how, &self.session, &self.s3).await.with_context(writing)?;
        Ok(())
    }

    /// The rows that this run replaces.
    fn mine(&self) -> Expr {
        let of_task = ident(DAG_ID).eq(lit(self.key.dag_id.as_str())).and(ident(TASK_ID).eq(lit(task(&self.key))));
        if self.replaces_all { of_task } else { of_task.and(ident(RUN_ID).eq(lit(self.key.run_id.as_str()))) }
    }
}

/// The task, as the table has it; of a mapped one, which.
pub fn task(key: &TaskKey) -> String {
    match key.map_index {
        ..0 => key.task_id.clone(),
        index => format!("{}[{index}]", key.task_id),
    }
}
