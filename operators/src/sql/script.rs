//! The statements of a task, and how mistakes in them are shown where they are.

use std::ops::Range;

use anyhow::anyhow;
use scheduler::dag::template::holds_template;
use scheduler::operator::{TaskContext, TaskError};

use super::args::{ends, ends_transaction, is_file};
use crate::beside;
use crate::database::{Database, Fault, said};
use crate::query::place::{Mistake, Place};
use crate::statements::{Bound, Dialect, Misplaced, Statement, Values, first_words, has_word, split};

/// First words of statements that answer with rows.
const QUERY_WORDS: [&str; 9] = ["SELECT", "WITH", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "PRAGMA"];

/// First words of statements that change rows.
const CHANGE_WORDS: [&str; 7] = ["INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "WITH", "COPY"];

/// First words of statements with which MySQL ends a transaction.
const DEFINITION_WORDS: [&str; 5] = ["CREATE", "ALTER", "DROP", "TRUNCATE", "RENAME"];

/// The statements of a task.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    texts: Vec<Text>,
    dialect: Dialect,
}

#[derive(Clone, Debug)]
struct Text {
    /// The file that it is from.
    file: Option<String>,
    text: String,
    statements: Vec<Statement>,
}

/// A statement, with its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbered<'a> {
    from: &'a Text,
    statement: &'a Statement,
    /// From 1.
    pub(crate) number: usize,
    /// So many there are.
    pub(crate) count: usize,
    dialect: Dialect,
}

impl Script {
    /// Takes the texts of an argument, and those of files beside the DAG file, apart.
    pub(crate) async fn read(
        key: &str,
        written: &[String],
        dialect: Dialect,
        is_split: bool,
        ctx: &TaskContext,
    ) -> Result<Script, TaskError> {
        let mut texts = Vec::with_capacity(written.len());
        for (at, written) in written.iter().enumerate() {
            let (file, text) = match ctx.file_of(key, at) {
                Some(name) => (Some(name.to_owned()), written.clone()),
                None if is_file(written) => {
                    let name = written.trim().to_owned();
                    let text = file_text(&name, ctx).await?;
                    (Some(name), text)
                }
                None => (None, written.clone()),
            };
            let mut statements = split(&text, dialect);
            if !is_split && let [first, ..] = statements.as_slice() {
                statements = vec![Statement { text: text[first.start..].trim_end().to_owned(), start: first.start }];
            }
            if statements.is_empty() {
                let place = file.map_or_else(|| "`sql`".to_owned(), |name| format!("`{name}`"));
                return Err(TaskError::fail(anyhow!("there is no statement in {place}")));
            }
            texts.push(Text { file, text, statements });
        }
        Ok(Script { texts, dialect })
    }

    /// The statements, in their order.
    pub(crate) fn statements(&self) -> impl Iterator<Item = Numbered<'_>> {
        let count = self.texts.iter().map(|text| text.statements.len()).sum();
        let statements = self.texts.iter().flat_map(|from| from.statements.iter().map(move |one| (from, one)));
        let dialect = self.dialect;
        statements.enumerate().map(move |(at, (from, statement))| Numbered {
            from,
            statement,
            number: at + 1,
            count,
            dialect,
        })
    }

    /// What would break up the one transaction of the task.
    pub(crate) fn check_transaction(&self) -> Result<(), TaskError> {
        for statement in self.statements() {
            if let Some(word) = ends_transaction(&statement.statement.text, self.dialect) {
                let range = 0..word.len();
                return Err(TaskError::fail(anyhow!(statement.shown(Some(range), &ends(&word)))));
            }
        }
        Ok(())
    }
}

/// The text of a file whose name a template has made. Nothing is filled in in it.
async fn file_text(name: &str, ctx: &TaskContext) -> Result<String, TaskError> {
    let text = beside::read(ctx, name).await?;
    let begins_name = |rest: &str| rest.trim_start_matches(['-', ' ']).starts_with(|sign: char| sign.is_alphabetic());
    let has_template = text.contains("{%") || text.split("{{").skip(1).any(begins_name);
    if holds_template(&text) && has_template {
        return Err(TaskError::fail(anyhow!(
            "`{name}` holds a template, which is filled in only in a file whose own name is written without one; write `:name` \
             there, and the template under `parameters`"
        )));
    }
    Ok(text)
}

impl Numbered<'_> {
    /// The statement with its values.
    pub(crate) fn bound(&self, values: Option<&Values>) -> Result<Bound, TaskError> {
        let text = &self.statement.text;
        let Some(values) = values else { return Ok(Bound::plain(text)) };
        Bound::new(text, values, self.dialect)
            .map_err(|Misplaced { message, range }| TaskError::fail(anyhow!(self.shown(Some(range), &message))))
    }

    /// Whether it is the last one.
    pub(crate) fn is_last(&self) -> bool {
        self.number == self.count
    }

    /// Whether it may answer with rows.
    pub(crate) fn may_answer(&self) -> bool {
        self.begins_with(&QUERY_WORDS) || has_word(&self.statement.text, self.dialect, "RETURNING")
    }

    /// Whether it changes rows.
    pub(crate) fn changes_rows(&self) -> bool {
        self.begins_with(&CHANGE_WORDS)
    }

    /// The word with which it ends a transaction, although nobody has asked for that.
    pub(crate) fn ends_silently(&self) -> Option<String> {
        if self.dialect != Dialect::MySql {
            return None;
        }
        let words = first_words(&self.statement.text, self.dialect, 2);
        let is_temporary = words.get(1).is_some_and(|word| word == "TEMPORARY");
        words.into_iter().next().filter(|word| DEFINITION_WORDS.contains(&word.as_str()) && !is_temporary)
    }

    fn begins_with(&self, known: &[&str]) -> bool {
        first_words(&self.statement.text, self.dialect, 1).first().is_some_and(|word| known.contains(&word.as_str()))
    }

    /// Its number, for people: nothing when there is no other.
    pub(crate) fn name(&self) -> String {
        let file = self.from.file.as_ref().map(|name| format!("`{name}`"));
        match (self.count, file) {
            (1, None) => String::new(),
            (1, Some(file)) => format!("{file}: "),
            (count, None) => format!("statement {} of {count}: ", self.number),
            (count, Some(file)) => format!("statement {} of {count}, in {file}: ", self.number),
        }
    }

    /// What went wrong with it, for whoever wrote it.
    pub(crate) fn wrong(&self, bound: &Bound, fault: Fault, database: &Database) -> TaskError {
        let Fault::Database { error, ahead } = fault else { return TaskError::cancelled() };
        let said = said(&error);
        let place = ahead.map(|ahead| match said.letter {
            Some(letter) => self.of_letter(bound, letter.saturating_sub(ahead)),
            None => self.named_in(&said.message).unwrap_or(0..1),
        });
        let mut words = self.shown(place, &said.message);
        for more in said.more {
            words.push('\n');
            words.push_str(&more);
        }
        database.judge(&error, words)
    }

    /// The word that a letter of what was sent is in.
    fn of_letter(&self, bound: &Bound, letter: usize) -> Range<usize> {
        let at = bound.text.char_indices().nth(letter).map_or(bound.text.len(), |(at, _)| at);
        let text = &self.statement.text;
        let start = bound.origin(at).min(text.len());
        let rest = &text[start..];
        let length = rest.find(|sign: char| !sign.is_alphanumeric() && sign != '_').unwrap_or(rest.len());
        start..start + length
    }

    /// The place of what a message names, if the statement has it once: databases that tell no place tell a name, mostly in
    /// quotes.
    fn named_in(&self, message: &str) -> Option<Range<usize>> {
        let text = &self.statement.text;
        let is_word = |sign: Option<char>| sign.is_some_and(|sign| sign.is_alphanumeric() || sign == '_');
        let place = |named: &str| {
            let at = text.find(named).filter(|_| !named.is_empty() && text.matches(named).count() == 1)?;
            let end = at + named.len();
            let is_whole = !is_word(text[..at].chars().next_back()) && !is_word(text[end..].chars().next());
            is_whole.then_some(at..end)
        };
        let in_quotes = message.split(['\'', '"', '`']).skip(1).step_by(2).find_map(place);
        // Of words, the longest is the least likely to stand there by chance.
        let words = || message.split(|sign: char| !is_word(Some(sign))).filter(|word| word.len() > 1).filter_map(place);
        in_quotes.or_else(|| words().max_by_key(ExactSizeIterator::len))
    }

    /// A message, with its place in the text that the statement is from.
    fn shown(&self, range: Option<Range<usize>>, message: &str) -> String {
        let text = &self.from.text;
        let start = self.statement.start;
        let place = range.map(|range| Place::of_bytes(start + range.start..start + range.end, text));
        format!("{}{}", self.name(), Mistake::at(place, message).shown(text))
    }
}
