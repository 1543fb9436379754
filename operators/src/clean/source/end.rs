//! The end of the input: what can be told of it only after all of it was read, before anything of it is committed.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::SessionContext;
use scheduler::log::TaskLog;
use scheduler::operator::TaskError;

use super::Source;
use crate::broken::check_share;
use crate::json::ReadReport;
use crate::passage::{self, Passage};

/// Tells what was found in the input, and fails where too much of it is malformed.
pub struct End {
    source: Source,
    log: TaskLog,
    max_broken_share: f64,
    /// Why the rows ended with an error.
    failure: Mutex<Option<TaskError>>,
}

impl End {
    /// The end of `source`, of which at most this share may be malformed.
    pub fn new(source: Source, max_broken_share: f64, log: &TaskLog) -> Arc<End> {
        let log = log.clone();
        Arc::new(End { source, log, max_broken_share, failure: Mutex::default() })
    }

    /// The rows.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Tells what was found.
    pub fn tell(&self, report: &ReadReport) -> std::result::Result<(), TaskError> {
        for column in &report.mixed {
            self.log.warning(format_args!("the column `{column}` has values of several types, and is read as text"));
        }
        for (at, place) in report.broken_places.iter().enumerate() {
            match report.broken_places.iter().filter(|other| *other == place).count() {
                1 => self.log.warning(format_args!("a malformed document in {place} becomes a row of NULLs")),
                _ if report.broken_places[..at].contains(place) => {}
                _ => self.log.warning(format_args!("malformed documents in {place} become rows of NULLs")),
            }
        }
        check_share(report.broken, report.rows, self.max_broken_share)
    }

    /// The rows of `frame`, which are made of the input, and behind the last one an error if the input is not what it was
    /// taken for, or too much of it malformed; [`End::explain`] says why.
    pub async fn behind(self: &Arc<Self>, frame: DataFrame, session: &SessionContext) -> Result<DataFrame> {
        let plan = frame.create_physical_plan().await?;
        session.read_table(Arc::new(passage::table(self, &plan, &plan.schema())?))
    }

    /// The error in words, if it is ours.
    pub fn explain(&self, error: TaskError) -> TaskError {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(error)
    }
}

impl Passage for End {
    async fn end(self: Arc<Self>) -> Result<()> {
        self.source.conclude().await.map_err(|error| DataFusionError::External(error.into()))?;
        self.tell(&self.source.report()).map_err(|error| {
            let message = error.to_string();
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            DataFusionError::Execution(message)
        })
    }
}
