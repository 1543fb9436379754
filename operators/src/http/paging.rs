//! Answers in pages: what is asked for next.

use anyhow::anyhow;
use reqwest::Url;
use reqwest::header::LINK;
use scheduler::operator::{ArgumentProblem, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::answer::{Answer, NAMES};
use super::request::{Expressions, Request};

/// The ways to the next page, of which there is one.
const WAYS: [&str; 4] = ["link_header", "next_url", "cursor", "start"];

/// How the next page is asked for: by one of `link_header`, `next_url`, `cursor` and `start`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pagination {
    /// By the address that the header `Link` calls `next`.
    #[serde(default)]
    link_header: bool,
    /// An expression that makes the address of the next page; nothing at the last one: `json.next`.
    #[serde(default)]
    next_url: Option<String>,
    /// An expression that makes the `parameter` of the next page; nothing at the last one: `json.next_cursor`.
    #[serde(default)]
    cursor: Option<String>,
    /// The first number of the `parameter`, which grows by `step`, until `until` holds.
    #[serde(default)]
    start: Option<i64>,
    /// By how much the number grows: 1 for pages, their length for offsets.
    #[serde(default = "one")]
    step: i64,
    /// The name of a parameter in the address.
    #[serde(default)]
    parameter: Option<String>,
    /// An expression that holds of the last page: `json.items | length == 0`.
    #[serde(default)]
    until: Option<String>,
    /// With more pages than this the task fails.
    #[serde(default = "a_thousand")]
    #[schemars(range(min = 1))]
    pages_max: u32,
}

fn one() -> i64 {
    1
}

fn a_thousand() -> u32 {
    1000
}

impl Pagination {
    /// The request for the first page.
    pub(super) fn first(&self, request: Request) -> Request {
        match (&self.parameter, self.start) {
            (Some(name), Some(start)) => with_parameter(&request, name, &start.to_string()),
            _ => request,
        }
    }

    /// The request for the page after `answer`, which was the `page`th, from 1.
    pub(super) fn next(&self, asked: &Request, answer: &Answer, page: u32) -> Result<Option<Request>, TaskError> {
        if let Some(until) = &self.until
            && answer.holds("until", until)?
        {
            return Ok(None);
        }
        let next = match (&self.next_url, &self.cursor, self.start) {
            (Some(expression), ..) => {
                told(answer.evaluate("next_url", expression)?).map(|url| leading_to(asked, answer, &url)).transpose()?
            }
            (_, Some(expression), _) => {
                let parameter = self.parameter.as_deref().unwrap_or_default();
                told(answer.evaluate("cursor", expression)?).map(|cursor| with_parameter(asked, parameter, &cursor))
            }
            (.., Some(start)) => {
                let parameter = self.parameter.as_deref().unwrap_or_default();
                let number = start.saturating_add(self.step.saturating_mul(i64::from(page)));
                Some(with_parameter(asked, parameter, &number.to_string()))
            }
            (None, None, None) if self.link_header => {
                let mut links = answer.headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
                let next = links.find_map(link_called_next);
                next.map(|url| leading_to(asked, answer, url)).transpose()?
            }
            (None, None, None) => None,
        };
        match next {
            Some(next) if next.url == asked.url => Err(TaskError::fail(anyhow!(
                "page {page} leads to itself; does `pagination` say where the next one is?"
            ))),
            Some(_) if page >= self.pages_max => {
                let problem = anyhow!("there are more than {page} pages; let `pages_max` be greater, or ask for less");
                Err(TaskError::fail(problem))
            }
            next => Ok(next),
        }
    }

    /// Mistakes that the schema cannot express; `args` are those of the operator.
    pub(super) fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let Some(own) = args.get("pagination").and_then(Value::as_object) else { return Vec::new() };
        let mut problems = Vec::new();
        let mut problem = |key: &str, message: String| {
            let pointer = if key.is_empty() { "/pagination".to_owned() } else { format!("/pagination/{key}") };
            problems.push(ArgumentProblem { pointer, message, help: None });
        };
        let is_there = |key: &&str| own.get(*key).is_some_and(|value| !value.is_null() && value != false);
        let ways: Vec<&str> = WAYS.into_iter().filter(|key| is_there(key)).collect();
        match ways.as_slice() {
            [] => problem("", format!("it needs one of `{}`", WAYS.join("`, `"))),
            [way] => {
                let needs_parameter = matches!(*way, "cursor" | "start");
                if needs_parameter && !is_there(&"parameter") {
                    problem(way, format!("`{way}` needs a `parameter` to put it into"));
                }
                if *way == "start" && !is_there(&"until") {
                    problem("start", "numbers have no end; say with `until` which page is the last".to_owned());
                }
            }
            [first, second, ..] => problem(second, format!("`{first}` and `{second}` exclude each other")),
        }
        let expressions = ["/pagination/next_url", "/pagination/cursor", "/pagination/until"];
        problems.extend(Expressions::check(args, &expressions, NAMES));
        problems
    }
}

/// What an expression said of the next page, if anything.
fn told(value: Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    }
}

/// The same request to another address of the same server.
fn leading_to(asked: &Request, answer: &Answer, url: &str) -> Result<Request, TaskError> {
    let fail = |problem: &str| TaskError::fail(anyhow!("the next page is {problem}"));
    let url = answer.url.join(url).map_err(|_| fail("no address"))?;
    // Its headers, which may be keys, are for the server that was asked.
    if url.origin() != asked.url.origin() {
        return Err(fail("on another server than the first; ask that one"));
    }
    Ok(Request { url, ..asked.clone() })
}

fn with_parameter(request: &Request, name: &str, value: &str) -> Request {
    let mut url: Url = request.url.clone();
    let others: Vec<(String, String)> = request
        .url
        .query_pairs()
        .filter(|(key, _)| key != name)
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
    Request { url, ..request.clone() }
}

/// The address that a header `Link` calls `next` (RFC 8288).
fn link_called_next(links: &str) -> Option<&str> {
    let mut rest = links;
    while let Some((_, after)) = rest.split_once('<') {
        let (url, after) = after.split_once('>')?;
        let parameters = after.split('<').next().unwrap_or_default();
        let is_next = parameters.split(';').any(|parameter| {
            let Some((name, value)) = parameter.trim().trim_end_matches(',').split_once('=') else { return false };
            let value = value.trim().trim_end_matches(',').trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && value.split_whitespace().any(|word| word.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(url);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_links() {
        let table = [
            (r#"<https://h/p?page=2>; rel="next", <https://h/p?page=9>; rel="last""#, Some("https://h/p?page=2")),
            (
                r#"<https://h/p?page=1>; rel="prev", <https://h/p?a=1,2>; title="x"; REL="last next""#,
                Some("https://h/p?a=1,2"),
            ),
            ("</p/2>;rel=next", Some("/p/2")),
            (r#"<https://h/p?page=9>; rel="last""#, None),
            ("rubbish", None),
        ];
        for (links, expected) in table {
            assert_eq!(link_called_next(links), expected, "{links}");
        }
    }

    #[test]
    fn a_parameter_takes_the_place_of_itself() {
        let request = Request {
            method: reqwest::Method::GET,
            url: "https://h/p?page=1&a=b%20c".parse().unwrap(),
            headers: reqwest::header::HeaderMap::new(),
            body: None,
        };
        assert_eq!(with_parameter(&request, "page", "2").url.as_str(), "https://h/p?a=b+c&page=2");
    }
}
