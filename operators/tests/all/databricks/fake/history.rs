//! The history of the queries on a warehouse, after the public description of the Query History API. It hears of a query later
//! than the warehouse does, shows the youngest first, page by page, and has a token for the next page also when there is none.

use std::collections::HashMap;

use scheduler::clock::Clock;
use serde_json::{Value, json};

use super::{Inside, Reply, Statement, error, ok};

/// Queries of one page, so that few queries are several pages.
const PAGE: usize = 2;

/// What is known about a filter; it may be asked for by several names, as the API has them.
const FILTER: [&str; 6] = [
    "filter_by.warehouse_ids",
    "filter_by.query_start_time_range.start_time_ms",
    "filter_by.query_start_time_range.end_time_ms",
    "filter_by.statuses",
    "filter_by.user_ids",
    "filter_by.statement_ids",
];

/// How the history behaves.
#[derive(Default)]
pub struct History {
    /// It is looked at so often before it knows of a query.
    pub lag: usize,
    /// Whether it is not for whoever asks.
    pub is_closed: bool,
    /// Queries of others, all younger.
    pub others: Vec<&'static str>,
    /// The filters of the pages that were begun.
    filters: Vec<HashMap<String, String>>,
}

impl Inside {
    pub(super) fn queries(&mut self, query: &HashMap<String, String>) -> Result<Reply, Reply> {
        if self.history.is_closed {
            return Err(error(403, "PERMISSION_DENIED", "You do not have permission to view the query history."));
        }
        check(query)?;
        let (number, start) = self.place(query)?;
        let filter = self.history.filters[number].clone();
        let others = self.history.others.iter().enumerate().map(|(at, text)| {
            json!({ "query_id": format!("other-{at}"), "status": "FINISHED", "query_text": text, "warehouse_id": "w1" })
        });
        let ours = self.statements.iter().rev().filter(|(_, one)| one.unheard == 0 && is_in(one, &filter));
        let all: Vec<Value> = others.chain(ours.map(|(id, one)| entry(id, one))).collect();
        if start == 0 {
            self.statements.values_mut().for_each(|one| one.unheard = one.unheard.saturating_sub(1));
        }
        let mut answer = json!({
            "next_page_token": format!("{number}+{}", start + PAGE),
            "has_next_page": start + PAGE < all.len(),
        });
        let page: Vec<Value> = all.into_iter().skip(start).take(PAGE).collect();
        if !page.is_empty() {
            answer["res"] = Value::Array(page);
        }
        Ok(ok(&answer))
    }

    /// Which filter holds, and where the page begins. A token stands for its filter, and takes no other.
    fn place(&mut self, query: &HashMap<String, String>) -> Result<(usize, usize), Reply> {
        let mut filter = query.clone();
        filter.retain(|name, _| name.starts_with("filter_by."));
        let Some(token) = query.get("page_token") else {
            self.history.filters.push(filter);
            return Ok((self.history.filters.len() - 1, 0));
        };
        let place = token.split_once('+').and_then(|(number, start)| Some((number.parse().ok()?, start.parse().ok()?)));
        match place {
            Some((number, _)) if !filter.is_empty() && self.history.filters.get(number) != Some(&filter) => {
                let message = "When providing a page token and a filter, the filter must match the filter represented by the page token.";
                Err(invalid(message))
            }
            Some((number, start)) if number < self.history.filters.len() => Ok((number, start)),
            _ => Err(invalid("page_token is none")),
        }
    }
}

fn check(query: &HashMap<String, String>) -> Result<(), Reply> {
    for (name, value) in query {
        let is_good = match name.as_str() {
            "max_results" => value.parse().is_ok_and(|count: u32| (1..1000).contains(&count)),
            "include_metrics" => matches!(value.as_str(), "true" | "false"),
            "page_token" => true,
            name if name.ends_with("_time_ms") => FILTER.contains(&name) && value.parse::<i64>().is_ok(),
            name => FILTER.contains(&name),
        };
        if !is_good {
            return Err(invalid(&format!("{name}: {value}")));
        }
    }
    Ok(())
}

fn invalid(message: &str) -> Reply {
    error(400, "INVALID_PARAMETER_VALUE", message)
}

/// When a statement is sent.
pub(super) fn now() -> i64 {
    Clock::System.now().timestamp_millis()
}

fn is_in(statement: &Statement, filter: &HashMap<String, String>) -> bool {
    let bound = |end: &str| {
        filter.get(&format!("filter_by.query_start_time_range.{end}")).map(|time| time.parse::<i64>().unwrap())
    };
    filter.get("filter_by.warehouse_ids").is_none_or(|id| statement.request["warehouse_id"] == id.as_str())
        && bound("start_time_ms").is_none_or(|start| statement.sent_at >= start)
        && bound("end_time_ms").is_none_or(|end| statement.sent_at <= end)
}

fn entry(id: &str, statement: &Statement) -> Value {
    json!({
        "query_id": id,
        "status": match (statement.is_cancelled, statement.answer.error, statement.looks <= statement.answer.waits) {
            (true, ..) => "CANCELED",
            (false, Some(_), _) => "FAILED",
            (false, None, true) => "RUNNING",
            (false, None, false) => "FINISHED",
        },
        "query_text": statement.request["statement"],
        "query_start_time_ms": statement.sent_at,
        "warehouse_id": statement.request["warehouse_id"],
        "user_name": "me@example.com",
        "a_field_of_tomorrow": { "x": [1] },
    })
}
