//! The Query History API: finds a statement whose number is not known, because whoever sent it died or lost the answer.
//!
//! ```text
//!   mark ──kept──> text with the mark ──sent──> ┊ killed ┊ ──> history ──text with the mark──> number
//! ```
//!
//! The Statement Execution API has no token that makes two requests one. So what is sent has a mark in its text, which is
//! kept before; whoever finds a mark without a number asks the history of the warehouse for it.

use std::time::Duration;

use anyhow::anyhow;
use chrono::{DateTime, TimeDelta, Utc};
use scheduler::operator::{TaskContext, TaskError};
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::session::Session;
use super::workspace::Request;
use crate::time_limit;

const HISTORY: &str = "2.0/sql/history/queries";

/// Queries of one page; there must be less than 1000.
const PAGE: usize = 500;

/// So many pages of younger queries are leafed through at most.
const PAGES_MAX: usize = 100;

/// The history lags behind, nobody says how far, and a statement that it does not know yet would be sent twice: it is asked so often,
/// with pauses that double, from `databricks_retry_delay` on, up to a minute. With 1 s that is four minutes in all.
const LOOKS: u32 = 10;

/// The clock of the workspace may differ from ours by this.
const SKEW: TimeDelta = TimeDelta::minutes(10);

/// By what a statement is found in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// It stands in the text of the statement, and in no other text.
    token: String,
    /// Where it may have been sent.
    warehouse_ids: Vec<String>,
    /// It was not sent before.
    meant_at: DateTime<Utc>,
}

/// What the history says.
#[derive(Debug)]
pub(super) enum Sighting {
    /// It was sent, and has that number.
    Known(String),
    /// There is none, as far as the history knows.
    Unknown,
    /// Whoever asks may not read it.
    Unreadable(anyhow::Error),
}

impl Mark {
    /// Of the statement at that place in a try that begins it.
    pub(super) fn new(ctx: &TaskContext, at: usize) -> Mark {
        let token = format!("updraft-{}-{}", at + 1, ctx.try_id.simple());
        Mark { token, warehouse_ids: Vec::new(), meant_at: ctx.clock.now() }
    }

    /// It is about to be sent to that warehouse.
    pub(super) fn goes_to(&mut self, warehouse_id: &str) {
        if !self.warehouse_ids.iter().any(|known| known == warehouse_id) {
            self.warehouse_ids.push(warehouse_id.to_owned());
        }
    }

    /// A statement with the mark in it.
    // In front, because some commands take all that follows for theirs, comments too (`SET`), and a history that cuts long
    // texts cuts their ends; and without a line of its own, so that the lines that errors name are those of the author.
    pub(super) fn on(&self, sql: &str) -> String {
        format!("/* {} */ {sql}", self.token)
    }

    fn is_on(&self, text: &str) -> bool {
        text.contains(&self.token)
    }

    /// Looks for the statement until the history has had time to hear of it, or the try has taken as long as it may. Whoever has to
    /// wait for that needs no slot.
    pub(super) async fn look_for(&self, session: &Session, limit: Option<Duration>) -> Result<Sighting, TaskError> {
        for attempt in 1..LOOKS {
            match self.sighting(session).await.map_err(Failure::into_passing_error)? {
                Sighting::Unknown => {}
                sighting => return Ok(sighting),
            }
            if attempt == 1 {
                let log = &session.ctx.log;
                log.info(format_args!(
                    "The history does not know it yet; asks up to {LOOKS} times, because it lags behind"
                ));
            }
            session.ctx.defer("waits for a statement of Databricks to which there was no answer");
            rest(session, attempt, limit).await?;
        }
        self.sighting(session).await.map_err(Failure::into_passing_error)
    }

    async fn sighting(&self, session: &Session) -> Result<Sighting, Failure> {
        let mut page_token: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let page: Page = match session.ask(&self.request(page_token.as_deref(), session.ctx.clock.now())).await {
                Ok(page) => page,
                Err(failure) if failure.is_refusal() && !failure.trouble.may_retry => {
                    return Ok(Sighting::Unreadable(failure.trouble.error));
                }
                Err(failure) => return Err(failure),
            };
            if let Some(query) = page.res.into_iter().find(|query| self.is_on(&query.query_text)) {
                return Ok(Sighting::Known(query.query_id));
            }
            // The last page may have a token, too.
            page_token = match page.next_page_token {
                Some(token) if page.has_next_page && !token.is_empty() && page_token.as_ref() != Some(&token) => {
                    Some(token)
                }
                _ => return Ok(Sighting::Unknown),
            };
        }
        let error = anyhow!("it has more than {} queries since then", PAGE * PAGES_MAX);
        Ok(Sighting::Unreadable(error))
    }

    fn request(&self, page_token: Option<&str>, now: DateTime<Utc>) -> Request {
        let request = Request::get(HISTORY, "read the history of the warehouse").with("max_results", &PAGE);
        // It stands for the filter, too.
        if let Some(token) = page_token {
            return request.with("page_token", &token);
        }
        let (from, to) = (self.meant_at - SKEW, now + SKEW);
        let request = request
            .with("filter_by.query_start_time_range.start_time_ms", &from.timestamp_millis())
            .with("filter_by.query_start_time_range.end_time_ms", &to.timestamp_millis());
        self.warehouse_ids.iter().fold(request, |request, id| request.with("filter_by.warehouse_ids", id))
    }
}

/// Pauses, unless the try has taken as long as it may.
async fn rest(session: &Session, attempt: u32, limit: Option<Duration>) -> Result<(), TaskError> {
    tokio::select! {
        rested = session.rest(attempt) => rested.map_err(Failure::into_passing_error),
        error = time_limit::reached(limit, &session.ctx) => Err(error),
    }
}

/// A page, the youngest queries first.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    res: Vec<Query>,
    #[serde(default)]
    next_page_token: Option<String>,
    #[serde(default)]
    has_next_page: bool,
}

#[derive(Deserialize)]
struct Query {
    /// The number of the statement.
    query_id: String,
    #[serde(default)]
    query_text: String,
}
