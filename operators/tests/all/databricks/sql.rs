//! SQL on a warehouse: statements, their parameters, their rows in XCom and in files.

use std::sync::Arc;

use operators::databricks::{Sql, Workspaces};
use operators::location::S3;
use scheduler::operator::Verdict;
use serde_json::{Value, json};

use super::fake::{Answer, Fake};
use super::{bench, next_try, object, xcoms};
use crate::support::HeldSlot;

pub(super) fn sql() -> Sql {
    Sql::new(Workspaces::default(), S3::from_variables([]))
}

pub(super) fn args(more: Value) -> Value {
    let mut args = json!({ "warehouse_id": "w1", "polling_period_seconds": 0.1, "databricks_retry_delay": 0.001 });
    args.as_object_mut().unwrap().extend(object(more));
    args
}

pub(super) fn pins() -> Answer {
    let columns = [("category", "STRING"), ("posts", "LONG"), ("share", "DOUBLE"), ("tags", "ARRAY")];
    let row =
        |category: &str, posts: &str, share: &str| vec![json!(category), json!(posts), json!(share), json!("[\"a\"]")];
    let nothing = vec![Value::Null, json!("0"), json!("NaN"), Value::Null];
    Answer::rows(&columns, vec![vec![row("art", "3", "0.5"), row("say \"hi\", you", "2", "0.25")], vec![nothing]])
}

#[tokio::test]
async fn rows_come_with_their_types_and_from_all_chunks() {
    let fake = Fake::start().await;
    fake.answers("SELECT * FROM pins WHERE day = :day", Answer { waits: 3, ..pins() });
    let bench = bench(&fake);
    let more = json!({
        "sql": "SELECT * FROM pins WHERE day = :day", "catalog": "main", "schema": "lake",
        "parameters": { "day": "2026-01-01", "n": 5 },
    });
    let left = xcoms(bench.run(&sql(), args(more)).await);
    assert_eq!(
        left["return_value"],
        json!({
            "columns": ["category", "posts", "share", "tags"],
            "rows": [["art", 3, 0.5, ["a"]], ["say \"hi\", you", 2, 0.25, ["a"]], [null, 0, "NaN", null]],
            "row_count": 3,
        })
    );
    assert_eq!(left["statement_id"], "01ef-0001");
    let sent = &fake.requests("statements")[0];
    assert_eq!(
        (&sent["catalog"], &sent["schema"], &sent["disposition"]),
        (&json!("main"), &json!("lake"), &json!("INLINE"))
    );
    assert_eq!(sent["parameters"][1], json!({ "name": "n", "value": "5", "type": "BIGINT" }));
    let log = bench.log_text();
    assert!(log.contains("PENDING") && log.contains("RUNNING") && log.contains("SUCCEEDED"), "{log}");
}

#[tokio::test]
async fn files_are_written_from_links_in_the_cloud() {
    let fake = Fake::start().await;
    fake.answers("SELECT 1", pins());
    fake.inside().expired_links = 1;
    for (format, expected) in [
        (
            "csv",
            "category,posts,share,tags\nart,3,0.5,\"[\"\"a\"\"]\"\n\"say \"\"hi\"\", you\",2,0.25,\"[\"\"a\"\"]\"\n,0,NaN,\n",
        ),
        (
            "jsonl",
            "{\"category\":\"art\",\"posts\":3,\"share\":0.5,\"tags\":[\"a\"]}\n{\"category\":\"say \\\"hi\\\", you\",\"posts\":2,\"share\":0.25,\"tags\":[\"a\"]}\n{\"category\":null,\"posts\":0,\"share\":\"NaN\",\"tags\":null}\n",
        ),
    ] {
        let bench = bench(&fake);
        let more = json!({ "sql": "SELECT 1", "output_path": "out/answer", "output_format": format });
        let left = xcoms(bench.run(&sql(), args(more)).await);
        let file = bench.home().join("out/answer");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), expected);
        assert_eq!(left["return_value"]["output"], file.display().to_string());
        assert_eq!(std::fs::read_dir(bench.home().join("out")).unwrap().count(), 1, "nothing else is left");
    }
    let bench = bench(&fake);
    let more = json!({ "sql": "SELECT 1", "output_path": "answer.json", "output_format": "json", "max_rows": 1 });
    let left = xcoms(bench.run(&sql(), args(more)).await);
    let rows: Vec<Value> = serde_json::from_slice(&std::fs::read(bench.home().join("answer.json")).unwrap()).unwrap();
    assert_eq!((rows.len(), left["return_value"]["rows"].as_array().unwrap().len()), (3, 1));
    assert_eq!(left["return_value"]["row_count"], 3);
    assert!(fake.requests("statements").iter().any(|sent| sent["disposition"] == "EXTERNAL_LINKS"));
}

#[tokio::test]
async fn several_statements_go_one_after_the_other() {
    let fake = Fake::start().await;
    fake.answers("SELECT 2", pins());
    let left = xcoms(bench(&fake).run(&sql(), args(json!({ "sql": "CREATE TABLE a AS SELECT ';'; SELECT 2;" }))).await);
    assert_eq!(left["return_value"]["row_count"], 3);
    let all =
        xcoms(bench(&fake).run(&sql(), args(json!({ "sql": ["SELECT 1", "SELECT 2"], "return_last": false }))).await);
    assert_eq!(all["return_value"].as_array().unwrap().len(), 2);
    assert_eq!(fake.inside().statements.len(), 4);
}

#[tokio::test]
async fn the_warehouse_is_found_however_it_is_named() {
    let fake = Fake::start().await;
    let run = async |more: Value, extra: Option<&str>| {
        let mut connection = super::connection(&fake);
        if let Some(path) = extra {
            connection.extra.insert("http_path".to_owned(), path.into());
        }
        let mut args = json!({ "sql": "SELECT 1" });
        args.as_object_mut().unwrap().extend(object(more));
        super::bench_with(connection).run(&sql(), args).await
    };
    xcoms(run(json!({ "http_path": "/sql/1.0/warehouses/w2" }), None).await);
    xcoms(run(json!({ "sql_endpoint_name": "small" }), None).await);
    xcoms(run(json!({}), Some("/sql/1.0/endpoints/w3")).await);
    let used: Vec<Value> = fake.inside().statements.values().map(|sent| sent.request["warehouse_id"].clone()).collect();
    assert_eq!(used, ["w2", "w1", "w3"]);
    for (more, words) in [
        (json!({}), "not said on which SQL warehouse"),
        (json!({ "sql_endpoint_name": "huge" }), "there is no SQL warehouse `huge`"),
        (json!({ "http_path": "/sql/protocolv1/o/1/c" }), "leads to a cluster"),
    ] {
        let error = run(more, None).await.unwrap_err();
        assert!(error.verdict == Verdict::Fail && error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_statement_that_fails_says_why() {
    let fake = Fake::start().await;
    for (code, verdict) in [("BAD_REQUEST", Verdict::Fail), ("TEMPORARILY_UNAVAILABLE", Verdict::Retry)] {
        fake.answers("SELECT x", Answer { error: Some((code, "[UNRESOLVED_COLUMN] x")), ..pins() });
        let error = bench(&fake).run(&sql(), args(json!({ "sql": "SELECT x" }))).await.unwrap_err();
        assert_eq!(error.verdict, verdict);
        assert!(error.to_string().contains("[UNRESOLVED_COLUMN] x"), "{error}");
    }
}

#[tokio::test]
async fn a_statement_is_cancelled_with_its_try_and_left_alone_by_a_process_that_stops() {
    for is_withdrawn in [true, false] {
        let fake = Fake::start().await;
        fake.answers("SELECT 1", Answer { waits: 10_000, ..pins() });
        let mut bench = bench(&fake);
        let slot = Arc::new(HeldSlot::default());
        bench.ctx.slot = slot.clone();
        let operator = sql();
        let run = bench.run(&operator, args(json!({ "sql": "SELECT 1" })));
        let stop = async {
            assert_eq!(slot.reason().await, "waits for statement 01ef-0001 of Databricks");
            if is_withdrawn {
                bench.ctx.withdrawn.cancel();
            }
            bench.ctx.cancelled.cancel();
        };
        let error = tokio::join!(run, stop).0.unwrap_err();
        assert_eq!(error.verdict, Verdict::Cancelled);
        assert_eq!(fake.inside().statements["01ef-0001"].is_cancelled, is_withdrawn);
    }
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_cancelled_and_a_further_try_begins_anew() {
    let fake = Fake::start().await;
    fake.answers("SELECT 1", Answer { waits: 10_000, ..pins() });
    let mut bench = bench(&fake);
    let error = bench.run(&sql(), args(json!({ "sql": "SELECT 1", "timeout": 0.3 }))).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Retry);
    assert!(fake.inside().statements["01ef-0001"].is_cancelled);
    fake.answers("SELECT 1", pins());
    next_try(&mut bench);
    bench.ctx.started_at = bench.ctx.clock.now();
    xcoms(bench.run(&sql(), args(json!({ "sql": "SELECT 1" }))).await);
    assert_eq!(fake.inside().statements.len(), 2);
}

#[tokio::test]
async fn what_a_killed_process_left_is_cancelled_once_if_its_number_is_known() {
    let fake = Fake::start().await;
    fake.answers("SELECT 1", Answer { waits: usize::MAX, ..pins() });
    let mut bench = bench(&fake);
    let slot = Arc::new(HeldSlot::default());
    bench.ctx.slot = slot.clone();
    let operator = sql();
    // The process is gone while it waits.
    tokio::select! {
        _ = bench.run(&operator, args(json!({ "sql": "SELECT 1" }))) => panic!("it goes on"),
        _ = slot.reason() => {}
    }
    assert_eq!(bench.pushed.all()["statement_id"], "01ef-0001");
    for _ in 0..2 {
        bench.withdraw(&sql(), args(json!({ "sql": "SELECT 1" }))).await.unwrap();
    }
    assert!(fake.inside().statements["01ef-0001"].is_cancelled);
    assert_eq!(fake.requests("/cancel").len(), 1);

    fake.inside().statements.clear();
    bench.withdraw(&sql(), args(json!({ "sql": "SELECT 1" }))).await.unwrap();
}
