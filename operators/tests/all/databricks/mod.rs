//! Databricks: the operators and sensors against a strict stand-in for a workspace.

mod arguments;
mod crowd;
mod elsewhere;
mod engine;
mod fake;
mod once;
mod retrying;
mod rules;
mod runs;
mod signing_in;
mod sql;
mod sql_once;
mod stopping;
mod waiting;

use std::sync::Arc;

use operators::databricks::Workspaces;
use scheduler::connection::Connection;
use scheduler::operator::{Operator, Outcome, TaskError};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::bomb;
use crate::support::{Bench, Connections, HeldSlot};
use fake::{Fake, TOKEN};

/// The connection as the seeds type it.
pub fn connection(fake: &Fake) -> Connection {
    let mut connection = Connection::new("databricks_default", "databricks");
    connection.extra = object(json!({ "token": TOKEN, "host": format!("{}/", fake.url()) }));
    connection
}

#[expect(clippy::needless_pass_by_value, reason = "it is written on the spot")]
pub fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// A home whose only connection leads to `fake`.
pub fn bench(fake: &Fake) -> Bench {
    bench_with(connection(fake))
}

pub fn bench_with(connection: Connection) -> Bench {
    let mut bench = Bench::new();
    bench.ctx.secrets = Arc::new(Connections(vec![connection]));
    bench
}

/// Makes of a bench the next try of the same task.
pub fn next_try(bench: &mut Bench) {
    bench.ctx.try_number += 1;
    bench.ctx.try_id = Uuid::new_v4();
}

/// Makes a try that nobody wants any more as soon as it waits.
pub async fn withdrawn_once_it_waits<O: Operator>(
    bench: &mut Bench,
    operator: &O,
    args: Value,
) -> Result<Outcome, TaskError> {
    let slot = Arc::new(HeldSlot::default());
    bench.ctx.slot = slot.clone();
    let stopping = async {
        slot.reason().await;
        bench.ctx.withdrawn.cancel();
        bench.ctx.cancelled.cancel();
    };
    tokio::join!(bench.run(operator, args), stopping).0
}

/// Arguments that are quick: a notebook on a cluster.
pub fn notebook(more: Value) -> Value {
    let mut args = json!({
        "notebook_task": { "notebook_path": "/Users/me@example.com/clean" },
        "existing_cluster_id": "1108-162752-8okw8dgg",
        "polling_period_seconds": 0.1,
        "databricks_retry_delay": 0.01,
    });
    args.as_object_mut().unwrap().extend(object(more));
    args
}

pub fn submit_run() -> operators::databricks::SubmitRun {
    operators::databricks::SubmitRun::new(Workspaces::default())
}

/// The XComs of a success, `return_value` among them.
pub fn xcoms(outcome: Result<Outcome, TaskError>) -> Map<String, Value> {
    match outcome.expect("the try succeeds") {
        Outcome::Success { return_value, xcoms, .. } => {
            xcoms.into_iter().chain([("return_value".to_owned(), return_value)]).collect()
        }
        Outcome::Skipped { reason } => panic!("skipped: {reason}"),
    }
}
