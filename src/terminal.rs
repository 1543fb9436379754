//! Progress on the terminal, for people who wait.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};

/// Writes progress to standard error, where it does not mix with data.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    is_colourful: bool,
}

impl Progress {
    /// Progress on standard error; coloured on a terminal, unless `NO_COLOR` is set.
    pub fn new() -> Progress {
        Progress { is_colourful: io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    /// A state's word in its colour.
    pub fn state(self, word: &str) -> String {
        let colour = match word {
            "success" => AnsiColor::Green,
            "failed" | "upstream_failed" => AnsiColor::Red,
            "running" => AnsiColor::Cyan,
            "up_for_retry" => AnsiColor::Yellow,
            _ => AnsiColor::BrightBlack,
        };
        if !self.is_colourful {
            return word.to_owned();
        }
        let style = Style::new().fg_color(Some(colour.into()));
        format!("{style}{word}{style:#}")
    }
}

/// Writes a line of progress. A terminal that is gone is no reason to stop.
pub fn line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
