//! A mistake in a DAG file, with its place in the text.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, Severity};

use super::source::{Place, SourceFile};

/// More than a screenful of message helps nobody; what is quoted in it may be as long as the file.
const MESSAGE_CHARACTERS_MAX: usize = 1_000;

/// A stretch of the text, and what there is to say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// What is there, in a few words; may be empty.
    pub text: String,
}

/// A mistake in a DAG file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kind of mistake, for search engines and tests (`unknown_key`).
    pub code: Code,
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
    /// Where; the first is the place to mend, the others explain.
    pub labels: Vec<Label>,
    /// What to write instead.
    pub help: Option<String>,
    /// The DAG that it belongs to; none when it takes the whole file.
    pub dag_id: Option<String>,
    /// The line of the first label, from 1.
    pub line: usize,
    /// The column of the first label in characters, from 1.
    pub column: usize,
}

/// The kinds of mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// The text is not YAML.
    Syntax,
    /// The text is longer or deeper than a DAG file has reason to be.
    TooLarge,
    /// A key is there twice.
    DuplicateKey,
    /// There is no such key.
    UnknownKey,
    /// Airflow or dag-factory has the key, Updraft does not.
    Unsupported,
    /// A key that must be there is not.
    MissingKey,
    /// The value is of another type.
    WrongType,
    /// The value is of the right type, and still not one of those that are possible.
    InvalidValue,
    /// An id has characters that ids do not have.
    InvalidId,
    /// The schedule cannot be read, or never comes.
    InvalidSchedule,
    /// There is no such operator.
    UnknownOperator,
    /// Two tasks have one id.
    DuplicateTask,
    /// A dependency names no task.
    UnknownDependency,
    /// Tasks wait for each other.
    Cycle,
    /// The operator needs an argument that is not there.
    MissingArgument,
    /// The operator has no such argument.
    UnknownArgument,
    /// The operator cannot use the value of an argument.
    InvalidArgument,
    /// A template cannot be read.
    Template,
    /// A param's schema or default is wrong.
    InvalidParam,
    /// The file holds no DAG.
    NoDag,
}

impl Code {
    /// The word for it, as in `updraft::unknown_key`.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Syntax => "syntax",
            Code::TooLarge => "too_large",
            Code::DuplicateKey => "duplicate_key",
            Code::UnknownKey => "unknown_key",
            Code::Unsupported => "unsupported",
            Code::MissingKey => "missing_key",
            Code::WrongType => "wrong_type",
            Code::InvalidValue => "invalid_value",
            Code::InvalidId => "invalid_id",
            Code::InvalidSchedule => "invalid_schedule",
            Code::UnknownOperator => "unknown_operator",
            Code::DuplicateTask => "duplicate_task",
            Code::UnknownDependency => "unknown_dependency",
            Code::Cycle => "cycle",
            Code::MissingArgument => "missing_argument",
            Code::UnknownArgument => "unknown_argument",
            Code::InvalidArgument => "invalid_argument",
            Code::Template => "template",
            Code::InvalidParam => "invalid_param",
            Code::NoDag => "no_dag",
        }
    }
}

impl Problem {
    /// A mistake at `place`; line and column are filled in by [`Problem::located`].
    pub(super) fn new(code: Code, message: impl Into<String>, place: Place, label: impl Into<String>) -> Problem {
        Problem {
            code,
            message: shortened(message.into()),
            labels: vec![Label { place, text: label.into() }],
            help: None,
            dag_id: None,
            line: 1,
            column: 1,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    pub(super) fn maybe_help(mut self, help: Option<String>) -> Problem {
        self.help = help.or(self.help);
        self
    }

    pub(super) fn also(mut self, place: Place, text: impl Into<String>) -> Problem {
        self.labels.push(Label { place, text: text.into() });
        self
    }

    /// The place to mend.
    pub(super) fn place(&self) -> Option<Place> {
        self.labels.first().map(|label| label.place)
    }

    /// Fills in line and column, counted in the file that it is in, and keeps every label within one line of the text.
    pub(super) fn located(mut self, source: &SourceFile) -> Problem {
        for label in &mut self.labels {
            label.place = label.place.first_line(&source.text);
        }
        if let Some(first) = self.labels.first() {
            let section = source.section_at(first.place.start);
            (self.line, self.column) =
                first.place.counted_from(section.range.start).line_and_column(&source.text[section.range]);
        }
        self
    }

    /// The same, its places counted from the beginning of the file that it is in; labels in other files are left out.
    pub(super) fn within(&self, range: &std::ops::Range<usize>) -> Problem {
        let is_inside = |label: &&Label| range.start <= label.place.start && label.place.end <= range.end;
        let labels = self.labels.iter().filter(is_inside);
        let moved = |label: &Label| Label { place: label.place.counted_from(range.start), text: label.text.clone() };
        Problem { labels: labels.map(moved).collect(), ..self.clone() }
    }
}

fn shortened(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MESSAGE_CHARACTERS_MAX) {
        message.truncate(end);
        message.push('…');
    }
    message
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!("updraft::{}", self.code.as_str())))
    }

    fn severity(&self) -> Option<Severity> {
        Some(Severity::Error)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = self.labels.iter().enumerate().map(|(position, label)| {
            let text = (!label.text.is_empty()).then(|| label.text.clone());
            let span = (label.place.start, label.place.end - label.place.start);
            if position == 0 {
                LabeledSpan::new_primary_with_span(text, span)
            } else {
                LabeledSpan::new_with_span(text, span)
            }
        });
        Some(Box::new(labels))
    }
}
