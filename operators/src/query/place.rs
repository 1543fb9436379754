//! Mistakes in SQL, and where in its text they are.

use std::fmt;
use std::ops::Range;

use datafusion::sql::sqlparser::tokenizer::{Location, Span};

/// A mistake in SQL, for whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
    /// Where, if that is known.
    pub place: Option<Place>,
}

/// A stretch of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1.
    pub line: u64,
    /// In letters, counted from 1.
    pub column: u64,
    /// In letters; at least 1.
    pub width: u64,
}

impl Place {
    /// The stretch that a span covers in its first line; none for what the parser made up.
    pub fn of(span: Span) -> Option<Place> {
        let Location { line, column } = span.start;
        let width = if span.end.line == line { span.end.column.saturating_sub(column) } else { 1 };
        (line > 0).then_some(Place { line, column, width: width.max(1) })
    }

    /// The stretch that a range of bytes covers.
    pub fn of_bytes(range: Range<usize>, text: &str) -> Place {
        let before = &text[..range.start.min(text.len())];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let count = |text: &str| text.chars().count() as u64;
        let covered = text.get(range).unwrap_or_default();
        Place {
            line: before.matches('\n').count() as u64 + 1,
            column: count(&before[line_start..]) + 1,
            width: count(covered).max(1),
        }
    }

    /// The text there.
    pub fn text_of(self, sql: &str) -> Option<String> {
        let line = sql.lines().nth(usize::try_from(self.line - 1).ok()?)?;
        let skipped = usize::try_from(self.column - 1).ok()?;
        Some(line.chars().skip(skipped).take(usize::try_from(self.width).ok()?).collect())
    }
}

impl Mistake {
    /// A mistake at a place.
    pub fn at(place: Option<Place>, message: impl Into<String>) -> Mistake {
        Mistake { message: message.into(), place }
    }

    /// With the line of `sql` that it is in, and a mark below.
    pub fn shown(&self, sql: &str) -> String {
        let Some(place) = self.place else { return self.message.clone() };
        let index = usize::try_from(place.line - 1).unwrap_or(usize::MAX);
        let Some(line) = sql.lines().nth(index) else { return self.to_string() };
        let (number, gap) = (place.line.to_string(), " ".repeat(place.line.to_string().len()));
        let indent: String = line
            .chars()
            .take(usize::try_from(place.column - 1).unwrap_or(0))
            .map(|sign| if sign == '\t' { '\t' } else { ' ' })
            .collect();
        let mark = "^".repeat(usize::try_from(place.width).unwrap_or(1));
        format!(
            "{}\n{gap}--> line {number}, column {} of the SQL\n{number} | {line}\n{gap} | {indent}{mark}",
            self.message, place.column
        )
    }
}

/// In one line.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.place {
            Some(place) => write!(f, " (line {}, column {} of the SQL)", place.line, place.column),
            None => Ok(()),
        }
    }
}
