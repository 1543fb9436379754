//! Data for people and for programs: the only place that prints to standard output.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::cli::OutputFormat;

/// Prints data in the form that was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: OutputFormat,
}

impl Output {
    /// Output in that format.
    pub fn new(format: OutputFormat) -> Output {
        Output { format }
    }

    /// Prints `data` as JSON, or else what `text` makes of it.
    pub fn print<T: Serialize>(self, data: &T, text: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        let printed = match self.format {
            OutputFormat::Json => serde_json::to_string_pretty(data)?,
            OutputFormat::Text => text(data),
        };
        line(&printed)
    }
}

/// Prints a line. A reader that has gone away (`| head`) is no failure.
pub fn line(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout().lock(), "{}", text.trim_end()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints text as it is. A reader that has gone away is no failure.
pub fn raw(text: &str) -> anyhow::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whether standard output may be coloured.
pub fn is_colourful() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Lays out rows under headings, each column as wide as its widest cell.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    // A description of several lines takes one here.
    let in_one_line = |row: &Vec<String>| row.iter().map(|cell| cell.replace('\n', " ")).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(in_one_line).collect();
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let lay = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![lay(headings.to_vec())];
    lines.extend(rows.iter().map(|row| lay(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}
