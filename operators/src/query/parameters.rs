//! Parameters of SQL: `:name` in the text, a value beside it.
//!
//! A value takes the place of its marker in the sequence of tokens, as one literal, before anything is parsed. So there is
//! no text that it could be mistaken for, whatever it holds.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Number;

use super::place::{Mistake, Place};
use crate::columns::similar;

/// Values by the names of their markers.
pub type Parameters = BTreeMap<String, Parameter>;

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Parameter {
    /// One value.
    One(Scalar),
    /// Several, for `IN (:name)` or `array(:name)`.
    Several(Vec<Scalar>),
}

/// One value.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// NULL.
    Null(()),
    /// True or false.
    Boolean(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// A day.
    Date(DateValue),
    /// An instant.
    Timestamp(TimestampValue),
}

/// A day, which is otherwise a text.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DateValue {
    /// `2018-03-04`.
    pub date: String,
}

/// An instant, which is otherwise a text.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimestampValue {
    /// `2018-03-04 05:06:07`, in UTC unless it says otherwise.
    pub timestamp: String,
}

/// Puts the values in place of their markers. Every marker must have a value, and every value a marker.
pub fn bind(tokens: Vec<TokenWithSpan>, parameters: &Parameters) -> Result<Vec<TokenWithSpan>, Mistake> {
    let mut bound = Vec::with_capacity(tokens.len());
    let mut used = BTreeSet::new();
    let mut tokens = tokens.into_iter().peekable();
    let mut before = Token::EOF;
    while let Some(token) = tokens.next() {
        // `data:field` and `array[1:2]` have no blank or operator before the colon.
        let may_be_marker = token.token == Token::Colon && !ends_a_value(&before);
        before = token.token.clone();
        let name = match tokens.peek().map(|next| &next.token) {
            Some(Token::Word(word)) if may_be_marker && word.quote_style.is_none() => word.value.clone(),
            _ => {
                bound.push(token);
                continue;
            }
        };
        let end = tokens.next().map_or(token.span.end, |word| word.span.end);
        let span = Span::new(token.span.start, end);
        before = Token::Mul;
        let Some((name, parameter)) = parameters.get_key_value(&name) else {
            return Err(Mistake::at(Place::of(span), unknown(&name, parameters)));
        };
        used.insert(name.as_str());
        bound.extend(literal(parameter).into_iter().map(|token| TokenWithSpan { token, span }));
    }
    match parameters.keys().find(|name| !used.contains(name.as_str())) {
        Some(unused) => {
            Err(Mistake::at(None, format!("the SQL has no `:{unused}`, which `parameters:` gives a value")))
        }
        None => Ok(bound),
    }
}

fn unknown(name: &str, parameters: &Parameters) -> String {
    let known = parameters.keys().map(String::as_str);
    let hint = similar(name, known).map(|name| format!(" (did you mean `:{name}`?)")).unwrap_or_default();
    format!("`:{name}` has no value in `parameters:`{hint}")
}

/// Whether a value may end with a token, so that a colon after it belongs to it.
fn ends_a_value(token: &Token) -> bool {
    matches!(token, Token::Word(_) | Token::RParen | Token::RBracket | Token::Number(..) | Token::SingleQuotedString(_))
}

/// A value as Spark reads it.
pub fn in_spark(parameter: &Parameter) -> String {
    // Backslashes mean something in its texts.
    let text = |token: Token| match token {
        Token::SingleQuotedString(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        other => other.to_string(),
    };
    literal(parameter).into_iter().map(text).collect::<Vec<_>>().join(" ")
}

fn literal(parameter: &Parameter) -> Vec<Token> {
    match parameter {
        Parameter::One(value) => scalar(value),
        Parameter::Several(values) if values.is_empty() => nothing(),
        Parameter::Several(values) => values.iter().map(scalar).collect::<Vec<_>>().join(&Token::Comma),
    }
}

/// A query without rows: nothing is in it, and everything is not.
fn nothing() -> Vec<Token> {
    vec![
        keyword("SELECT", Keyword::SELECT),
        keyword("NULL", Keyword::NULL),
        keyword("WHERE", Keyword::WHERE),
        keyword("FALSE", Keyword::FALSE),
    ]
}

fn scalar(value: &Scalar) -> Vec<Token> {
    match value {
        Scalar::Null(()) => vec![keyword("NULL", Keyword::NULL)],
        Scalar::Boolean(true) => vec![keyword("TRUE", Keyword::TRUE)],
        Scalar::Boolean(false) => vec![keyword("FALSE", Keyword::FALSE)],
        Scalar::Number(number) => {
            let digits = number.to_string();
            match digits.strip_prefix('-') {
                Some(digits) => {
                    vec![Token::LParen, Token::Minus, Token::Number(digits.to_owned(), false), Token::RParen]
                }
                None => vec![Token::Number(digits, false)],
            }
        }
        Scalar::Text(text) => vec![Token::SingleQuotedString(text.clone())],
        Scalar::Date(value) => typed("DATE", Keyword::DATE, &value.date),
        Scalar::Timestamp(value) => typed("TIMESTAMP", Keyword::TIMESTAMP, &value.timestamp),
    }
}

/// `CAST('…' AS type)`.
fn typed(name: &str, word: Keyword, text: &str) -> Vec<Token> {
    vec![
        keyword("CAST", Keyword::CAST),
        Token::LParen,
        Token::SingleQuotedString(text.to_owned()),
        keyword("AS", Keyword::AS),
        keyword(name, word),
        Token::RParen,
    ]
}

fn keyword(text: &str, keyword: Keyword) -> Token {
    Token::Word(Word { value: text.to_owned(), quote_style: None, keyword })
}
