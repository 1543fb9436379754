//! The filters that every list has in common.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr, Value};
use sea_orm::{Condition, DbBackend};

/// A filter on text (Airflow 3: `*_pattern` and `*_prefix_pattern`). Several terms are separated by `|`: one must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// One of the terms occurs anywhere, in any case; `%` and `_` in a term are SQL's wildcards.
    Contains(Vec<String>),
    /// The text begins with one of the terms, exactly.
    Prefix(Vec<String>),
}

impl Pattern {
    /// Reads a `*_pattern`; `None` when it matches everything.
    pub fn contains(term: &str) -> Option<Pattern> {
        if matches!(term, "" | "~" | "%") {
            return None;
        }
        Some(Pattern::Contains(terms(term).map(str::to_owned).collect()))
    }

    /// Reads a `*_prefix_pattern`; `None` when it matches everything. What is neither letter nor digit at the end of a
    /// term does not count (Airflow 3).
    pub fn prefix(term: &str) -> Option<Pattern> {
        if matches!(term, "" | "~") {
            return None;
        }
        let terms: Vec<String> =
            terms(term).map(|term| term.trim_end_matches(|c: char| !c.is_alphanumeric()).to_owned()).collect();
        if terms.iter().any(String::is_empty) { None } else { Some(Pattern::Prefix(terms)) }
    }

    /// The condition on a column.
    pub(super) fn on(&self, column: impl Into<Expr>) -> Condition {
        let column = column.into();
        match self {
            Pattern::Contains(terms) => terms.iter().fold(Condition::any(), |any, term| {
                let folded = Expr::from(Func::lower(column.clone()));
                let like = |term: String| folded.clone().like(LikeExpr::new(like_pattern(&term)).escape('\\'));
                // Databases differ in whether LOWER knows letters beyond ASCII, so such a term is tried both ways.
                let (ascii, unicode) = (term.to_ascii_lowercase(), term.to_lowercase());
                let any = if ascii == unicode { any } else { any.add(like(unicode)) };
                any.add(like(ascii))
            }),
            Pattern::Prefix(terms) => terms.iter().fold(Condition::any(), |any, term| {
                // Not LIKE, which is blind to case on SQLite.
                let length = i32::try_from(term.chars().count()).unwrap_or(i32::MAX);
                let beginning = Func::cust("SUBSTR").arg(column.clone()).arg(Expr::value(1)).arg(Expr::value(length));
                any.add(Expr::from(beginning).eq(term.as_str()))
            }),
        }
    }
}

fn terms(term: &str) -> impl Iterator<Item = &str> {
    term.split('|').filter(|term| !term.is_empty())
}

/// A backslash is a letter like any other to the person who types it.
fn like_pattern(term: &str) -> String {
    format!("%{}%", term.replace('\\', "\\\\"))
}

/// Whether `term`, which is not empty, occurs anywhere in `text`, exactly as it is written. Not LIKE, which is blind to case
/// on SQLite.
pub(super) fn occurs(text: Expr, term: &str) -> Expr {
    let without = Func::cust("REPLACE").args([text.clone(), Expr::value(term), Expr::value("")]);
    Expr::from(without).ne(text)
}

/// What holds of nothing.
pub(super) fn nothing() -> Expr {
    Expr::value(1).eq(Expr::value(0))
}

/// Bounds of a value (Airflow 3: `*_gte`, `*_gt`, `*_lte`, `*_lt`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range<T> {
    /// At least.
    pub gte: Option<T>,
    /// More than.
    pub gt: Option<T>,
    /// At most.
    pub lte: Option<T>,
    /// Less than.
    pub lt: Option<T>,
}

impl<T: Copy + Into<Value>> Range<T> {
    /// The condition on a value; where there is none, no bound is met.
    pub(super) fn on(&self, value: impl Into<Expr>) -> Condition {
        let value = value.into();
        Condition::all()
            .add_option(self.gte.map(|bound| value.clone().gte(Expr::value(bound))))
            .add_option(self.gt.map(|bound| value.clone().gt(Expr::value(bound))))
            .add_option(self.lte.map(|bound| value.clone().lte(Expr::value(bound))))
            .add_option(self.lt.map(|bound| value.clone().lt(Expr::value(bound))))
    }
}

impl Range<DateTime<Utc>> {
    /// The condition on an instant that may still come: it meets every lower bound, and counts as `now` for upper
    /// bounds (Airflow 3).
    pub(super) fn on_open(&self, instant: impl Into<Expr>, now: DateTime<Utc>) -> Condition {
        let instant = instant.into();
        let lower = Range { gte: self.gte, gt: self.gt, ..Range::default() };
        let upper = Range { lte: self.lte, lt: self.lt, ..Range::default() };
        let or_now = Func::coalesce([instant.clone(), Expr::value(now)]);
        Condition::all()
            .add(Condition::any().add(instant.clone().is_null()).add(lower.on(instant)))
            .add(upper.on(Expr::from(or_now)))
    }
}

/// Whether a DAG needs one of the tags or all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TagMatch {
    /// One is enough.
    #[default]
    Any,
    /// It needs all.
    All,
}

/// The microseconds between two columns, exactly; NULL while one is. Neither database has a function for it that both
/// have.
pub(super) fn micros_between(backend: DbBackend, start: Expr, end: Expr) -> Expr {
    micros(backend, end).sub(micros(backend, start))
}

fn micros(backend: DbBackend, instant: Expr) -> Expr {
    match backend {
        DbBackend::Postgres => Expr::cust_with_exprs("CAST(EXTRACT(EPOCH FROM $1) * 1000000 AS BIGINT)", [instant]),
        // Instants are texts such as `2026-11-21T08:00:00.123456+00:00`, with 0, 3 or 6 digits after the point.
        _ => Expr::cust_with_exprs(
            "(CAST(STRFTIME('%s', ?) AS INTEGER) * 1000000 \
             + CAST(SUBSTR(REPLACE(SUBSTR(?, 20), '+00:00', '') || '0000000', 2, 6) AS INTEGER))",
            [instant.clone(), instant],
        ),
    }
}

/// A bound on a duration, from seconds to microseconds.
pub(super) fn micros_range(seconds: Range<f64>) -> Range<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and no run takes 292,000 years")]
    let micros = |seconds: f64| (seconds * 1e6).round() as i64;
    Range {
        gte: seconds.gte.map(micros),
        gt: seconds.gt.map(micros),
        lte: seconds.lte.map(micros),
        lt: seconds.lt.map(micros),
    }
}
