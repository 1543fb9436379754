//! Rows set aside on disk, to be read again within the same try; the file goes away with the value, or after its process.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::FileReader;
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;

use crate::scratch::Scratch;

/// The name of the file in its folder.
const FILE: &str = "rows.arrow";

/// Rows that are being set aside.
pub struct SpoolWriter {
    folder: Scratch,
    writer: FileWriter<BufWriter<File>>,
    rows: usize,
}

/// Rows that were set aside.
pub struct Spool {
    schema: SchemaRef,
    folder: Arc<Scratch>,
    rows: usize,
}

impl SpoolWriter {
    /// Begins a file in the folder for temporary files.
    pub fn begin(schema: &SchemaRef) -> Result<SpoolWriter> {
        let folder = Scratch::begin()?;
        let file = File::create(folder.path().join(FILE))?;
        Ok(SpoolWriter { folder, writer: FileWriter::try_new(BufWriter::new(file), schema)?, rows: 0 })
    }

    /// Appends rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        Ok(self.writer.write(batch)?)
    }

    /// Completes the file.
    pub fn finish(mut self) -> Result<Spool> {
        self.writer.finish()?;
        let schema = Arc::clone(self.writer.schema());
        Ok(Spool { schema, folder: Arc::new(self.folder), rows: self.rows })
    }
}

impl Spool {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The rows as a table, in the order in which they were set aside. The file lives as long as the table.
    pub fn table(&self) -> Result<StreamingTable> {
        let partition = SpoolPartition { schema: Arc::clone(&self.schema), folder: Arc::clone(&self.folder) };
        StreamingTable::try_new(Arc::clone(&self.schema), vec![Arc::new(partition)])
    }
}

struct SpoolPartition {
    schema: SchemaRef,
    folder: Arc<Scratch>,
}

impl fmt::Debug for SpoolPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpoolPartition")
    }
}

impl PartitionStream for SpoolPartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let open = || -> Result<FileReader<BufReader<File>>> {
            Ok(FileReader::try_new_buffered(File::open(self.folder.path().join(FILE))?, None)?)
        };
        // On this system an open file can be read after its name is gone, so the stream need not keep the folder.
        let batches = match open() {
            Ok(reader) => futures::future::Either::Left(futures::stream::iter(
                reader.map(|batch| batch.map_err(DataFusionError::from)),
            )),
            Err(error) => futures::future::Either::Right(futures::stream::iter([Err(error)])),
        };
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}
