//! Query strings: repeated keys, ranges, patterns, pages and orders.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono::Utc;
use scheduler::store::read::{Cursor, Direction, Paging, Pattern, Range, SortKey, Sorting};
use serde_json::Value;
use url::form_urlencoded;

use crate::error::{ApiError, ValidationError};
use crate::timestamp;

/// Rows of a page when the request does not say (Airflow 3: `fallback_page_limit`).
const PAGE_DEFAULT: u64 = 50;

/// Most rows of a page, whatever the request says (Airflow 3: `maximum_page_limit`).
const PAGE_MAX: u64 = 100;

/// Most keys of an order (Airflow 3).
const ORDER_KEYS_MAX: usize = 10;

/// The query of a request. Values are taken one by one; faults gather until [`Query::finish`].
#[derive(Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    problems: Vec<ValidationError>,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query, Self::Rejection> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        // Postgres compares no text with one that holds a NUL.
        let holds_nul = |(_, value): &&(String, String)| value.contains('\0');
        let no_nul = |(name, _): &(String, String)| {
            ValidationError::new(
                "string_unsafe",
                &["query", name.as_str()],
                "Input should hold no NUL (`%00`)",
                Value::Null,
            )
        };
        let problems = pairs.iter().filter(holds_nul).map(no_nul).collect();
        Ok(Query { pairs, problems })
    }
}

impl Query {
    /// The last value of a key.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    /// All values of a key.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }

    fn parsed<T>(
        &mut self,
        name: &str,
        kind: &'static str,
        wanted: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = read(&text);
        if value.is_none() {
            let message = format!("Input should be {wanted}");
            self.problems.push(ValidationError::new(kind, &["query", name], message, text));
        }
        value
    }

    /// A whole number.
    pub(crate) fn number(&mut self, name: &str) -> Option<i32> {
        self.parsed(name, "int_parsing", "a valid integer", |text| text.trim().parse().ok())
    }

    /// A number with a fraction.
    pub(crate) fn decimal(&mut self, name: &str) -> Option<f64> {
        self.parsed(name, "float_parsing", "a valid number", |text| {
            text.trim().parse().ok().filter(|number: &f64| number.is_finite())
        })
    }

    /// Every value of a key, as whole numbers.
    pub(crate) fn numbers(&mut self, name: &str) -> Vec<i32> {
        let mut numbers = Vec::new();
        for text in self.texts(name) {
            if let Ok(number) = text.trim().parse() {
                numbers.push(number);
            } else {
                let message = "Input should be a valid integer";
                self.problems.push(ValidationError::new("int_parsing", &["query", name], message, text));
            }
        }
        numbers
    }

    /// A whole number that counts something.
    pub(crate) fn count(&mut self, name: &str) -> Option<u64> {
        self.parsed(name, "greater_than_equal", "an integer greater than or equal to 0", |text| {
            // SQL counts with a sign.
            text.trim().parse().ok().filter(|count| i64::try_from(*count).is_ok())
        })
    }

    /// A yes or no.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        self.parsed(name, "bool_parsing", "a valid boolean", |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => Some(true),
            "false" | "0" | "no" | "off" | "f" | "n" => Some(false),
            _ => None,
        })
    }

    /// An instant.
    pub(crate) fn instant(&mut self, name: &str) -> Option<chrono::DateTime<Utc>> {
        self.parsed(name, "datetime_parsing", "a valid datetime", timestamp::read_lenient)
    }

    /// Bounds of an instant.
    pub(crate) fn instants(&mut self, name: &str) -> Range<chrono::DateTime<Utc>> {
        Range {
            gte: self.instant(&format!("{name}_gte")),
            gt: self.instant(&format!("{name}_gt")),
            lte: self.instant(&format!("{name}_lte")),
            lt: self.instant(&format!("{name}_lt")),
        }
    }

    /// Bounds of a number.
    pub(crate) fn decimals(&mut self, name: &str) -> Range<f64> {
        let mut bound = |end: &str| {
            self.parsed(&format!("{name}_{end}"), "float_parsing", "a valid number", |text| {
                text.trim().parse().ok().filter(|number: &f64| number.is_finite())
            })
        };
        Range { gte: bound("gte"), gt: bound("gt"), lte: bound("lte"), lt: bound("lt") }
    }

    /// `<name>_pattern` and `<name>_prefix_pattern`; both must match.
    pub(crate) fn patterns(&self, name: &str) -> Vec<Pattern> {
        let contains = self.text(&format!("{name}_pattern")).and_then(|term| Pattern::contains(&term));
        let prefix = self.text(&format!("{name}_prefix_pattern")).and_then(|term| Pattern::prefix(&term));
        contains.into_iter().chain(prefix).collect()
    }

    /// `limit` and `offset`.
    pub(crate) fn page(&mut self) -> (u64, u64) {
        let limit = self.count("limit").unwrap_or(PAGE_DEFAULT).min(PAGE_MAX);
        (limit, self.count("offset").unwrap_or(0))
    }

    /// `limit` and `offset`, for the lists that have no cursors.
    pub(crate) fn paging(&mut self) -> Paging {
        let (limit, offset) = self.page();
        Paging::Offset { limit, offset }
    }

    /// `cursor`, or else `limit` and `offset`.
    pub(crate) fn paging_by_cursor<R>(&mut self, sorting: &Sorting<R>) -> Result<Paging, ApiError> {
        let Some(token) = self.text("cursor") else { return Ok(self.paging()) };
        let (limit, _) = self.page();
        if !sorting.takes_cursors() {
            return Err(ApiError::bad_request("Lists in this order have no cursors; use `offset`"));
        }
        if token.is_empty() {
            return Ok(Paging::Cursor { limit, at: None });
        }
        let at = Cursor::read(&token, sorting).map_err(|_| ApiError::bad_request("Invalid cursor token"))?;
        Ok(Paging::Cursor { limit, at: Some(at) })
    }

    /// `order_by`.
    pub(crate) fn order<R>(&self, order: &Order<'_, R>) -> Result<Sorting<R>, ApiError> {
        self::order(&self.texts("order_by"), order)
    }

    /// Words of a closed set; others are refused in one sentence (Airflow 3).
    pub(crate) fn words(&self, name: &str, known: &[&str]) -> Result<Vec<String>, ApiError> {
        let words = self.texts(name);
        match words.iter().find(|word| !known.contains(&word.as_str())) {
            Some(unknown) => Err(ApiError::unprocessable(format!(
                "Invalid value for {name}: `{unknown}`. Valid values are {}",
                known.join(", ")
            ))),
            None => Ok(words),
        }
    }

    /// Ends the reading; refuses if anything was wrong.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        if self.problems.is_empty() { Ok(()) } else { Err(ApiError::Invalid(self.problems)) }
    }
}

/// What a list can be ordered by.
pub(crate) struct Order<'a, R> {
    /// The keys when the request does not say.
    pub(crate) default: &'a [&'a str],
    /// The keys that people may ask for.
    pub(crate) allowed: &'a [&'a str],
    /// The keys that are put last, to tell any two rows apart.
    pub(crate) tie_break: &'a [&'a str],
    /// What a key means.
    pub(crate) key: &'a dyn Fn(&str) -> Option<SortKey<R>>,
}

/// Reads an order: names, each with `-` before it when it goes down.
pub(crate) fn order<R>(words: &[String], order: &Order<'_, R>) -> Result<Sorting<R>, ApiError> {
    if words.len() > ORDER_KEYS_MAX {
        let message = format!("Ordering with more than {ORDER_KEYS_MAX} parameters is not allowed");
        return Err(ApiError::bad_request(message));
    }
    let asked: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    let asked = if asked.is_empty() { order.default.to_vec() } else { asked };
    let mut keys = Vec::with_capacity(asked.len() + order.tie_break.len());
    for word in &asked {
        let (name, direction) = direction(word);
        let key = (order.key)(name).filter(|_| order.allowed.contains(&name));
        let Some(key) = key else {
            return Err(ApiError::bad_request(format!(
                "Ordering with '{name}' is disallowed or the attribute does not exist on the model"
            )));
        };
        keys.push((key, direction));
    }
    // The tie-break goes the way of the first key, so that a list read from the end is the same list backward.
    let way = asked.first().map_or(Direction::Ascending, |word| direction(word).1);
    for name in order.tie_break {
        if let Some(key) = (order.key)(name) {
            keys.push((key, way));
        }
    }
    Ok(Sorting::new(keys))
}

fn direction(word: &str) -> (&str, Direction) {
    match word.strip_prefix('-') {
        Some(name) => (name, Direction::Descending),
        None => (word, Direction::Ascending),
    }
}
