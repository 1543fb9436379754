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

/// Asks a question that is answered by yes or no, and takes anything else for a no. None when nobody is at the terminal.
pub fn confirm(question: &str) -> Option<bool> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return None;
    }
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush()).ok()?;
    let mut answer = String::new();
    stdin.read_line(&mut answer).ok()?;
    Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Writes a line of progress. A terminal that is gone is no reason to stop.
pub fn line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
