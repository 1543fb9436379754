//! What an emulation says of itself: the XCom `return_value`, and words on lines that are not JSON.

use serde_json::{Map, Value, json};

use super::feed::Fed;
use super::ledger::Start;
use super::sink::Tally;
use super::source::Inspection;
use super::table::{PerTable, Table};

/// All that there is to say.
pub(super) struct Report {
    pub(super) found: PerTable<Inspection>,
    pub(super) fed: Fed,
    pub(super) tallies: PerTable<Tally>,
    pub(super) start: Start,
    /// What the sink calls its parcels.
    pub(super) parcels: &'static str,
    pub(super) location: String,
}

impl Report {
    /// The XCom `return_value`.
    pub(super) fn into_value(self) -> Value {
        let mut report = Map::new();
        for table in Table::ALL {
            report.insert(table.name().to_owned(), self.entry(table));
        }
        report.insert("location".to_owned(), Value::String(self.location));
        Value::Object(report)
    }

    fn entry(&self, table: Table) -> Value {
        let (found, tally) = (&self.found[table], &self.tallies[table]);
        let mut entry = json!({ "rows": self.start.from[table] + tally.rows });
        entry[self.parcels] = json!(tally.parcels);
        entry["broken"] = json!(found.broken);
        if !found.broken_lines.is_empty() {
            entry["broken_lines"] = json!(found.broken_lines);
        }
        let again = if self.start.is_again { tally.rows } else { 0 };
        let optional = [
            ("left_out", self.fed.left_out[table]),
            ("sent_again", tally.sent_again),
            ("by_earlier_tries", self.start.from[table]),
            ("maybe_twice", (self.start.unsure[table] + tally.unsure).max(again)),
        ];
        for (name, number) in optional {
            if number > 0 {
                entry[name] = json!(number);
            }
        }
        entry
    }
}

/// The share of lines that are not JSON.
#[expect(clippy::cast_precision_loss, reason = "no file has 2^52 lines")]
pub(super) fn share(found: &Inspection) -> f64 {
    found.broken as f64 / found.rows.max(1) as f64
}

/// Which lines of a table are not JSON.
pub(super) fn broken_in_words(table: Table, found: &Inspection) -> String {
    let mut lines: Vec<String> = found.broken_lines.iter().map(u64::to_string).collect();
    if found.broken > found.broken_lines.len() as u64 {
        lines.push("…".to_owned());
    }
    let percent = share(found) * 100.0;
    let (broken, rows) = (found.broken, found.rows);
    format!("{broken} of {rows} lines of {table}.jsonl ({percent:.1} %) are not JSON: lines {}", lines.join(", "))
}
