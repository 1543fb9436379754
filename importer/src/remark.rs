//! What a person is told of an import.

use std::fmt;
use std::ops::Range;

use miette::{Diagnostic, LabeledSpan, Severity};

/// How much a remark matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Something is not in the YAML, and a person has to write it.
    Lost,
    /// It is converted; a person should look whether it still means what was meant.
    Noted,
}

/// Something to tell of a Python file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// How much it matters.
    pub weight: Weight,
    /// What there is to say, in lower case and without a full stop.
    pub message: String,
    /// Where in the Python file, in bytes.
    pub place: Range<usize>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Remark {
    /// Something that is not in the YAML.
    pub fn lost(message: impl Into<String>, place: Range<usize>) -> Remark {
        Remark { weight: Weight::Lost, message: message.into(), place, help: None }
    }

    /// Something to look at.
    pub fn noted(message: impl Into<String>, place: Range<usize>) -> Remark {
        Remark { weight: Weight::Noted, message: message.into(), place, help: None }
    }

    /// Adds what to do about it.
    pub fn help(mut self, help: impl Into<String>) -> Remark {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Remark {}

impl Diagnostic for Remark {
    fn severity(&self) -> Option<Severity> {
        Some(match self.weight {
            Weight::Lost => Severity::Error,
            Weight::Noted => Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display + 'a>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let text = match self.weight {
            Weight::Lost => "not converted",
            Weight::Noted => "look here",
        };
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(Some(text.to_owned()), self.place.clone()))))
    }
}
