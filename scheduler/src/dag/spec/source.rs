//! The text of a DAG file, and places in it.

/// A DAG file, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// How people know it: its path below the DAGs folder. Its stem is the id of a DAG that names none.
    pub name: String,
    /// What it holds.
    pub text: String,
}

impl SourceFile {
    /// A file with that name and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> SourceFile {
        SourceFile { name: name.into(), text: text.into() }
    }

    /// The name without folders and without its last extension.
    pub fn stem(&self) -> &str {
        let file = self.name.rsplit(['/', '\\']).next().unwrap_or(&self.name);
        match file.rsplit_once('.') {
            Some((stem, _)) if !stem.is_empty() => stem,
            _ => file,
        }
    }
}

/// A stretch of the text, in bytes from its beginning; `end` is not part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Place {
    /// The same place, moved into `text` and onto the borders of characters, so that slicing cannot go wrong.
    pub(super) fn within(self, text: &str) -> Place {
        let start = floor(text, self.start);
        Place { start, end: floor(text, self.end).max(start) }
    }

    /// Whether all of `inner` lies in this place.
    pub(super) fn contains(self, inner: Place) -> bool {
        self.start <= inner.start && inner.end <= self.end
    }

    /// Only the first line of the place, so that a label under a whole task does not fill the screen.
    pub(super) fn first_line(self, text: &str) -> Place {
        let place = self.within(text);
        let length = text[place.start..place.end].find(['\n', '\r']).unwrap_or(place.end - place.start);
        Place { start: place.start, end: place.start + length }
    }

    /// Line and column of the start, both from 1, the column in characters.
    pub(super) fn line_and_column(self, text: &str) -> (usize, usize) {
        let before = &text[..floor(text, self.start)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

fn floor(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}
