//! Problems as people read them: file, line, column, the line itself, and what to write instead.

use std::fmt;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode};

use super::problem::Problem;
use super::source::{Section, SourceFile};

/// Columns that a report may take; longer messages are wrapped.
const WIDTH: usize = 110;

/// Longer lines are not shown: a file that is one line of JSON would be printed whole for each of its mistakes.
const LINE_BYTES_MAX: usize = 1_000;

/// All problems of a file as text, each with the lines that it is about.
pub fn render(source: &SourceFile, problems: &[Problem], colour: bool) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_links(false);
    let mut out = String::new();
    let mut named: Option<(Section, NamedSource<String>)> = None;
    for (position, problem) in problems.iter().enumerate() {
        if position > 0 {
            out.push('\n');
        }
        if problem.labels.iter().any(|label| line_length(&source.text, label.place.start) > LINE_BYTES_MAX) {
            out.push_str(&plain(source, problem));
            continue;
        }
        let section = source.section_at(problem.place().map_or(0, |place| place.start));
        let (_, file) = match named.take().filter(|(known, _)| *known == section) {
            Some(same) => named.insert(same),
            None => {
                let text = source.text[section.range.clone()].to_owned();
                let file = NamedSource::new(&section.name, text).with_language("yaml");
                named.insert((section.clone(), file))
            }
        };
        let within = Within { problem: &problem.within(&section.range), source: file };
        // Writing into a string cannot fail; should miette fail to read the source, the plain line still tells all.
        if handler.render_report(&mut out, &within).is_err() {
            out.push_str(&plain(source, problem));
        }
    }
    out
}

fn line_length(text: &str, at: usize) -> usize {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    before.len() - start + after.find('\n').unwrap_or(after.len())
}

fn plain(source: &SourceFile, problem: &Problem) -> String {
    let Problem { message, line, column, help, .. } = problem;
    let help = help.as_ref().map(|help| format!("  help: {help}\n")).unwrap_or_default();
    format!("{}:{line}:{column}: {message}\n{help}", source.file_of(problem))
}

/// A problem together with the text that it is about.
#[derive(Debug)]
struct Within<'a> {
    problem: &'a Problem,
    source: &'a NamedSource<String>,
}

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for Within<'_> {}

impl Diagnostic for Within<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.code()
    }

    fn severity(&self) -> Option<Severity> {
        self.problem.severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Diagnostic::help(self.problem)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.problem.labels()
    }
}
