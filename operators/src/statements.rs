//! Takes SQL texts apart: into statements, and a statement at the places for its parameters.
//!
//! Only as much of each database's grammar is known here as tells where a text, a name, a comment or the body of a routine
//! ends. Whatever else there is goes to the server as it stands, so nothing that the server understands is refused here.

use std::collections::BTreeMap;
use std::ops::Range;

use scheduler::operator::ArgumentProblem;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::columns::hint;
use crate::query::{DateValue, Parameter, Scalar, TimestampValue};
use crate::shapes::Given;

/// What ends statements, unless somebody says otherwise.
const SEMICOLON: &str = ";";

/// Whose grammar a text is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Spark's.
    Databricks,
    /// MySQL's and MariaDB's.
    MySql,
    /// Postgres'.
    Postgres,
    /// SQLite's.
    Sqlite,
}

/// A statement of a text, without its semicolon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The statement.
    pub text: String,
    /// Where it begins in the text, in bytes.
    pub start: usize,
}

/// Values for the places in statements.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Values {
    /// By the names of their places: `:name`, or `%(name)s`.
    ByName(#[schemars(with = "BTreeMap<String, Given>")] BTreeMap<String, Parameter>),
    /// In the order of their places: `%s`, or `?` (but not on Postgres, where that is an operator).
    InOrder(#[schemars(with = "Vec<Given>")] Vec<Parameter>),
}

impl Values {
    /// What is wrong with values as they are written, if anything is.
    pub fn check(args: &Map<String, Value>) -> Option<ArgumentProblem> {
        let written = args.get("parameters").filter(|written| !written.is_null() && !written.is_string())?;
        let is_wrong = serde_json::from_value::<Values>(written.clone()).is_err();
        is_wrong.then(|| ArgumentProblem {
            pointer: "/parameters".to_owned(),
            message: "a value is a text, a number, true or false, nothing, a date, an instant, or a list of them"
                .to_owned(),
            help: Some("write a mapping or a list of such values".to_owned()),
        })
    }
}

/// A statement with the server's marks where values come, and those values in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bound {
    /// What is sent.
    pub text: String,
    /// What is sent beside it.
    pub values: Vec<Scalar>,
    /// Where stretches of `text` begin, and where in the statement they come from; in bytes.
    stretches: Vec<(usize, usize)>,
}

/// A mistake in a statement, and where it is, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misplaced {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub range: Range<usize>,
}

/// The statements of a text. Semicolons in texts, names, comments and bodies of routines end nothing; nor do they in MySQL behind
/// the command `DELIMITER` of its client.
pub fn split(text: &str, dialect: Dialect) -> Vec<Statement> {
    let mut found = Vec::new();
    let (mut start, mut has_words, mut body) = (0, false, Body::default());
    let mut end = |range: Range<usize>, has_words: bool| {
        let whole = &text[range.clone()];
        let blank = whole.len() - whole.trim_start().len();
        if has_words {
            found.push(Statement { text: whole.trim().to_owned(), start: range.start + blank });
        }
    };
    let mut pieces = Pieces::of(text, dialect);
    while let Some(piece) = pieces.next() {
        let rest = &text[piece.start..];
        if dialect == Dialect::MySql
            && !has_words
            && let Some(delimiter) = delimiter(rest)
        {
            pieces.delimiter = delimiter;
            pieces.at = piece.start + line(rest);
            start = pieces.at;
        } else if rest.starts_with(pieces.delimiter) && (pieces.delimiter != SEMICOLON || body.ends()) {
            end(start..piece.start, has_words);
            pieces.at = piece.start + pieces.delimiter.len();
            (start, has_words, body) = (pieces.at, false, Body::default());
        } else if !matches!(piece.kind, Kind::Blank | Kind::Comment) {
            has_words = true;
            if piece.kind == Kind::Word {
                body.see(piece.text);
            }
        }
    }
    end(start..text.len(), has_words);
    found
}

/// What ends statements after the command at the beginning, if it is one of MySQL's client: `DELIMITER //`.
fn delimiter(text: &str) -> Option<&str> {
    let (command, rest) = text[..line(text)].split_once([' ', '\t'])?;
    let written = rest.trim_start();
    let delimiter = match written.chars().next()? {
        quote @ ('\'' | '"' | '`') => written[1..].split(quote).next()?,
        _ => written.split_whitespace().next()?,
    };
    let is_one = command.eq_ignore_ascii_case("delimiter") && !delimiter.is_empty() && !delimiter.contains('\\');
    is_one.then_some(delimiter)
}

/// The first words of a statement, in upper case; comments do not count.
pub fn first_words(text: &str, dialect: Dialect, count: usize) -> Vec<String> {
    let words = Pieces::of(text, dialect).filter(|piece| piece.kind == Kind::Word);
    words.take(count).map(|piece| piece.text.to_ascii_uppercase()).collect()
}

/// Whether a word stands in a statement outside of texts, names and comments.
pub fn has_word(text: &str, dialect: Dialect, word: &str) -> bool {
    Pieces::of(text, dialect).any(|piece| piece.kind == Kind::Word && piece.text.eq_ignore_ascii_case(word))
}

/// Where the first word, text or sign of a text begins, in bytes; comments do not count.
pub fn beginning(text: &str, dialect: Dialect) -> usize {
    let mut pieces = Pieces::of(text, dialect);
    pieces.find(|piece| !matches!(piece.kind, Kind::Blank | Kind::Comment)).map_or(text.len(), |piece| piece.start)
}

/// Where texts stand whose backslashes are nothing but backslashes (`r'\d'`), as Spark has them; in bytes.
pub fn raw_texts(text: &str) -> impl Iterator<Item = Range<usize>> {
    let pieces = Pieces::of(text, Dialect::Databricks);
    let raw = pieces.filter(|piece| piece.kind == Kind::Quoted && piece.text.starts_with(['r', 'R']));
    raw.map(|piece| piece.start..piece.start + piece.text.len())
}

/// A statement with values written where they come, for who is sent none beside it; and the places that it had.
pub fn written<'a>(
    text: &'a str,
    values: &Values,
    dialect: Dialect,
    literal: impl Fn(&Parameter) -> String,
) -> Result<(String, Vec<&'a str>), Misplaced> {
    let (mut filled, mut names, mut at) = (String::new(), Vec::new(), 0);
    for place in places(text, values, dialect)? {
        filled.push_str(&text[at..place.range.start]);
        filled.push_str(&literal(place.value));
        at = place.range.end;
        names.push(&text[place.range]);
    }
    filled.push_str(&text[at..]);
    Ok((filled, names))
}

/// The body of a routine, whose semicolons belong to it: those between BEGIN and END.
#[derive(Default)]
struct Body {
    words: usize,
    is_created: bool,
    is_routine: bool,
    depth: usize,
    /// The word before was END.
    after_end: bool,
}

impl Body {
    fn see(&mut self, word: &str) {
        let word = word.to_ascii_uppercase();
        let word = word.as_str();
        self.words += 1;
        if self.words == 1 {
            self.is_created = word == "CREATE";
        }
        self.is_routine |= self.is_created && matches!(word, "TRIGGER" | "PROCEDURE" | "FUNCTION" | "EVENT");
        if !self.is_routine {
            return;
        }
        if std::mem::take(&mut self.after_end) {
            if matches!(word, "IF" | "LOOP" | "WHILE" | "REPEAT" | "FOR") {
                // It ends what BEGIN did not begin.
                return;
            }
            self.depth = self.depth.saturating_sub(1);
            if word == "CASE" {
                return;
            }
        }
        match word {
            "BEGIN" | "CASE" => self.depth += 1,
            "END" => self.after_end = true,
            _ => {}
        }
    }

    /// Whether a semicolon here ends the statement.
    fn ends(&mut self) -> bool {
        if std::mem::take(&mut self.after_end) {
            self.depth = self.depth.saturating_sub(1);
        }
        self.depth == 0
    }
}

impl Bound {
    /// A statement as it stands.
    pub fn plain(text: &str) -> Bound {
        Bound { text: text.to_owned(), values: Vec::new(), stretches: vec![(0, 0)] }
    }

    /// Puts the server's marks where values come.
    pub fn new(text: &str, values: &Values, dialect: Dialect) -> Result<Bound, Misplaced> {
        let places = places(text, values, dialect)?;
        // Who writes `%s` doubles other signs of that kind, because Python's drivers ask for it.
        let is_doubled = places.iter().any(|place| text[place.range.clone()].starts_with('%'));
        let mut bound = Bound::default();
        let mut at = 0;
        for place in places {
            bound.copy(text, at..place.range.start, is_doubled);
            at = place.range.end;
            bound.mark(&place, dialect);
        }
        bound.copy(text, at..text.len(), is_doubled);
        Ok(bound)
    }

    /// Where in the statement a place in `text` comes from, in bytes.
    pub fn origin(&self, at: usize) -> usize {
        let stretch = self.stretches.iter().rev().find(|(start, _)| *start <= at);
        stretch.map_or(at, |(start, origin)| origin + (at - start))
    }

    fn copy(&mut self, text: &str, range: Range<usize>, is_doubled: bool) {
        let mut start = range.start;
        if is_doubled {
            while let Some(found) = text[start..range.end].find("%%") {
                self.stretches.push((self.text.len(), start));
                self.text.push_str(&text[start..=start + found]);
                start += found + 2;
            }
        }
        self.stretches.push((self.text.len(), start));
        self.text.push_str(&text[start..range.end]);
    }

    fn mark(&mut self, place: &Place<'_>, dialect: Dialect) {
        self.stretches.push((self.text.len(), place.range.start));
        let several = match place.value {
            Parameter::One(one) => std::slice::from_ref(one),
            Parameter::Several(several) => several.as_slice(),
        };
        // A list without values is in no list.
        if several.is_empty() {
            self.text.push_str("NULL");
        }
        for (index, value) in several.iter().enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            self.values.push(value.clone());
            match dialect {
                Dialect::Postgres => {
                    self.text.push('$');
                    self.text.push_str(&self.values.len().to_string());
                }
                _ => self.text.push('?'),
            }
        }
    }
}

/// A place for a value.
struct Place<'a> {
    range: Range<usize>,
    value: &'a Parameter,
}

fn places<'a>(text: &str, values: &'a Values, dialect: Dialect) -> Result<Vec<Place<'a>>, Misplaced> {
    let mut places = Vec::new();
    let mut before: Option<Piece<'_>> = None;
    let mut taken = 0;
    for piece in Pieces::of(text, dialect) {
        let Kind::Sign(sign) = piece.kind else {
            before = Some(piece);
            continue;
        };
        let (at, rest) = (piece.start, &text[piece.start..]);
        let follows = before.replace(piece);
        if at < taken {
            continue;
        }
        let length = match (sign, values) {
            (':', Values::ByName(_)) => after_colon(rest, follows),
            ('%', Values::ByName(_)) => after_percent(rest),
            ('%', Values::InOrder(_)) => rest.starts_with("%s").then_some(2).filter(|_| !is_word_at(rest, 2)),
            ('?', Values::InOrder(_)) if dialect != Dialect::Postgres => Some(1),
            _ => None,
        };
        // Two signs stand for themselves, or are a cast.
        if length.is_none() && matches!(sign, ':' | '%') && rest[1..].starts_with(sign) {
            taken = at + 2;
        }
        let Some(length) = length else { continue };
        let range = at..at + length;
        taken = range.end;
        let value = match values {
            Values::ByName(values) => {
                let name = if sign == ':' { &rest[1..length] } else { &rest[2..length - 2] };
                values.get(name).ok_or_else(|| nameless(name, values, range.clone()))?
            }
            Values::InOrder(values) => values.get(places.len()).ok_or_else(|| Misplaced {
                message: format!("there are more places than the {} values of `parameters`", values.len()),
                range: range.clone(),
            })?,
        };
        places.push(Place { range, value });
    }
    if let Values::InOrder(values) = values
        && !places.is_empty()
        && places.len() < values.len()
    {
        let message = format!("`parameters` has {} values for {} places", values.len(), places.len());
        return Err(Misplaced { message, range: 0..0 });
    }
    Ok(places)
}

fn nameless(name: &str, values: &BTreeMap<String, Parameter>, range: Range<usize>) -> Misplaced {
    let hint = hint(name, values.keys().map(String::as_str));
    Misplaced { message: format!("`parameters` has no `{name}`{hint}"), range }
}

/// How long `:name` is. After a word or a bracket it is the end of a slice, or a part of a document.
fn after_colon(rest: &str, follows: Option<Piece<'_>>) -> Option<usize> {
    let is_part =
        follows.is_some_and(|piece| matches!(piece.kind, Kind::Word | Kind::Quoted | Kind::Sign(']' | ')' | ':')));
    let name = &rest[1..];
    let begins = name.starts_with(|sign: char| sign.is_alphabetic() || sign == '_');
    (begins && !is_part).then(|| 1 + word_length(name))
}

/// How long `%(name)s` is.
fn after_percent(rest: &str) -> Option<usize> {
    let name = rest.strip_prefix("%(")?;
    let length = word_length(name);
    (length > 0 && name[length..].starts_with(")s") && !is_word_at(name, length + 2)).then_some(length + 4)
}

fn is_word_at(text: &str, at: usize) -> bool {
    text[at..].starts_with(|sign: char| sign.is_alphanumeric() || sign == '_')
}

fn word_length(text: &str) -> usize {
    text.find(|sign: char| !sign.is_alphanumeric() && sign != '_').unwrap_or(text.len())
}

/// A value as text; none for NULL.
pub fn text_of(value: &Scalar) -> Option<String> {
    match value {
        Scalar::Null(()) => None,
        Scalar::Boolean(truth) => Some(truth.to_string()),
        Scalar::Number(number) => Some(number.to_string()),
        Scalar::Text(text)
        | Scalar::Date(DateValue { date: text })
        | Scalar::Timestamp(TimestampValue { timestamp: text }) => Some(text.clone()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A word or a number.
    Word,
    /// A text, or a name in quotes.
    Quoted,
    Comment,
    Blank,
    Sign(char),
}

#[derive(Clone, Copy, Debug)]
struct Piece<'a> {
    kind: Kind,
    start: usize,
    text: &'a str,
}

/// A text, piece by piece; nothing is left out.
struct Pieces<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
    /// What ends statements. Where it stands behind a word, that ends, too.
    delimiter: &'a str,
}

impl<'a> Pieces<'a> {
    fn of(text: &'a str, dialect: Dialect) -> Pieces<'a> {
        Pieces { text, at: 0, dialect, delimiter: SEMICOLON }
    }

    /// What begins here, and how long it is.
    fn measure(&self, rest: &str, sign: char) -> (Kind, usize) {
        let (dialect, whole) = (self.dialect, rest.len());
        match sign {
            _ if sign.is_whitespace() => (Kind::Blank, rest.find(|sign: char| !sign.is_whitespace()).unwrap_or(whole)),
            '\'' | '"' | '`' => (Kind::Quoted, quoted(rest, sign, has_escapes(dialect, sign))),
            '-' if rest.starts_with("--") && begins_comment(dialect, &rest[2..]) => (Kind::Comment, line(rest)),
            '#' if dialect == Dialect::MySql => (Kind::Comment, line(rest)),
            '/' if rest.starts_with("/*") => {
                let may_nest = matches!(dialect, Dialect::Databricks | Dialect::Postgres);
                // MySQL runs what is in such comments.
                let is_run = dialect == Dialect::MySql && (rest.starts_with("/*!") || rest.starts_with("/*M!"));
                (if is_run { Kind::Quoted } else { Kind::Comment }, commented(rest, may_nest))
            }
            '$' if dialect == Dialect::Postgres => match dollar_quoted(rest) {
                Some(length) => (Kind::Quoted, length),
                None => (Kind::Sign(sign), 1),
            },
            _ if sign.is_alphanumeric() || sign == '_' => {
                let is_over = |(at, sign): &(usize, char)| {
                    !sign.is_alphanumeric() && !matches!(sign, '_' | '$') || rest[*at..].starts_with(self.delimiter)
                };
                let length = rest.char_indices().skip(1).find(is_over).map_or(whole, |(at, _)| at);
                let is_escaped = dialect == Dialect::Postgres && rest[..length].eq_ignore_ascii_case("e");
                if is_escaped && rest[length..].starts_with('\'') {
                    return (Kind::Quoted, length + quoted(&rest[length..], '\'', true));
                }
                let may_be_raw = dialect == Dialect::Databricks && rest[..length].eq_ignore_ascii_case("r");
                if let (true, Some(quote @ ('\'' | '"'))) = (may_be_raw, rest[length..].chars().next()) {
                    return (Kind::Quoted, length + quoted(&rest[length..], quote, false));
                }
                (Kind::Word, length)
            }
            _ => (Kind::Sign(sign), sign.len_utf8()),
        }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = &self.text[self.at..];
        let (kind, length) = self.measure(rest, rest.chars().next()?);
        let piece = Piece { kind, start: self.at, text: &rest[..length] };
        self.at += length;
        Some(piece)
    }
}

/// Whether a backslash takes the next sign along.
fn has_escapes(dialect: Dialect, quote: char) -> bool {
    matches!(dialect, Dialect::Databricks | Dialect::MySql) && quote != '`'
}

/// MySQL takes `5--1` for a sum.
fn begins_comment(dialect: Dialect, after: &str) -> bool {
    dialect != Dialect::MySql
        || after.is_empty()
        || after.starts_with(|sign: char| sign.is_whitespace() || sign.is_control())
}

fn line(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// How long the quoted text at the beginning is.
fn quoted(text: &str, quote: char, has_escapes: bool) -> usize {
    let mut signs = text.char_indices().skip(1);
    while let Some((at, sign)) = signs.next() {
        if sign == '\\' && has_escapes {
            signs.next();
        } else if sign == quote {
            return at + sign.len_utf8();
        }
    }
    text.len()
}

/// How long the text between two `$tag$` at the beginning is, if it is one.
fn dollar_quoted(text: &str) -> Option<usize> {
    let name = word_length(&text[1..]);
    let begins_with_digit = text[1..].starts_with(|sign: char| sign.is_numeric());
    if begins_with_digit || !text[1 + name..].starts_with('$') {
        return None;
    }
    let tag = &text[..name + 2];
    Some(text[tag.len()..].find(tag).map_or(text.len(), |at| at + 2 * tag.len()))
}

/// How long the comment at the beginning is; in some grammars comments may hold comments.
fn commented(text: &str, may_nest: bool) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") && (may_nest || depth == 0) {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ALL: [Dialect; 4] = [Dialect::Databricks, Dialect::MySql, Dialect::Postgres, Dialect::Sqlite];

    fn texts(text: &str, dialect: Dialect) -> Vec<String> {
        split(text, dialect).into_iter().map(|statement| statement.text).collect()
    }

    #[test]
    fn statements_end_at_semicolons_that_stand_by_themselves() {
        let table: [(&str, &[&str]); 7] = [
            ("SELECT 1", &["SELECT 1"]),
            ("SELECT 1;", &["SELECT 1"]),
            ("SELECT 1; \n SELECT 2;;", &["SELECT 1", "SELECT 2"]),
            ("SELECT ';', \"a;b\" ; SELECT 2", &["SELECT ';', \"a;b\"", "SELECT 2"]),
            ("SELECT 'it''s; so'", &["SELECT 'it''s; so'"]),
            ("SELECT 'grün; 😀'; SELECT 5 - -1 / 2", &["SELECT 'grün; 😀'", "SELECT 5 - -1 / 2"]),
            (" -- nothing\n ; ", &[]),
        ];
        for (text, expected) in table {
            for dialect in ALL {
                assert_eq!(texts(text, dialect), expected, "{text} {dialect:?}");
            }
        }
    }

    #[test]
    fn each_grammar_has_texts_and_comments_of_its_own() {
        let table: [(Dialect, &str, usize); 17] = [
            (Dialect::Databricks, r"SELECT 'it\'s; so'; SELECT 2", 2),
            (Dialect::Databricks, r#"SELECT r'\; ', R"';\"; SELECT 2"#, 2),
            (Dialect::MySql, r"SELECT 'it\'s; so'; SELECT 2", 2),
            (Dialect::Postgres, r"SELECT 'C:\'; SELECT 2", 2),
            (Dialect::Postgres, r"SELECT E'it\'s; so'; SELECT 2", 2),
            (Dialect::Sqlite, r"SELECT 'C:\'; SELECT 2", 2),
            (Dialect::Databricks, "-- one; two\nSELECT 1; /* three; /* four; */ */", 1),
            (Dialect::Postgres, "SELECT 1; /* three; /* four; */ ; */", 1),
            (Dialect::Sqlite, "SELECT 1 /* a; /* b; */; SELECT 2", 2),
            (Dialect::MySql, "SELECT 1 # a; b\n; SELECT 5--1; SELECT 3 -- c; d", 3),
            (Dialect::MySql, "SELECT `a;b`; /*!40101 SET NAMES utf8 */;", 2),
            (Dialect::Postgres, "DO $$ BEGIN a; b; END $$; SELECT $1, a$b$c; SELECT 2", 3),
            (Dialect::Postgres, "DO $x$ ; $$ ; $x$; SELECT 2", 2),
            (
                Dialect::Sqlite,
                "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET c = CASE WHEN 1 THEN 2 END; \
              DELETE FROM d; END; SELECT 2",
                2,
            ),
            (
                Dialect::MySql,
                "CREATE PROCEDURE p() BEGIN IF 1 THEN SELECT 1; END IF; WHILE 0 DO SELECT 2; END WHILE; \
              END; SELECT 2",
                2,
            ),
            (Dialect::Postgres, "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 2", 2),
            (Dialect::Postgres, "BEGIN; SELECT 1; END; SELECT 2", 4),
        ];
        for (dialect, text, count) in table {
            assert_eq!(split(text, dialect).len(), count, "{text} {dialect:?}");
        }
    }

    #[test]
    fn the_command_of_mysqls_client_says_what_ends_statements() {
        let table: [(&str, &[&str]); 9] = [
            (
                "DROP PROCEDURE p; -- anew\nDELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; SELECT '//'; END //\n\
                 DELIMITER ;\nCALL p(); SELECT 2",
                &["DROP PROCEDURE p", "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT '//'; END", "CALL p()", "SELECT 2"],
            ),
            (
                "delimiter $$\r\nSELECT 1; SELECT a$b$$\r\ndelimiter ;\r\nSELECT 2;",
                &["SELECT 1; SELECT a$b", "SELECT 2"],
            ),
            (
                "DELIMITER ;;\n/*!50003 CREATE TRIGGER t BEGIN SELECT 1; END */;;\nDELIMITER ;\nSELECT 2;",
                &["/*!50003 CREATE TRIGGER t BEGIN SELECT 1; END */", "SELECT 2"],
            ),
            ("DELIMITER '|' of ours\nSELECT 1; | SELECT 2 |", &["SELECT 1;", "SELECT 2"]),
            (
                "DELIMITER go\nSELECT 1go SELECT 'go' go\n/* back */ DELIMITER ;\nSELECT 3",
                &["SELECT 1", "SELECT 'go'", "SELECT 3"],
            ),
            ("DELIMITER #\nSELECT 1 # SELECT 2", &["SELECT 1", "SELECT 2"]),
            ("DELIMITER //\nSELECT 1; SELECT 2", &["SELECT 1; SELECT 2"]),
            ("SELECT a,\n  delimiter b FROM t; SELECT 2", &["SELECT a,\n  delimiter b FROM t", "SELECT 2"]),
            ("DELIMITER\n; SELECT 2", &["DELIMITER", "SELECT 2"]),
        ];
        for (text, expected) in table {
            assert_eq!(texts(text, Dialect::MySql), expected, "{text}");
        }
        assert_eq!(
            texts("DELIMITER //\nSELECT 1; SELECT 2", Dialect::Postgres),
            ["DELIMITER //\nSELECT 1", "SELECT 2"]
        );
        let text = "DELIMITER //\n SELECT 1//";
        assert_eq!(split(text, Dialect::MySql)[0].start, text.find("SELECT").unwrap());
    }

    #[test]
    fn a_statement_knows_where_it_begins() {
        let text = "SELECT 1;\n\n  -- two\n  SELECT 2;";
        let second = &split(text, Dialect::Sqlite)[1];
        assert_eq!(text[second.start..].find("-- two"), Some(0));
    }

    fn bound(text: &str, values: serde_json::Value, dialect: Dialect) -> Result<Bound, Misplaced> {
        Bound::new(text, &serde_json::from_value(values).unwrap(), dialect)
    }

    #[test]
    fn values_are_bound_where_their_places_are_and_nowhere_else() {
        let table = [
            ("a = :a AND b = %(b)s", json!({ "a": 1, "b": "x" }), "a = $1 AND b = $2", 2),
            ("a::text = ':a' -- :a\n AND x[1:a] = :a", json!({ "a": 1 }), "a::text = ':a' -- :a\n AND x[1:a] = $1", 1),
            ("a IN (:list) AND b = :a", json!({ "list": [1, 2], "a": null }), "a IN ($1, $2) AND b = $3", 3),
            ("a IN (:list)", json!({ "list": [] }), "a IN (NULL)", 0),
            ("a LIKE 'x%%' AND b %% 2 = %s", json!([1]), "a LIKE 'x%' AND b % 2 = $1", 1),
            ("a LIKE 'x%%' AND b % 2 = :a", json!({ "a": 1 }), "a LIKE 'x%%' AND b % 2 = $1", 1),
            ("a ? 'k' AND b = %s", json!(["x"]), "a ? 'k' AND b = $1", 1),
            ("SELECT 1", json!([1, 2]), "SELECT 1", 0),
        ];
        for (text, values, expected, count) in table {
            let bound = bound(text, values, Dialect::Postgres).unwrap();
            assert_eq!((bound.text.as_str(), bound.values.len()), (expected, count), "{text}");
        }
        assert_eq!(bound("a = ? AND b = %s", json!([1, 2]), Dialect::MySql).unwrap().text, "a = ? AND b = ?");
    }

    #[test]
    fn a_place_without_a_value_is_told_where_it_is() {
        let missing = bound("SELECT :daay", json!({ "day": 1 }), Dialect::Sqlite).unwrap_err();
        assert_eq!(
            (missing.message.as_str(), missing.range),
            ("`parameters` has no `daay` (did you mean `day`?)", 7..12)
        );
        let few = bound("SELECT ?, ?", json!([1]), Dialect::Sqlite).unwrap_err();
        assert_eq!(few.range, 10..11);
        let many = bound("SELECT ?", json!([1, 2]), Dialect::Sqlite).unwrap_err();
        assert_eq!(many.message, "`parameters` has 2 values for 1 places");
    }

    #[test]
    fn a_place_in_what_is_sent_leads_back_to_what_was_written() {
        let text = "SELECT :long_name, nme %% 2, %(x)s, wrong";
        let bound = bound(text, json!({ "long_name": [1, 2], "x": 1 }), Dialect::Postgres).unwrap();
        for word in ["SELECT", "nme", "wrong", "2,"] {
            let at = bound.text.rfind(word).unwrap();
            assert_eq!(bound.origin(at), text.rfind(word).unwrap(), "{word}");
        }
    }
}
