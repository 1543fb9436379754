//! Checks of databases and `branch_sql`, on Postgres, MariaDB and SQLite.

use operators::branch_sql::BranchSql;
use operators::notifiers::Environment;
use operators::registry_with;
use operators::sql_check::column::SqlColumnCheck;
use operators::sql_check::interval::SqlIntervalCheck;
use operators::sql_check::table::SqlTableCheck;
use operators::sql_check::value::SqlCheck;
use scheduler::dag::spec::{self, SourceFile};
use scheduler::operator::{Next, Operator, Outcome, TaskError, Verdict};
use serde_json::{Value, json};

use crate::context::nowhere;
use crate::mariadb::PASSWORD;
use crate::sql::Server;
use crate::support::Bench;

fn environment() -> Environment {
    Environment::of([("DB_PASSWORD".to_owned(), PASSWORD.to_owned())])
}

/// A table with orders of two days, a week apart.
async fn with_orders(server: &Server) -> Bench {
    let bench = Bench::new();
    let sql = "CREATE TABLE orders (id INT, day DATE, price DECIMAL(8,2), label VARCHAR(10));
               INSERT INTO orders VALUES (1, '2026-11-21', 10.50, 'a'), (2, '2026-11-21', 0.00, 'b'),
               (3, '2026-11-21', 20.00, NULL), (3, '2026-11-14', 4.00, 'c')";
    server.run(&bench, json!({ "sql": sql })).await;
    bench
}

async fn check<O: Operator>(server: &Server, bench: &Bench, operator: &O, args: Value) -> Result<Outcome, TaskError> {
    bench.run(operator, server.args(&args)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_held_against_what_it_should_be() {
    for server in Server::all().await {
        let bench = with_orders(&server).await;
        let operator = SqlCheck::new(environment());
        let kind = server.kind;
        for (args, failure) in [
            (json!({ "sql": "SELECT COUNT(*), MAX(price) FROM orders" }), None),
            (
                json!({ "sql": "SELECT COUNT(*) AS n, MIN(price) AS least FROM orders" }),
                Some("1 of 2 checks failed: `least` is "),
            ),
            (json!({ "sql": "SELECT id FROM orders WHERE id = 9" }), Some("the query has no row")),
            (
                json!({ "sql": "SELECT COUNT(*) FROM orders WHERE id = :id", "parameters": { "id": 3 }, "pass_value": 2 }),
                None,
            ),
            (json!({ "sql": "SELECT SUM(price) FROM orders", "pass_value": 30, "tolerance": 0.2 }), None),
            (json!({ "sql": "SELECT SUM(price) AS total FROM orders", "pass_value": 30 }), Some("which should be 30")),
            (json!({ "sql": "SELECT label FROM orders WHERE id = 1", "pass_value": "a" }), None),
            (
                json!({ "sql": "SELECT label FROM orders WHERE id = 2", "pass_value": "a" }),
                Some("`label` is `b`, which should be `a`"),
            ),
            (
                json!({ "sql": "SELECT MAX(price) FROM orders", "min_threshold": 20, "max_threshold": "SELECT 2 * 10" }),
                None,
            ),
            (
                json!({ "sql": "SELECT COUNT(*) AS n FROM orders", "min_threshold": 5 }),
                Some("`n` is 4, which should be at least 5"),
            ),
        ] {
            let ended = check(&server, &bench, &operator, args.clone()).await;
            match (ended, failure) {
                (Ok(_), None) => {}
                (Err(error), Some(words)) => {
                    assert!(error.to_string().contains(words), "{kind}: {args}: {error}");
                    assert_eq!(error.verdict, Verdict::Retry);
                }
                (ended, _) => panic!("{kind}: {args}: {ended:?}"),
            }
        }
        let for_good = json!({ "sql": "SELECT 0", "retry_on_failure": false });
        assert_eq!(check(&server, &bench, &operator, for_good).await.unwrap_err().verdict, Verdict::Fail);
        let wrong = check(&server, &bench, &operator, json!({ "sql": "SELECT x FROM orders" })).await.unwrap_err();
        assert_eq!(wrong.verdict, Verdict::Fail, "{kind}: {wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_and_tables_are_checked() {
    for server in Server::all().await {
        let bench = with_orders(&server).await;
        let (columns, tables) = (SqlColumnCheck::new(environment()), SqlTableCheck::new(environment()));
        let sane = json!({ "table": "orders", "partition_clause": "day = '2026-11-21'", "column_mapping": {
            "id": { "null_check": { "equal_to": 0 }, "unique_check": { "equal_to": 0 }, "distinct_check": { "equal_to": 3 } },
            "label": { "null_check": { "leq_to": 1 } },
            "price": { "min": { "geq_to": 0 }, "max": { "less_than": 19, "tolerance": 0.1 } } } });
        check(&server, &bench, &columns, sane).await.unwrap();
        assert!(bench.log_text().contains("`max` of `price` is 20"), "{}", bench.log_text());
        let wrong = json!({ "table": "orders", "column_mapping": {
            "id": { "unique_check": { "equal_to": 0 }, "null_check": { "equal_to": 0 } },
            "price": { "max": { "leq_to": 10, "partition_clause": "id = 3" } } } });
        let error = check(&server, &bench, &columns, wrong).await.unwrap_err().to_string();
        assert!(error.starts_with("2 of 3 checks failed: "), "{}: {error}", server.kind);
        assert!(error.contains("`unique_check` of `id` is 1, which should be 0"), "{}: {error}", server.kind);
        let nothing = |accepts: bool| {
            json!({ "table": "orders", "partition_clause": "id > 9", "accept_none": accepts,
            "column_mapping": { "price": { "min": { "equal_to": 0 } } } })
        };
        check(&server, &bench, &columns, nothing(true)).await.unwrap();
        assert!(check(&server, &bench, &columns, nothing(false)).await.is_err(), "{}", server.kind);

        let sound = json!({ "table": "orders", "checks": {
            "enough": { "check_statement": "COUNT(*) = 4" }, "no_debts": { "check_statement": "price >= 0" },
            "labels": { "check_statement": "label < 'd'", "partition_clause": "label IS NOT NULL" } } });
        check(&server, &bench, &tables, sound).await.unwrap();
        let unsound = json!({ "table": "orders", "checks": {
            "free": { "check_statement": "price > 0" }, "none": { "check_statement": "id > 0", "partition_clause": "id > 9" } } });
        let error = check(&server, &bench, &tables, unsound).await.unwrap_err().to_string();
        assert_eq!(error, "2 of 2 checks failed: `free`: price > 0; `none`: there are no rows", "{}", server.kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_compared_with_an_earlier_one() {
    for server in Server::all().await {
        // The bench's logical date is 2026-11-21.
        let bench = with_orders(&server).await;
        let operator = SqlIntervalCheck::new(environment());
        let args = |threshold: f64, more: Value| {
            let mut args = json!({ "table": "orders", "date_filter_column": "day",
                                   "metrics_thresholds": { "COUNT(*)": threshold } });
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            args
        };
        check(&server, &bench, &operator, args(3.5, json!({}))).await.unwrap();
        let error =
            check(&server, &bench, &operator, args(3.0, json!({ "days_back": 7 }))).await.unwrap_err().to_string();
        assert!(error.contains("`COUNT(*)` is 3, and was 1 7 days before: the ratio is 3"), "{}: {error}", server.kind);
        check(&server, &bench, &operator, args(2.5, json!({ "ratio_formula": "relative_diff" }))).await.unwrap();
        check(&server, &bench, &operator, args(1.0, json!({ "days_back": 3 }))).await.unwrap();
        let strict = args(1.0, json!({ "days_back": 3, "ignore_zero": false }));
        assert!(check(&server, &bench, &operator, strict).await.is_err(), "{}", server.kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_decides_what_follows() {
    for server in Server::all().await {
        let bench = with_orders(&server).await;
        let operator = BranchSql::new(environment());
        let args = |sql: &str| json!({ "sql": sql, "follow_task_ids_if_true": "some", "follow_task_ids_if_false": ["few", "none"] });
        for (sql, followed) in [
            ("SELECT COUNT(*) > 3 FROM orders", json!("some")),
            ("SELECT COUNT(*) > 4 FROM orders", json!(["few", "none"])),
            ("SELECT 'Yes'", json!("some")),
            ("SELECT 0", json!(["few", "none"])),
        ] {
            let Outcome::Success { return_value, next, .. } =
                check(&server, &bench, &operator, args(sql)).await.unwrap()
            else {
                panic!("{sql}")
            };
            assert_eq!(return_value, followed, "{}: {sql}", server.kind);
            assert!(matches!(next, Next::Only(_)), "{sql}");
        }
        let no_row = check(&server, &bench, &operator, args("SELECT id FROM orders WHERE id = 9")).await.unwrap_err();
        assert_eq!(no_row.verdict, Verdict::Retry);
        let null = check(&server, &bench, &operator, args("SELECT label FROM orders WHERE id = 3 AND price > 9")).await;
        assert_eq!(null.unwrap_err().verdict, Verdict::Fail);
    }
}

/// A check that is not wanted any more ends its query where it runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_cancelled_stops() {
    for server in Server::all().await {
        let slow = match server.kind {
            "postgres" => "SELECT COUNT(pg_sleep(600))",
            "mysql" => "SELECT SLEEP(600)",
            _ => "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n",
        };
        let bench = with_orders(&server).await;
        let operator = SqlCheck::new(environment());
        let run = check(&server, &bench, &operator, json!({ "sql": slow }));
        let stop = async {
            tokio::task::yield_now().await;
            bench.ctx.withdrawn.cancel();
            bench.ctx.cancelled.cancel();
        };
        let (ended, ()) = tokio::join!(run, stop);
        assert_eq!(ended.unwrap_err().verdict, Verdict::Cancelled, "{}", server.kind);
    }
}

#[test]
fn mistakes_are_told_where_they_are() {
    let registry = registry_with(&nowhere()).unwrap();
    let mistakes = |task: &str| {
        let source = SourceFile::new("dags/a.yaml", format!("tasks:\n  t: {{{task}}}\n"));
        let loaded = spec::load(&source, &registry);
        loaded.problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; ")
    };
    for (task, words) in [
        ("operator: sql_check, sql: SELECT 1", "where the database is"),
        ("operator: sql_check, conn_id: c, sql: SELECT 1; SELECT 2", "not several"),
        ("operator: sql_check, conn_id: c, sql: SELECT 1, tolerance: 1", "`tolerance` goes with `pass_value`"),
        (
            "operator: sql_check, conn_id: c, sql: SELECT 1, pass_value: a, tolerance: 1",
            "only numbers have a `tolerance`",
        ),
        ("operator: sql_check, conn_id: c, sql: SELECT 1, pass_value: 1, min_threshold: 1", "exclude each other"),
        ("operator: sql_check, conn_id: c, sql: SELECT 1, pass_value: 1, tolerance: -1", "tolerance"),
        ("operator: sql_column_check, conn_id: c, table: t, column_mapping: {}", "column_mapping"),
        ("operator: sql_column_check, conn_id: c, table: t, column_mapping: {a: {min: {}}}", "what is right"),
        ("operator: sql_column_check, conn_id: c, table: t, column_mapping: {a: {mean: {equal_to: 1}}}", "mean"),
        (
            "operator: sql_column_check, conn_id: c, table: t, column_mapping: {a: {min: {geq_to: 1, equal_to: 1}}}",
            "exclude",
        ),
        ("operator: sql_table_check, conn_id: c, table: t, checks: {a: {}}", "check_statement"),
        ("operator: sql_interval_check, conn_id: c, table: t, metrics_thresholds: {a: b}", "metrics_thresholds"),
        ("operator: branch_sql, conn_id: c, sql: SELECT 1, follow_task_ids_if_true: a", "follow_task_ids_if_false"),
        ("operator: SQLCheckOperator, conn_id: c, sql: SELECT 1, hook_params: {a: 1}", "not served"),
    ] {
        let said = mistakes(task);
        assert!(said.contains(words), "{task}: {said}");
    }
}
