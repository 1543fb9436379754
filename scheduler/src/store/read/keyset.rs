//! Orders and pages: by offset, or by the keys of the rows at a page's edges.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, NullOrdering, Query};
use sea_orm::{
    Condition, ConnectionTrait, EntityTrait, Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::error::{StoreError, doing};

/// In cursor mode the total is counted up to here (Airflow 3: `total_entries_limit`).
pub const CURSOR_TOTAL_MAX: u64 = 50_000;

/// Rows, and how many match beside them.
#[derive(Clone, Debug)]
pub struct Listing<R> {
    /// The page.
    pub rows: Vec<R>,
    /// The number of rows that match, whatever the page; in cursor mode at most [`CURSOR_TOTAL_MAX`].
    pub total: u64,
    /// The token of the page after this one, in cursor mode.
    pub next: Option<String>,
    /// The token of the page before this one, in cursor mode.
    pub previous: Option<String>,
}

/// Which rows of a list.
#[derive(Clone, Debug)]
pub enum Paging {
    /// So many, after so many.
    Offset {
        /// Most rows.
        limit: u64,
        /// Rows before.
        offset: u64,
    },
    /// So many, from where another page ended.
    Cursor {
        /// Most rows.
        limit: u64,
        /// Where; none is the first page.
        at: Option<Cursor>,
    },
}

impl Paging {
    fn limit(&self) -> u64 {
        match self {
            Paging::Offset { limit, .. } | Paging::Cursor { limit, .. } => *limit,
        }
    }

    fn is_backward(&self) -> bool {
        matches!(self, Paging::Cursor { at: Some(Cursor { is_backward: true, .. }), .. })
    }
}

/// The edge of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    is_backward: bool,
    keys: Vec<KeyValue>,
}

/// A token that is no edge of a page in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor token does not fit this list")]
pub struct InvalidCursor;

impl Cursor {
    /// Reads a token made by [`Listing`], for a list in this order.
    ///
    /// # Errors
    /// [`InvalidCursor`] for anything else; a token comes from outside.
    pub fn read<R>(token: &str, sorting: &Sorting<R>) -> Result<Cursor, InvalidCursor> {
        let (is_backward, digits) = match token.strip_prefix('~') {
            Some(digits) => (true, digits),
            None => (false, token),
        };
        let bytes = unhex(digits).ok_or(InvalidCursor)?;
        let keys: Vec<KeyValue> = serde_json::from_slice(&bytes).map_err(|_| InvalidCursor)?;
        let fits = keys.len() == sorting.keys.len()
            && keys.iter().zip(&sorting.keys).all(|(value, (key, _))| value.is_null() || value.same_kind(key.kind));
        if fits { Ok(Cursor { is_backward, keys }) } else { Err(InvalidCursor) }
    }

    fn token(keys: &[KeyValue], is_backward: bool) -> Option<String> {
        let digits = hex(&serde_json::to_vec(keys).ok()?);
        Some(if is_backward { format!("~{digits}") } else { digits })
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) || digits.is_empty() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

/// The value of a row under a key of the order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum KeyValue {
    #[serde(rename = "n")]
    Null,
    #[serde(rename = "s")]
    Text(String),
    #[serde(rename = "i")]
    Number(i64),
    #[serde(rename = "t")]
    Instant(DateTime<Utc>),
    #[serde(rename = "u")]
    Uuid(Uuid),
}

/// What a key of an order holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Instant,
    Uuid,
}

impl KeyValue {
    fn is_null(&self) -> bool {
        matches!(self, KeyValue::Null)
    }

    fn same_kind(&self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (KeyValue::Text(_), Kind::Text)
                | (KeyValue::Number(_), Kind::Number)
                | (KeyValue::Instant(_), Kind::Instant)
                | (KeyValue::Uuid(_), Kind::Uuid)
        )
    }

    fn expr(&self) -> Option<Expr> {
        Some(match self {
            KeyValue::Null => return None,
            KeyValue::Text(value) => Expr::value(value.clone()),
            KeyValue::Number(value) => Expr::value(*value),
            KeyValue::Instant(value) => Expr::value(*value),
            KeyValue::Uuid(value) => Expr::value(*value),
        })
    }
}

impl From<Option<DateTime<Utc>>> for KeyValue {
    fn from(instant: Option<DateTime<Utc>>) -> KeyValue {
        instant.map_or(KeyValue::Null, KeyValue::Instant)
    }
}

impl From<&str> for KeyValue {
    fn from(text: &str) -> KeyValue {
        KeyValue::Text(text.to_owned())
    }
}

impl From<Option<&str>> for KeyValue {
    fn from(text: Option<&str>) -> KeyValue {
        text.map_or(KeyValue::Null, KeyValue::from)
    }
}

impl From<i32> for KeyValue {
    fn from(number: i32) -> KeyValue {
        KeyValue::Number(i64::from(number))
    }
}

/// Something that rows can be put in order by.
#[derive(Debug)]
pub struct SortKey<R> {
    pub(super) expr: Expr,
    pub(super) kind: Kind,
    /// The same value, from a row that was read; none where the two cannot be told equal.
    pub(super) read: Option<fn(&R) -> KeyValue>,
}

impl<R> SortKey<R> {
    pub(super) fn new(expr: impl Into<Expr>, kind: Kind, read: fn(&R) -> KeyValue) -> SortKey<R> {
        SortKey { expr: expr.into(), kind, read: Some(read) }
    }

    pub(super) fn without_cursor(expr: impl Into<Expr>, kind: Kind) -> SortKey<R> {
        SortKey { expr: expr.into(), kind, read: None }
    }
}

/// Which way an order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// The order of a list. Rows without a value come last, whichever way it goes (Airflow 3).
#[derive(Debug)]
pub struct Sorting<R> {
    keys: Vec<(SortKey<R>, Direction)>,
}

impl<R> Sorting<R> {
    /// An order by these keys; the last ones must tell any two rows apart.
    pub fn new(keys: Vec<(SortKey<R>, Direction)>) -> Sorting<R> {
        Sorting { keys }
    }

    /// Whether pages can be cut by cursor.
    pub fn takes_cursors(&self) -> bool {
        self.keys.iter().all(|(key, _)| key.read.is_some())
    }

    fn edge(&self, row: &R) -> Option<Vec<KeyValue>> {
        self.keys.iter().map(|(key, _)| key.read.map(|read| read(row))).collect()
    }

    /// What is true of the rows beyond the edge.
    fn beyond(&self, cursor: &Cursor) -> Condition {
        let mut any = Condition::any();
        let mut equal_so_far = Condition::all();
        for ((key, direction), value) in self.keys.iter().zip(&cursor.keys) {
            if let Some(further) = further(key, *direction, value, cursor.is_backward) {
                any = any.add(equal_so_far.clone().add(further));
            }
            equal_so_far = equal_so_far.add(match value.expr() {
                Some(value) => key.expr.clone().eq(value),
                None => key.expr.clone().is_null(),
            });
        }
        any
    }
}

/// What is true of the values that come after `value`, or before it when going backward. None do when it is the last.
fn further<R>(key: &SortKey<R>, direction: Direction, value: &KeyValue, is_backward: bool) -> Option<Condition> {
    let expr = key.expr.clone();
    let Some(value) = value.expr() else {
        // Rows without a value are last, so something comes before them, and nothing after.
        return is_backward.then(|| Condition::all().add(expr.is_not_null()));
    };
    let wants_larger = (direction == Direction::Ascending) != is_backward;
    let beyond = if wants_larger { expr.clone().gt(value) } else { expr.clone().lt(value) };
    let any = Condition::any().add(beyond);
    Some(if is_backward { any } else { any.add(expr.is_null()) })
}

/// Reads a page, and whether there is more beyond it; rows come in the order of the list also when going backward.
pub(super) async fn fetch<E: EntityTrait, R>(
    db: &impl ConnectionTrait,
    mut select: Select<E>,
    sorting: &Sorting<R>,
    paging: &Paging,
) -> Result<(Vec<E::Model>, bool), StoreError> {
    let is_backward = paging.is_backward();
    for (key, direction) in &sorting.keys {
        let is_ascending = (*direction == Direction::Ascending) != is_backward;
        let order = if is_ascending { Order::Asc } else { Order::Desc };
        let nulls = if is_backward { NullOrdering::First } else { NullOrdering::Last };
        select = select.order_by_with_nulls(key.expr.clone(), order, nulls);
    }
    let limit = paging.limit();
    select = match paging {
        Paging::Offset { offset, .. } => select.limit(limit).offset(*offset),
        Paging::Cursor { at, .. } => {
            let select = match at {
                Some(cursor) => select.filter(sorting.beyond(cursor)),
                None => select,
            };
            select.limit(limit.saturating_add(1))
        }
    };
    let mut rows = select.all(db).await.map_err(doing("reading a page of a list"))?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > page;
    rows.truncate(page);
    if is_backward {
        rows.reverse();
    }
    Ok((rows, has_more))
}

/// The number of rows that match.
pub(super) async fn total<E: EntityTrait>(
    db: &impl ConnectionTrait,
    select: Select<E>,
    paging: &Paging,
) -> Result<u64, StoreError>
where
    E::Model: Sync + Send,
{
    match paging {
        Paging::Offset { .. } => select.count(db).await.map_err(doing("counting the rows of a list")),
        Paging::Cursor { .. } => {
            let some = select.select_only().expr(Expr::val(1)).limit(CURSOR_TOTAL_MAX).into_query();
            let count =
                Query::select().expr_as(Expr::cust("COUNT(*)"), "matching").from_subquery(some, "some_rows").to_owned();
            let row = db.query_one(&count).await.map_err(doing("counting the rows of a list"))?;
            let matching: i64 = match row {
                Some(row) => row.try_get("", "matching").map_err(doing("counting the rows of a list"))?,
                None => 0,
            };
            Ok(u64::try_from(matching).unwrap_or(0))
        }
    }
}

/// Puts a page together, with the tokens of the pages around it.
pub(super) fn listing<R>(
    rows: Vec<R>,
    has_more: bool,
    total: u64,
    sorting: &Sorting<R>,
    paging: &Paging,
) -> Listing<R> {
    let Paging::Cursor { at, .. } = paging else {
        return Listing { rows, total, next: None, previous: None };
    };
    let token = |row: Option<&R>, is_backward| {
        row.and_then(|row| sorting.edge(row)).and_then(|keys| Cursor::token(&keys, is_backward))
    };
    // Going backward we came from a page after this one; going forward, from a page before it unless it is the first.
    let (has_next, has_previous) = if paging.is_backward() { (true, has_more) } else { (has_more, at.is_some()) };
    let next = if has_next { token(rows.last(), false) } else { None };
    let previous = if has_previous { token(rows.first(), true) } else { None };
    Listing { rows, total, next, previous }
}
