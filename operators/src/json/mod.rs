//! JSON documents, one a line, as rows, with the tolerance and the type inference of Spark's reader.
//!
//! ```text
//!   files ──> chunks ──scan──> documents ──infer───────────────────> schema
//!               │                    └──build(columns so far)──> record batches ──┐
//!               └───────scan──> documents ──build(schema)──> record batches ─────┴──> rows
//! ```
//!
//! Two passes, because the type of a column depends on all its values. The first one makes rows as well, with the columns
//! that were met so far: they are nearly always all, and then there is no second. Rows are kept up to a limit, above which
//! chunks are read twice: memory stays bounded however large the input is.
//!
//! Who can begin anew may have the first pass end early ([`Look::Ahead`]): it looks at some chunks from all over the input, and
//! whether the others are like them is found out while they are read for their rows.
//!
//! What a person may rely on (each point measured against Spark 4, ANSI off):
//!
//! * A malformed document is a row of NULLs, with its text in `_corrupt_record`; it never ends the reading.
//! * A line that holds an array of objects is as many rows; a blank line is none.
//! * A column of mixed types is text, each value as it stood in the document.
//! * Columns come in alphabetical order.

mod anew;
mod build;
mod chunk;
mod names;
mod pass;
mod rows;
mod scan;
mod table;
mod types;

pub(crate) use build::StructFields;
pub use pass::ReadReport;
pub use scan::{Document, Malformed, is_well_formed, scan_document};
pub use table::{JsonTable, Look};

/// The column that holds the text of malformed documents; it exists only when there are some.
pub const CORRUPT_RECORD: &str = "_corrupt_record";
