//! `http`: asks a server, and keeps what it answers.
//!
//! ```yaml
//! - task_id: orders
//!   operator: http
//!   conn_id: shop                   # or url: https://shop.example/api
//!   endpoint: /orders
//!   query: {since: "{{ ds }}"}
//!   pagination: {next_url: json.next}
//!   response_filter: json.orders
//!   save_to: s3://lake/orders/{{ ds }}.jsonl
//! ```
//!
//! ```text
//!   request ──call──> answer ──check──> filter ──> XCom, or a file
//!      ^                 │
//!      └── next page ────┘
//! ```
//!
//! [`request`]: the arguments that make a request, which the sensor has, too. [`call`]: one request until there is an answer.
//! [`answer`]: what expressions see of an answer. [`paging`]: what is asked for next. [`keep`]: where answers go.

mod answer;
mod args;
mod call;
mod keep;
mod operator;
mod paging;
mod request;

pub(crate) use answer::NAMES;
pub use args::HttpArgs;
pub(crate) use args::of_any_class;
pub(crate) use call::{Caller, Destination};
pub use operator::Http;
pub use request::RequestArgs;
pub(crate) use request::{Expressions, Request, Statuses};
