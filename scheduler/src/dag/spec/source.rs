//! The text of a DAG file, with the files of defaults that lie under it, and places in it.
//!
//! A DAG means what its file and the defaults under it say together, so they are one text, in sections: the file itself,
//! then each file of defaults behind a line that names it, the nearest first. That text is what the database keeps of a
//! version, and a place in it says which file it is in.

use std::ops::Range;

use super::problem::Problem;

/// Begins the line before the text of a file of defaults. It begins a new YAML document, so no DAG file that loads has it.
const DEFAULTS_LINE: &str = "--- # defaults from ";

/// A DAG file, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// How people know it: its path below the DAGs folder. Its stem is the id of a DAG that names none.
    pub name: String,
    /// What it holds, and the defaults under it.
    pub text: String,
    /// Where in the text the defaults are.
    defaults: Vec<Section>,
}

/// A file within the text of a DAG file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// How people know the file.
    pub name: String,
    /// Where in the text it is.
    pub range: Range<usize>,
}

impl SourceFile {
    /// A file with that name and text, and no defaults.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> SourceFile {
        SourceFile { name: name.into(), text: text.into(), defaults: Vec::new() }
    }

    /// A file with files of defaults under it, the nearest first: their names and texts.
    pub fn with_defaults<'a>(
        name: impl Into<String>,
        text: impl Into<String>,
        defaults: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> SourceFile {
        let mut file = SourceFile::new(name, text);
        for (name, text) in defaults {
            if !file.text.ends_with('\n') {
                file.text.push('\n');
            }
            file.text.extend([DEFAULTS_LINE, name, "\n"]);
            let start = file.text.len();
            file.text += text;
            file.defaults.push(Section { name: name.to_owned(), range: start..file.text.len() });
        }
        file
    }

    /// A file as its text was stored, with its defaults in it.
    pub fn stored(name: impl Into<String>, text: impl Into<String>) -> SourceFile {
        let text: String = text.into();
        let mut defaults: Vec<Section> = Vec::new();
        let marks = text.match_indices(DEFAULTS_LINE).map(|(at, _)| at);
        for mark in marks.filter(|mark| *mark > 0 && text[..*mark].ends_with('\n')) {
            if let Some(before) = defaults.last_mut() {
                before.range.end = mark;
            }
            let name = text[mark + DEFAULTS_LINE.len()..].lines().next().unwrap_or_default();
            let start = (mark + DEFAULTS_LINE.len() + name.len() + 1).min(text.len());
            defaults.push(Section { name: name.to_owned(), range: start..text.len() });
        }
        SourceFile { name: name.into(), text, defaults }
    }

    /// The defaults, the nearest first.
    pub(super) fn defaults(&self) -> &[Section] {
        &self.defaults
    }

    /// Where the file itself is in the text.
    pub(super) fn own(&self) -> Range<usize> {
        let end = self.defaults.first().map(|first| first.range.start - DEFAULTS_LINE.len() - first.name.len() - 1);
        0..end.unwrap_or(self.text.len())
    }

    /// The file that a mistake in the text is in: this one, or one of the defaults under it.
    pub fn file_of(&self, problem: &Problem) -> String {
        self.section_at(problem.place().map_or(0, |place| place.start)).name
    }

    /// The file that a byte of the text is in.
    pub(super) fn section_at(&self, at: usize) -> Section {
        let defaults = self.defaults.iter().find(|section| section.range.start <= at && at <= section.range.end);
        defaults.cloned().unwrap_or_else(|| Section { name: self.name.clone(), range: self.own() })
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

    /// The same place, counted from `start` on.
    pub(super) fn counted_from(self, start: usize) -> Place {
        Place { start: self.start.saturating_sub(start), end: self.end.saturating_sub(start) }
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
