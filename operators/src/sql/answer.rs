//! What a statement answers with: its first rows for XCom, all of them for a file.

use scheduler::operator::TaskError;
use serde_json::{Value, json};
use uuid::Uuid;

use super::args::Shape;
use crate::database::{AnyRow, Gathering, RowSink};
use crate::location::{Location, S3};
use crate::query::answer;
use crate::query::output::{FileFormat, FileOutput};

/// A file for rows.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) location: Location,
    pub(super) format: FileFormat,
    pub(super) try_id: Uuid,
}

/// Takes the rows of a statement.
pub(crate) struct Answer {
    max_rows: usize,
    target: Option<Target>,
    gathering: Option<Gathering>,
    rows: Vec<Vec<Value>>,
    count: u64,
    file: Option<FileOutput>,
    failed: Option<anyhow::Error>,
}

impl Answer {
    /// For XCom, and perhaps for a file.
    pub(crate) fn new(max_rows: usize) -> Answer {
        Answer { max_rows, target: None, gathering: None, rows: Vec::new(), count: 0, file: None, failed: None }
    }

    pub(super) fn into_file(self, target: Target) -> Answer {
        Answer { target: Some(target), ..self }
    }

    /// The names of its columns, which were asked for because no row has told them.
    pub(super) fn set_columns(&mut self, columns: &[(String, String)]) {
        if self.gathering.is_none() && !columns.is_empty() {
            self.gathering = Some(Gathering::new(columns));
        }
    }

    /// Whether there are columns.
    pub(super) fn has_columns(&self) -> bool {
        self.gathering.is_some()
    }

    /// Why rows could not be kept.
    pub(crate) fn failure(&mut self) -> Option<TaskError> {
        self.failed.take().map(TaskError::retry)
    }

    /// The first row, with the names of its columns; none without a row.
    pub(crate) fn into_first_row(self) -> Option<Vec<(String, Value)>> {
        let (gathering, row) = (self.gathering?, self.rows.into_iter().next()?);
        let names = gathering.schema().fields().iter().map(|field| field.name().clone());
        Some(names.zip(row).collect())
    }

    /// Whether rows are missing in XCom, and how many there are.
    pub(super) fn cut(&self) -> Option<(usize, u64)> {
        let is_cut = self.has_columns() && self.count > self.rows.len() as u64;
        is_cut.then_some((self.rows.len(), self.count))
    }

    /// Completes the file and puts it in its place. A file without rows has at least its columns.
    pub(super) async fn publish(&mut self, s3: &S3) -> anyhow::Result<Option<Location>> {
        if let (Some(target), Some(gathering), None) = (&self.target, &self.gathering, &self.file) {
            self.file = Some(target.begin(gathering)?);
        }
        let (Some(file), Some(target)) = (self.file.take(), &self.target) else { return Ok(None) };
        file.publish(s3).await?;
        Ok(Some(target.location.clone()))
    }

    /// What goes into XCom.
    pub(super) fn value(self, shape: Shape, changed: Option<u64>) -> Value {
        let Some(gathering) = self.gathering else {
            return match (shape, changed) {
                (Shape::Table, Some(changed)) => json!({ "rows_changed": changed }),
                _ => Value::Null,
            };
        };
        let columns: Vec<&str> = gathering.schema().fields().iter().map(|field| field.name().as_str()).collect();
        let mut rows = self.rows.into_iter().map(Value::Array);
        match shape {
            Shape::Table => json!({ "columns": columns, "rows": rows.collect::<Value>(), "row_count": self.count }),
            Shape::Rows => rows.collect(),
            Shape::Row => rows.next().unwrap_or_default(),
            Shape::Value => rows.next().and_then(|row| row.get(0).cloned()).unwrap_or_default(),
        }
    }

    fn keep(&mut self) -> anyhow::Result<()> {
        let Some(gathering) = &mut self.gathering else { return Ok(()) };
        let batch = gathering.take()?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.count += batch.num_rows() as u64;
        let missing = self.max_rows.saturating_sub(self.rows.len());
        self.rows.extend(answer::rows(&batch, missing)?);
        if let Some(target) = &self.target {
            let file = match self.file.take() {
                Some(file) => file,
                None => target.begin(gathering)?,
            };
            self.file.insert(file).write(&batch)?;
        }
        Ok(())
    }
}

impl Target {
    fn begin(&self, gathering: &Gathering) -> anyhow::Result<FileOutput> {
        FileOutput::begin(&self.location, self.format, gathering.schema(), self.try_id)
    }
}

impl RowSink for Answer {
    fn push(&mut self, row: AnyRow<'_>) -> Result<bool, sqlx::Error> {
        let gathering = match &mut self.gathering {
            Some(gathering) => gathering,
            None => self.gathering.insert(Gathering::like(row)?),
        };
        gathering.push(row)
    }

    async fn pass_on(&mut self) -> bool {
        match self.keep() {
            Ok(()) => true,
            Err(error) => {
                self.failed = Some(error);
                false
            }
        }
    }

    /// Of several answers to one text the last one counts, as in Airflow.
    fn start_over(&mut self) {
        (self.gathering, self.file, self.count) = (None, None, 0);
        self.rows.clear();
    }
}
