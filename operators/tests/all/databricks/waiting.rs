//! The sensors.

use std::time::Duration;

use operators::databricks::{Lookout, PartitionSensor, RunSensor, Sql, SqlSensor, StatementSensor, Workspaces};
use scheduler::operator::{Operator, Outcome, Verdict};
use serde_json::{Value, json};

use super::fake::{Answer, FAILED, Fake, Fault, PENDING, RUNNING, Run, SUCCESS};
use super::{bench, object, withdrawn_once_it_waits};

fn lookout() -> Lookout {
    Lookout::new(Workspaces::default())
}

fn args(more: Value) -> Value {
    let mut args = json!({ "poke_interval": 0.1, "timeout": 30 });
    args.as_object_mut().unwrap().extend(object(more));
    args
}

fn rows(count: usize) -> Answer {
    Answer::rows(&[("one", "INT")], vec![vec![vec![json!("1")]; count]])
}

/// What is told of a table whose partitions have these columns.
fn detail(columns: &str) -> Answer {
    let names = [("format", "STRING"), ("partitionColumns", "ARRAY")];
    Answer::rows(&names, vec![vec![vec![json!("delta"), json!(columns)]]])
}

#[tokio::test]
async fn a_query_is_awaited_until_it_has_a_row() {
    let fake = Fake::start().await;
    fake.answers("SELECT 1 FROM pins", Answer { waits: 1, ..rows(0) });
    let bench = bench(&fake);
    let sensor = SqlSensor(lookout());
    let run = bench.run(&sensor, args(json!({ "sql": "SELECT 1 FROM pins", "sql_warehouse_name": "small" })));
    let arrive = async {
        while fake.inside().statements.len() < 3 {
            tokio::task::yield_now().await;
        }
        fake.answers("SELECT 1 FROM pins", rows(1));
    };
    assert!(matches!(tokio::join!(run, arrive).0, Ok(Outcome::Success { .. })));
    assert!(fake.inside().statements.len() > 3);
}

#[tokio::test]
async fn a_query_with_a_mistake_fails_the_sensor_for_good() {
    let fake = Fake::start().await;
    fake.answers("SELECT x", Answer { error: Some(("BAD_REQUEST", "no column x")), ..rows(0) });
    let error = bench(&fake)
        .run(&SqlSensor(lookout()), args(json!({ "sql": "SELECT x", "warehouse_id": "w" })))
        .await
        .unwrap_err();
    assert_eq!(error.verdict, Verdict::Fail);
    assert!(error.to_string().contains("no column x"), "{error}");
}

#[tokio::test]
async fn a_partition_is_awaited_by_the_columns_of_the_table() {
    let fake = Fake::start().await;
    fake.answers("DESCRIBE DETAIL default.pins", detail("[\"day\"]"));
    fake.answers("DESCRIBE DETAIL default.flat", detail("[]"));
    fake.answers("SELECT 1 FROM default.pins WHERE `day` = :p0 LIMIT 1", rows(1));
    let run = async |more: Value| bench(&fake).run(&PartitionSensor(lookout()), args(more)).await;
    let wanted = |table: &str, column: &str| json!({ "table_name": table, "partitions": { column: "2026-01-01" }, "warehouse_id": "w" });
    assert!(matches!(run(wanted("pins", "day")).await, Ok(Outcome::Success { .. })));
    for (table, column, words) in [("pins", "hour", "which are by day"), ("flat", "day", "has no partitions")] {
        let error = run(wanted(table, column)).await.unwrap_err();
        assert!(error.verdict == Verdict::Fail && error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_run_is_awaited_and_its_failure_is_the_sensors() {
    let fake = Fake::start().await;
    let run =
        |script: &[super::fake::Step]| Run { script: script.to_vec().into(), request: json!({}), ..Run::default() };
    fake.inside().runs.extend([(5, run(&[PENDING, RUNNING, SUCCESS])), (6, run(&[RUNNING, FAILED]))]);
    assert!(matches!(
        bench(&fake).run(&RunSensor(lookout()), args(json!({ "run_id": 5 }))).await,
        Ok(Outcome::Success { .. })
    ));
    let error = bench(&fake).run(&RunSensor(lookout()), args(json!({ "run_id": 6 }))).await.unwrap_err();
    assert!(error.to_string().contains("TERMINATED FAILED"), "{error}");
}

#[tokio::test]
async fn a_statement_that_another_task_sent_is_awaited() {
    let fake = Fake::start().await;
    fake.answers("SELECT 1", Answer { waits: 2, ..rows(1) });
    fake.answers("SELECT x", Answer { error: Some(("BAD_REQUEST", "no column x")), ..rows(0) });
    let sent = async |sql: &str| {
        let operator = Sql::new(Workspaces::default(), crate::context::nowhere());
        let args = json!({ "sql": sql, "warehouse_id": "w", "wait_for_termination": false });
        super::xcoms(bench(&fake).run(&operator, args).await)["statement_id"].clone()
    };
    let wait =
        async |id: Value| bench(&fake).run(&StatementSensor(lookout()), args(json!({ "statement_id": id }))).await;

    assert!(matches!(wait(sent("SELECT 1").await).await, Ok(Outcome::Success { .. })));
    let failed = wait(sent("SELECT x").await).await.unwrap_err();
    assert!(failed.to_string().contains("no column x"), "{failed}");
    let unknown = wait(json!("01ef-none")).await.unwrap_err();
    assert_eq!(unknown.verdict, Verdict::Fail, "{unknown}");
    let sends: Vec<Value> = fake.inside().statements.keys().map(|id| json!(id)).collect();
    assert_eq!(sends.len(), 2, "the sensor sends nothing");
}

#[tokio::test]
async fn a_sensor_that_is_cancelled_stops_and_asks_no_more() {
    let fake = Fake::start().await;
    let run = Run { script: [RUNNING].into(), request: json!({}), ..Run::default() };
    fake.inside().runs.insert(5, run);
    fake.answers("SELECT 1", rows(0));
    let sql = args(json!({ "sql": "SELECT 1", "warehouse_id": "w" }));
    stops(&fake, &SqlSensor(lookout()), sql).await;
    stops(&fake, &RunSensor(lookout()), args(json!({ "run_id": 5 }))).await;
    assert_eq!(fake.runs()[0].cancels, 0, "the run is not the sensor's");

    fake.answers("DESCRIBE DETAIL default.pins", detail("[\"day\"]"));
    fake.answers("SELECT 1 FROM default.pins WHERE `day` = :p0 LIMIT 1", rows(0));
    let partition = args(json!({ "table_name": "pins", "partitions": { "day": "2026-01-01" }, "warehouse_id": "w" }));
    stops(&fake, &PartitionSensor(lookout()), partition).await;

    fake.answers("SELECT 2", Answer { waits: usize::MAX, ..rows(1) });
    let operator = Sql::new(Workspaces::default(), crate::context::nowhere());
    let send = json!({ "sql": "SELECT 2", "warehouse_id": "w", "wait_for_termination": false });
    let id = super::xcoms(bench(&fake).run(&operator, send).await)["statement_id"].clone();
    stops(&fake, &StatementSensor(lookout()), args(json!({ "statement_id": id }))).await;
    assert!(fake.inside().statements.values().all(|sent| !sent.is_cancelled), "the statement is not the sensor's");
}

#[tokio::test]
async fn a_query_of_a_sensor_that_is_cancelled_is_cancelled_at_the_warehouse() {
    let fake = Fake::start().await;
    for sql in ["SELECT 1", "SELECT 1 FROM default.pins WHERE `day` = :p0 LIMIT 1"] {
        fake.answers(sql, Answer { waits: usize::MAX, ..rows(0) });
    }
    fake.answers("DESCRIBE DETAIL default.pins", detail("[\"day\"]"));
    let sql = args(json!({ "sql": "SELECT 1", "warehouse_id": "w" }));
    stops_in_the_midst(&fake, &SqlSensor(lookout()), sql, 1).await;
    let partition = args(json!({ "table_name": "pins", "partitions": { "day": "2026-01-01" }, "warehouse_id": "w" }));
    stops_in_the_midst(&fake, &PartitionSensor(lookout()), partition, 3).await;
}

/// A warehouse that waits for the end of a query before it answers, as it is asked to, answers some time after the sensor was
/// stopped; only then the query has a number.
#[tokio::test]
async fn a_query_whose_number_is_not_known_yet_is_cancelled_as_well() {
    let fake = Fake::start().await;
    fake.answers("SELECT 1", Answer { waits: usize::MAX, ..rows(0) });
    fake.faults("statements", [Fault::Slow(Duration::from_secs(6))]);
    let sql = args(json!({ "sql": "SELECT 1", "warehouse_id": "w" }));
    stops_in_the_midst(&fake, &SqlSensor(lookout()), sql, 1).await;
}

/// Stops a sensor whose query, the n-th statement of all, goes on.
async fn stops_in_the_midst<O: Operator>(fake: &Fake, sensor: &O, args: Value, sent: usize) {
    let bench = bench(fake);
    let stop = async {
        while fake.inside().statements.len() < sent {
            tokio::task::yield_now().await;
        }
        bench.ctx.withdrawn.cancel();
        bench.ctx.cancelled.cancel();
    };
    let (ended, ()) = tokio::join!(bench.run(sensor, args), stop);
    assert_eq!(ended.unwrap_err().verdict, Verdict::Cancelled, "{}", O::NAME);
    let last = fake.inside().statements.values().last().unwrap().clone();
    assert!(last.is_cancelled, "{}: {}", O::NAME, last.request);
}

async fn stops<O: Operator>(fake: &Fake, sensor: &O, args: Value) {
    let ended = withdrawn_once_it_waits(&mut bench(fake), sensor, args).await;
    assert_eq!(ended.unwrap_err().verdict, Verdict::Cancelled, "{}", O::NAME);
}
