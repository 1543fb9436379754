//! `sql` and `sql_sensor` on Postgres, MariaDB and SQLite: what lasts, what is answered, and what goes wrong.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use operators::branch_sql::BranchSql;
use operators::location::S3;
use operators::notifiers::Environment;
use operators::registry_with;
use operators::sensors::sql::SqlSensor;
use operators::sql::Sql;
use operators::sql_check::value::SqlCheck;
use scheduler::connection::Connection;
use scheduler::dag::spec::{self, SourceFile};
use scheduler::operator::{DagFile, Operator, Outcome, Outline, RunReader, RunStanding, TaskError, Verdict};
use serde_json::{Value, json};

use crate::context::nowhere;
use crate::mariadb::{MariaDb, PASSWORD};
use crate::moto::Moto;
use crate::support::{Bench, Connections, HeldSlot, return_value};

/// A database of one test.
pub struct Server {
    pub kind: &'static str,
    url: String,
    _mariadb: Option<MariaDb>,
}

impl Server {
    async fn postgres() -> Server {
        Server { kind: "postgres", url: scheduler::testing::postgres_url().await, _mariadb: None }
    }

    fn mariadb() -> Server {
        let mariadb = MariaDb::start();
        Server { kind: "mysql", url: mariadb.url(), _mariadb: Some(mariadb) }
    }

    fn sqlite() -> Server {
        Server { kind: "sqlite", url: "sqlite:test.db".to_owned(), _mariadb: None }
    }

    pub async fn all() -> [Server; 3] {
        [Server::sqlite(), Server::postgres().await, Server::mariadb()]
    }

    /// Arguments for this server.
    pub fn args(&self, more: &Value) -> Value {
        let mut args = json!({ "url": self.url });
        if self.kind == "mysql" {
            args["password_env"] = "DB_PASSWORD".into();
        }
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        args
    }

    async fn try_run(&self, bench: &Bench, args: Value) -> Result<Outcome, TaskError> {
        bench.run(&sql(), self.args(&args)).await
    }

    pub async fn run(&self, bench: &Bench, args: Value) -> Value {
        return_value(self.try_run(bench, args).await)
    }

    async fn fail(&self, bench: &Bench, args: Value) -> TaskError {
        match self.try_run(bench, args).await {
            Ok(outcome) => panic!("{}: it succeeded: {outcome:?}", self.kind),
            Err(error) => error,
        }
    }

    /// The first value of the first row.
    async fn value(&self, bench: &Bench, sql: &str) -> Value {
        self.run(bench, json!({ "sql": sql, "result": "value" })).await
    }
}

fn environment() -> Environment {
    Environment::of([("DB_PASSWORD".to_owned(), PASSWORD.to_owned())])
}

fn sql_at(s3: S3) -> Sql {
    Sql::new(s3, environment())
}

fn sql() -> Sql {
    sql_at(nowhere())
}

/// A DAG file in a folder.
struct In(PathBuf);

#[async_trait]
impl RunReader for In {
    async fn outline(&self, _dag_id: &str) -> anyhow::Result<Option<Outline>> {
        Ok(None)
    }

    async fn dag_file(&self, _dag_id: &str) -> anyhow::Result<Option<DagFile>> {
        Ok(Some(DagFile { root: self.0.clone(), folder: self.0.clone() }))
    }

    async fn standing(
        &self,
        _dag_id: &str,
        _logical_date: DateTime<Utc>,
        _task_ids: &[String],
    ) -> anyhow::Result<Option<RunStanding>> {
        Ok(None)
    }

    async fn state(&self, _dag_id: &str, _run_id: &str) -> anyhow::Result<Option<String>> {
        Ok(None)
    }
}

/// A bench whose DAG file is in the folder `dags` of its home.
pub fn with_dag_file() -> Bench {
    let mut bench = Bench::new();
    bench.ctx.runs = Arc::new(In(bench.home().join("dags")));
    bench
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_statements_last_or_none() {
    for server in Server::all().await {
        let bench = Bench::new();
        server.run(&bench, json!({ "sql": "CREATE TABLE t (n INT); INSERT INTO t VALUES (1);" })).await;

        let error = server.fail(&bench, json!({ "sql": "DELETE FROM t;\n\nINSERT INTO missing\nVALUES (2)" })).await;

        assert_eq!(error.verdict, Verdict::Fail, "{error}");
        let text = error.to_string();
        assert!(text.starts_with("statement 2 of 2: ") && text.contains("missing"), "{text}");
        assert!(text.contains("3 | INSERT INTO missing\n  |             ^^^^^^^"), "{text}");
        assert_eq!(server.value(&bench, "SELECT COUNT(*) FROM t").await, 1, "{}", server.kind);
        assert!(bench.log_text().contains("The transaction is rolled back"));

        server
            .fail(&bench, json!({ "sql": "DELETE FROM t; INSERT INTO missing VALUES (2)", "autocommit": true }))
            .await;
        assert_eq!(server.value(&bench, "SELECT COUNT(*) FROM t").await, 0, "{}", server.kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_bound_whatever_they_hold() {
    for server in Server::all().await {
        let bench = Bench::new();
        let collation = if server.kind == "mysql" { " COLLATE utf8mb4_unicode_ci" } else { "" };
        let create =
            format!("CREATE TABLE t (id INT, name VARCHAR(50){collation}, born DATE, price DECIMAL(8,2), ok BOOLEAN)");
        server.run(&bench, json!({ "sql": create })).await;
        let nasty = "'; DROP TABLE t; -- \\' \" ? %s :x Ünï 😀";
        let rows = json!([
            { "id": 1, "name": nasty, "born": "2018-03-04", "price": 12.5, "ok": true },
            { "id": 2, "name": null, "born": { "date": "2018-03-05" }, "price": null, "ok": false },
        ]);
        for row in rows.as_array().unwrap() {
            let insert = "INSERT INTO t VALUES (:id, %(name)s, :born, :price, :ok)";
            server.run(&bench, json!({ "sql": insert, "parameters": row })).await;
        }

        let asked = json!({
            "sql": "SELECT id, name, born, price, ok FROM t WHERE name = :name AND born >= :day AND id IN (:ids) AND ok = :ok",
            "parameters": { "name": nasty, "day": "2018-01-01", "ids": [1, 7], "ok": true },
            "result": "rows",
        });
        let found = server.run(&bench, asked).await;
        assert_eq!(found, json!([[1, nasty, "2018-03-04", 12.5, true]]), "{}", server.kind);
        let in_order =
            json!({ "sql": "SELECT id FROM t WHERE id = %s AND 5 %% 2 = %s", "parameters": [2, 1], "result": "value" });
        assert_eq!(server.run(&bench, in_order).await, 2, "{}", server.kind);

        let wrong = json!({ "sql": "SELECT id\nFROM t WHERE id = :idd", "parameters": { "id": 1 } });
        let wrong = server.fail(&bench, wrong).await.to_string();
        assert!(
            wrong.contains("`parameters` has no `idd` (did you mean `id`?)") && wrong.contains("line 2, column 19"),
            "{wrong}"
        );
        let wrong = json!({ "sql": "SELECT id, nme FROM t WHERE id = :id", "parameters": { "id": 1 } });
        let wrong = server.fail(&bench, wrong).await;
        assert!(wrong.to_string().contains("column 12 of the SQL"), "{wrong}");
        assert_eq!(wrong.verdict, Verdict::Fail);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_tells_what_is_wrong_and_by_which_number_its_manual_knows_it() {
    let table = [
        (Server::sqlite(), "INSERT INTO t VALUES (1)", "(SQLite error 1555)"),
        (Server::postgres().await, "INSERT INTO t VALUES (1)", "(SQLSTATE 23505)"),
        (Server::postgres().await, "INSERT INTO t VALUES ('many')", "(SQLSTATE 22P02)"),
        (Server::postgres().await, "VACUUM t", "(SQLSTATE 25001)"),
        (Server::mariadb(), "INSERT INTO t VALUES (1)", "(error 1062, SQLSTATE 23000)"),
    ];
    for (server, sql, number) in table {
        let bench = Bench::new();
        server.run(&bench, json!({ "sql": "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)" })).await;
        let error = server.fail(&bench, json!({ "sql": sql })).await;
        assert!(error.to_string().contains(number), "{error}");
        assert_eq!(error.verdict, Verdict::Fail, "{error}");
    }
    let server = Server::postgres().await;
    let bench = Bench::new();
    let alone = server.fail(&bench, json!({ "sql": "VACUUM" })).await.to_string();
    assert!(alone.contains("hint: `autocommit: true` makes each statement one by itself"), "{alone}");
    let vacuum = json!({ "sql": ["CREATE TABLE t (id INT)", "VACUUM t"], "autocommit": true });
    assert_eq!(server.run(&bench, vacuum).await, Value::Null);
    let detailed = "CREATE TABLE u (id INT PRIMARY KEY); INSERT INTO u VALUES (1), (1)";
    let detailed = server.fail(&bench, json!({ "sql": detailed })).await.to_string();
    assert!(detailed.contains("detail: Key (id)=(1) already exists."), "{detailed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_go_into_xcom_in_several_shapes_and_are_cut_with_a_word() {
    for server in Server::all().await {
        let bench = Bench::new();
        let make = "CREATE TABLE t (n INT, word VARCHAR(9)); INSERT INTO t VALUES (1, 'a'), (2, NULL), (3, 'c')";
        assert_eq!(server.run(&bench, json!({ "sql": make })).await, json!({ "rows_changed": 3 }));
        let ask = |more: Value| {
            let mut args = json!({ "sql": "SELECT n, word FROM t ORDER BY n" });
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            args
        };
        let table = json!({ "columns": ["n", "word"], "rows": [[1, "a"], [2, null]], "row_count": 3 });
        assert_eq!(server.run(&bench, ask(json!({ "max_rows": 2 }))).await, table, "{}", server.kind);
        assert!(bench.log_text().contains("The first 2 of 3 rows are kept as XCom"));
        assert_eq!(server.run(&bench, ask(json!({ "result": "row" }))).await, json!([1, "a"]));
        let both = json!({ "sql": ["SELECT 1 AS x", "SELECT 2 AS y"], "return_last": false, "result": "rows" });
        assert_eq!(server.run(&bench, both).await, json!([[[1]], [[2]]]));
        let empty = json!({ "sql": "SELECT n FROM t WHERE n > 5" });
        assert_eq!(server.run(&bench, empty).await, json!({ "columns": ["n"], "rows": [], "row_count": 0 }));
        let log = bench.log_text();
        assert!(log.contains("statement 2 of 2: 3 rows changed"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_unloaded_to_files_whole_or_not_at_all() {
    for server in Server::all().await {
        let bench = Bench::new();
        let make = "CREATE TABLE t (n INT, word VARCHAR(9)); INSERT INTO t VALUES (1, 'a,b'), (2, NULL), (3, '')";
        server.run(&bench, json!({ "sql": make })).await;
        let unload = |output: Value, sql: &str| json!({ "sql": sql, "output": output, "max_rows": 1 });
        let all = "SELECT n, word FROM t ORDER BY n";

        let answer = server.run(&bench, unload(json!("out/t.csv"), all)).await;
        assert_eq!(answer["row_count"], 3);
        assert_eq!(answer["output"], bench.home().join("out/t.csv").to_str().unwrap());
        assert_eq!(read(&bench.home().join("out/t.csv")), "n,word\n1,\"a,b\"\n2,\n3,\"\"\n", "{}", server.kind);
        server.run(&bench, unload(json!("out/none.csv"), "SELECT n, word FROM t WHERE n > 9")).await;
        assert_eq!(read(&bench.home().join("out/none.csv")), "n,word\n");
        server.run(&bench, unload(json!({ "path": "out/t.lines", "format": "json" }), all)).await;
        let lines = "{\"n\":1,\"word\":\"a,b\"}\n{\"n\":2,\"word\":null}\n{\"n\":3,\"word\":\"\"}\n";
        assert_eq!(read(&bench.home().join("out/t.lines")), lines);
        server.run(&bench, unload(json!("out/t.parquet"), all)).await;

        let broken = "INSERT INTO t VALUES (4, 'd'); SELECT n, no_such_column FROM t";
        server.fail(&bench, unload(json!("out/t.csv"), broken)).await;
        assert_eq!(read(&bench.home().join("out/t.csv")).lines().count(), 4, "the old file stays");
        let nothing = server.fail(&bench, unload(json!("out/x.csv"), "DELETE FROM t")).await;
        assert!(nothing.to_string().contains("`output` asks for some"), "{nothing}");
        assert_eq!(server.value(&bench, "SELECT COUNT(*) FROM t").await, 3);

        // And back again.
        server.run(&bench, json!({ "sql": "CREATE TABLE u (n INT, word VARCHAR(9))" })).await;
        let load = json!({ "load": { "path": "out/t.parquet", "table": "u" } });
        assert_eq!(server.run(&bench, load).await, json!({ "rows_loaded": 3 }));
        let same = "SELECT COUNT(*) FROM t JOIN u ON t.n = u.n AND COALESCE(t.word, '-') = COALESCE(u.word, '-')";
        assert_eq!(server.value(&bench, same).await, 3, "{}", server.kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_loaded_into_tables_whole_or_not_at_all() {
    for server in Server::all().await {
        let bench = Bench::new();
        let make = "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), born DATE, ok BOOLEAN, at TIMESTAMP NULL)";
        server.run(&bench, json!({ "sql": make })).await;
        let rows = |ids: std::ops::Range<u32>| {
            let row = |id| format!("{id},\"na,\"\"me {id}\",2018-03-04,{},2018-03-04 05:06:07\n", id % 2);
            format!("id,NAME,born,ok,at\n{}", ids.map(row).collect::<String>())
        };
        bench.file("in/a.csv", rows(0..1200));
        bench.file("in/b.csv", "id,name\n5,\n");
        bench.file("in/c.jsonl", "{\"id\": 5, \"name\": \"new\", \"ok\": true}\n{\"id\": 2000, \"name\": \"Å 😀\"}\n");
        bench.file("in/twice.csv", "id,name\n3000,x\n3001,y\n3000,z\n");
        bench.file("in/wrong.csv", "id,nam\n1,x\n");
        let load = |path: &str, more: Value| {
            let mut load = json!({ "path": path, "table": "t" });
            load.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({ "load": load })
        };
        let of_5 = "SELECT name FROM t WHERE id = 5";
        let count = "SELECT COUNT(*) FROM t";

        assert_eq!(server.run(&bench, load("in/a.csv", json!({}))).await, json!({ "rows_loaded": 1200 }));
        assert_eq!(server.value(&bench, of_5).await, "na,\"me 5");
        assert_eq!(server.value(&bench, "SELECT ok FROM t WHERE id = 5").await, true, "{}", server.kind);
        assert!(bench.log_text().contains("1200 rows loaded into t"));

        let twice = server.fail(&bench, load("in/twice.csv", json!({ "mode": "replace" }))).await;
        assert_eq!(twice.verdict, Verdict::Fail, "{twice}");
        assert!(twice.to_string().contains("the rows cannot be loaded"), "{twice}");
        assert_eq!(server.value(&bench, count).await, 1200, "{}: none is deleted, and none is added", server.kind);

        let wrong = server.fail(&bench, load("in/wrong.csv", json!({}))).await.to_string();
        assert!(wrong.contains("the table `t` has no column `nam` (did you mean `name`?)"), "{wrong}");
        let missing = server.fail(&bench, load("in/none.csv", json!({}))).await;
        assert_eq!(missing.verdict, Verdict::Retry, "it may still come");

        let upsert = json!({ "mode": "upsert", "key": "id" });
        server.run(&bench, load("in/c.jsonl", upsert.clone())).await;
        assert_eq!(server.value(&bench, of_5).await, "new");
        assert_eq!(server.value(&bench, "SELECT name FROM t WHERE id = 2000").await, "Å 😀");
        assert_eq!(server.value(&bench, count).await, 1201, "{}", server.kind);
        server.run(&bench, load("in/b.csv", upsert)).await;
        assert_eq!(server.value(&bench, "SELECT name FROM t WHERE id = 5").await, Value::Null);
        let by_name = server.fail(&bench, load("in/c.jsonl", json!({ "mode": "upsert", "key": ["name"] }))).await;
        assert_eq!(by_name.verdict, Verdict::Fail, "{by_name}");
        assert!(by_name.to_string().contains("the table `t` has no unique index on `name`"), "{by_name}");

        server.run(&bench, json!({ "sql": "SELECT id, ok FROM t WHERE id IN (6, 7)", "output": "out/u.csv" })).await;
        assert!(read(&bench.home().join("out/u.csv")).contains("6,false\n7,true\n"), "{}", server.kind);
        server.run(&bench, load("out/u.csv", json!({ "mode": "replace" }))).await;
        assert_eq!(server.value(&bench, "SELECT id FROM t WHERE ok").await, 7, "{}: as it was unloaded", server.kind);

        let both = json!({
            "sql": "CREATE TABLE IF NOT EXISTS t (id INT)",
            "load": { "path": ["in/b.csv"], "table": "t", "mode": "replace" },
        });
        assert_eq!(server.run(&bench, both).await["rows_loaded"], 1);
        assert_eq!(server.value(&bench, count).await, 1, "{}", server.kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_mysql_that_know_no_transactions_are_not_loaded() {
    let server = Server::mariadb();
    let bench = Bench::new();
    server.run(&bench, json!({ "sql": "CREATE TABLE t (id INT) ENGINE = MyISAM" })).await;
    bench.file("a.csv", "id\n1\n");
    let refused = server.fail(&bench, json!({ "load": { "path": "a.csv", "table": "t" } })).await.to_string();
    assert!(refused.contains("is one of MyISAM, which knows no transactions"), "{refused}");
    let warned = json!({ "sql": "INSERT INTO t VALUES (1); DROP TABLE t" });
    server.run(&bench, warned).await;
    assert!(bench.log_text().contains("statement 2 of 2: MySQL commits before `DROP`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_definition_in_mysql_lasts_as_a_whole_or_not_at_all() {
    let server = Server::mariadb();
    let bench = Bench::new();
    let create = "CREATE TABLE IF NOT EXISTS t (id INT)";
    let broken = format!("{create}; INSERT INTO t VALUES (1); INSERT INTO missing VALUES (2)");
    server.fail(&bench, json!({ "sql": broken })).await;
    assert_eq!(server.value(&bench, "SELECT COUNT(*) FROM t").await, 0);

    // The first INSERT of the load takes 500 rows; what is no number is in the second.
    bench.file("a.csv", format!("id\n{}many\n", "1\n".repeat(600)));
    server.fail(&bench, json!({ "sql": create, "load": { "path": "a.csv", "table": "t" } })).await;
    assert_eq!(server.value(&bench, "SELECT COUNT(*) FROM t").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_for_the_client_of_mysql_mean_what_they_mean_there() {
    let server = Server::mariadb();
    let bench = Bench::new();
    let script = "CREATE TABLE t (id INT);\n\
                  DELIMITER //\n\
                  CREATE TRIGGER doubled BEFORE INSERT ON t FOR EACH ROW\n\
                  BEGIN\n  SET NEW.id = NEW.id * 2;\n  SET NEW.id = NEW.id + 1;\nEND//\n\
                  DELIMITER ;\n\
                  INSERT INTO t VALUES (3);";
    server.run(&bench, json!({ "sql": script })).await;
    assert_eq!(server.value(&bench, "SELECT id FROM t").await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_statement_is_cancelled_at_the_server_and_its_transaction_undone() {
    let forever = "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT COUNT(*) FROM r";
    let table = [
        (Server::sqlite(), forever.to_owned(), None),
        (
            Server::postgres().await,
            "SELECT pg_sleep(1000)".to_owned(),
            Some(
                "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' \
                  AND query = 'SELECT pg_sleep(1000)'",
            ),
        ),
        (
            Server::mariadb(),
            "SELECT SLEEP(1000)".to_owned(),
            Some("SELECT COUNT(*) FROM information_schema.processlist WHERE info = 'SELECT SLEEP(1000)'"),
        ),
    ];
    for (server, waits, running) in table {
        let (bench, watcher) = (Bench::new(), Bench::new());
        server.run(&bench, json!({ "sql": "CREATE TABLE t (n INT)" })).await;
        let works = server.try_run(&bench, json!({ "sql": ["INSERT INTO t VALUES (1)", waits] }));
        let cancels = async {
            match running {
                Some(running) => while server.value(&watcher, running).await != 1 {},
                None => {
                    while !bench.has_said("statement 1 of 2") {
                        tokio::task::yield_now().await;
                    }
                }
            }
            bench.ctx.cancelled.cancel();
        };

        let (stopped, ()) = tokio::join!(works, cancels);

        assert_eq!(stopped.unwrap_err().verdict, Verdict::Cancelled, "{}", server.kind);
        if let Some(running) = running {
            assert_eq!(server.value(&watcher, running).await, 0, "{}", server.kind);
        }
        let rest = Bench::new();
        if server.kind == "sqlite" {
            std::fs::copy(bench.home().join("test.db"), rest.home().join("test.db")).unwrap();
        }
        assert_eq!(server.value(&rest, "SELECT COUNT(*) FROM t").await, 0, "{}", server.kind);
    }
}

/// Also of those that only ask; a sensor is told to stop in the midst of a look.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_not_wanted_any_more_is_cancelled_at_the_server() {
    let table = [
        (Server::postgres().await, "SELECT pg_sleep(1001)", "pg_stat_activity WHERE state = 'active' AND query"),
        (Server::mariadb(), "SELECT SLEEP(1001)", "information_schema.processlist WHERE info"),
    ];
    for (server, question, running) in table {
        let running = format!("SELECT COUNT(*) FROM {running} = '{question}'");
        let ask = json!({ "sql": question });
        let branch = json!({ "sql": question, "follow_task_ids_if_true": "a", "follow_task_ids_if_false": "b" });
        let looks = Arc::new(tokio::sync::Semaphore::new(1));
        ends_at_the_server(&server, &SqlSensor::new(environment(), looks), &ask, &running).await;
        ends_at_the_server(&server, &BranchSql::new(environment()), &branch, &running).await;
        ends_at_the_server(&server, &SqlCheck::new(environment()), &ask, &running).await;
    }
}

/// Stops a try while `running` counts one statement of it, which ends then.
async fn ends_at_the_server<O: Operator>(server: &Server, operator: &O, args: &Value, running: &str) {
    let (bench, watcher) = (Bench::new(), Bench::new());
    let mut asks = Box::pin(bench.run(operator, server.args(args)));
    let is_asked = Box::pin(async { while server.value(&watcher, running).await != 1 {} });
    tokio::select! {
        ended = &mut asks => panic!("{} {}: {ended:?}", server.kind, O::NAME),
        () = is_asked => {}
    }
    bench.ctx.cancelled.cancel();

    assert_eq!(asks.await.unwrap_err().verdict, Verdict::Cancelled, "{} {}", server.kind, O::NAME);
    // MariaDB shows it for a moment after it has answered.
    let ends = async { while server.value(&watcher, running).await != 0 {} };
    let ended = tokio::time::timeout(Duration::from_mins(1), ends).await;
    assert!(ended.is_ok(), "it goes on: {} {}", server.kind, O::NAME);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_worth_another_try_and_shows_no_password() {
    let server = Server::postgres().await;
    let (bench, killer) = (Bench::new(), Bench::new());
    let works = server.try_run(&bench, json!({ "sql": "SELECT pg_sleep(1000)" }));
    let kills = async {
        let kill = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
                    AND query = 'SELECT pg_sleep(1000)' AND state = 'active'";
        while server.value(&killer, kill).await != 1 {}
    };
    let (lost, ()) = tokio::join!(works, kills);
    assert_eq!(lost.unwrap_err().verdict, Verdict::Retry);

    let bench = Bench::new();
    let args = json!({ "url": "postgres://me:hush@127.0.0.1:9/x", "sql": "SELECT 1" });
    let away = bench.run(&sql(), args).await.unwrap_err();
    assert_eq!(away.verdict, Verdict::Retry);
    assert!(!away.to_string().contains("hush"), "{away}");

    let nowhere = json!({ "sql": "SELECT 1", "database": "nowhere_at_all" });
    let nowhere = server.fail(&bench, nowhere).await.to_string();
    assert!(nowhere.ends_with("database \"nowhere_at_all\" does not exist (SQLSTATE 3D000)"), "{nowhere}");
}

#[tokio::test]
async fn a_statement_of_a_killed_process_does_not_go_on() {
    let server = Server::postgres().await;
    let (bench, watcher) = (Bench::new(), Bench::new());
    let running = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND query = 'SELECT pg_sleep(1000)' AND state = 'active'";
    {
        let works = server.try_run(&bench, json!({ "sql": "SELECT pg_sleep(1000)" }));
        let begins = async { while server.value(&watcher, running).await != 1 {} };
        // Dropped in the middle, as when its process is killed: nobody cancels anything.
        tokio::select! {
            ended = works => panic!("it ended: {ended:?}"),
            () = begins => {}
        }
    }
    let ends = async { while server.value(&watcher, running).await != 0 {} };
    tokio::time::timeout(Duration::from_mins(2), ends).await.expect("the server notices that nobody waits any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_lead_to_databases_and_to_others_of_their_server() {
    let server = Server::postgres().await;
    let mut bench = Bench::new();
    let (role, rest) = server.url.strip_prefix("postgres://").unwrap().split_once("@localhost/").unwrap();
    let (name, socket) = rest.split_once("?host=").unwrap();
    let mut conn = Connection::new("my_postgres", "postgres");
    conn.host = Some(socket.to_owned());
    conn.login = Some(role.to_owned());
    conn.schema = Some("template1".to_owned());
    bench.ctx.secrets = Arc::new(Connections(vec![conn]));
    let args =
        json!({ "conn_id": "my_postgres", "database": name, "sql": "SELECT current_database()", "result": "value" });
    assert_eq!(return_value(bench.run(&sql(), args).await), name);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_may_be_in_files_beside_the_dag_file() {
    let server = Server::sqlite();
    let bench = with_dag_file();
    bench.file("dags/sql/make.sql", "-- a; table\nCREATE TABLE t (n INT);\nINSERT INTO t VALUES (:n);\n");
    bench.file("dags/wrong.sql", "SELECT 1;\nSELECT nothing FROM t;\n");
    bench.file("dags/template.sql", "SELECT '{{ ds }}'");
    bench.file("dags/array.sql", "SELECT '{{1,2},{3,4}}'");
    let values = json!({ "n": 7 });
    let args = json!({ "sql": ["sql/make.sql", "SELECT n FROM t"], "parameters": values, "result": "value" });
    assert_eq!(server.run(&bench, args).await, 7);
    let wrong = server.fail(&bench, json!({ "sql": "wrong.sql" })).await.to_string();
    assert!(wrong.starts_with("statement 2 of 2, in `wrong.sql`: ") && wrong.contains("line 2, column 8"), "{wrong}");
    let template = server.fail(&bench, json!({ "sql": "template.sql" })).await.to_string();
    assert!(template.contains("write `:name` there"), "{template}");
    assert_eq!(server.run(&bench, json!({ "sql": "array.sql", "result": "value" })).await, "{{1,2},{3,4}}");
    let away = server.fail(&bench, json!({ "sql": "../secret.sql" })).await.to_string();
    assert!(away.contains("leads away from the DAG file"), "{away}");
    let none = server.fail(&bench, json!({ "sql": "none.sql" })).await.to_string();
    assert!(none.contains("`none.sql`, which is looked for in"), "{none}");
}

/// What a template file holds comes as the argument, and mistakes in it are told as those of the file.
#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_template_file_keeps_its_name() {
    let server = Server::sqlite();
    let mut bench = Bench::new();
    bench.ctx.files = Arc::new(BTreeMap::from([("/sql/1".to_owned(), "daily.sql".to_owned())]));

    let wrong = server.fail(&bench, json!({ "sql": ["SELECT 1", "SELECT nothing.sql"] })).await.to_string();

    assert!(wrong.starts_with("statement 2 of 2, in `daily.sql`: "), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_may_be_in_a_bucket() {
    let moto = Moto::start();
    moto.make_bucket("files").await;
    let bench = Bench::new();
    let operator = sql_at(moto.settings());
    let run = async |args: Value| return_value(bench.run(&operator, args).await);
    let make = "CREATE TABLE t (n INT); INSERT INTO t VALUES (1), (2); SELECT n FROM t ORDER BY n";
    run(json!({ "url": "sqlite:a.db", "sql": make, "output": "s3://files/out/t.csv" })).await;
    assert_eq!(moto.objects("s3://files/out").await, [("out/t.csv".to_owned(), "n\n1\n2\n".to_owned())]);
    let load = json!({ "path": "s3://files/out/*.csv", "table": "t", "mode": "replace" });
    assert_eq!(run(json!({ "url": "sqlite:a.db", "load": load })).await, json!({ "rows_loaded": 2 }));
}

#[test]
fn mistakes_are_found_when_the_file_is_loaded() {
    let registry = registry_with(&nowhere()).unwrap();
    let load = |more: Value| {
        let mut load = json!({ "path": "a.csv", "table": "t" });
        load.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "conn_id": "c", "load": load })
    };
    let table = [
        ("sql", json!({ "sql": "SELECT 1" }), "", "does not say where the database is"),
        ("sql", json!({ "sql": "SELECT 1", "conn_id": "c", "url": "sqlite:x" }), "/url", "says twice where"),
        ("sql", json!({ "sql": "SELECT 1", "url": "oracle://x/y" }), "/url", "begins with `oracle:`"),
        ("sql", json!({ "conn_id": "c" }), "", "`sql`, `load`, or both"),
        ("sql", json!({ "conn_id": "c", "sql": " -- nothing" }), "/sql", "no statement in it"),
        ("sql", json!({ "conn_id": "c", "sql": ["SELECT 1", "../x.sql"] }), "/sql/1", "leads away"),
        (
            "sql",
            json!({ "conn_id": "c", "sql": "INSERT INTO t VALUES (1); COMMIT" }),
            "/sql",
            "`COMMIT` would break up",
        ),
        ("sql", json!({ "conn_id": "c", "sql": "SELECT 1", "password_env": "P" }), "/password_env", "has the password"),
        (
            "sql",
            json!({ "conn_id": "c", "sql": "SELECT 1", "output": { "path": "x", "format": "delta" } }),
            "/output/format",
            "files alone",
        ),
        ("sql", load(json!({ "mode": "upsert" })), "/load", "needs a `key`"),
        ("sql", load(json!({ "key": "id" })), "/load/key", "for `mode: upsert`"),
        ("sql", json!({ "conn_id": "c", "sql": "SELECT :a", "parameters": { "a": {} } }), "/parameters", "a value is"),
        ("sql_sensor", json!({ "conn_id": "c", "sql": "SELECT 1; SELECT 2" }), "/sql", "asks one query"),
        ("sql_sensor", json!({ "sql": "SELECT 1" }), "", "does not say where the database is"),
    ];
    for (operator, args, pointer, words) in table {
        let problems = registry.find(operator).unwrap().check(args.as_object().unwrap());
        let found = problems.iter().any(|problem| problem.pointer == pointer && problem.message.contains(words));
        assert!(found, "{args}: {problems:?}");
    }
    for args in [
        json!({ "conn_id": "c", "sql": "{{ params.sql }}" }),
        json!({ "conn_id": "c", "sql": "ROLLBACK TO SAVEPOINT a", "output": "x.csv" }),
        json!({ "conn_id": "c", "sql": "BEGIN; SELECT 1; COMMIT", "autocommit": true }),
        json!({ "conn_id": "c", "sql": "DELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; COMMIT; END //" }),
        load(json!({ "mode": "upsert", "key": "id" })),
    ] {
        assert_eq!(registry.find("sql").unwrap().check(args.as_object().unwrap()), [], "{args}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_waits_for_a_true_answer_without_a_slot() {
    let server = Server::sqlite();
    let mut bench = with_dag_file();
    let slot = Arc::new(HeldSlot::default());
    bench.ctx.slot = slot.clone();
    server.run(&bench, json!({ "sql": "CREATE TABLE t (n INT)" })).await;
    let sense = async |more: Value| {
        let mut args = json!({ "url": server.url, "poke_interval": 0.1 });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let registry = registry_with(&nowhere()).unwrap();
        registry.find("sql_sensor").unwrap().execute(args.as_object().unwrap().clone(), &bench.ctx).await
    };

    let late = json!({ "sql": "SELECT COUNT(*) FROM t WHERE n >= :n", "parameters": { "n": 5 } });
    let writes = async {
        let reason = slot.reason().await;
        server.run(&bench, json!({ "sql": "INSERT INTO t VALUES (5)" })).await;
        reason
    };
    let (seen, reason) = tokio::join!(sense(late), writes);

    assert_eq!(seen.unwrap(), Outcome::done());
    assert!(reason.starts_with("waits for a true answer of sqlite:"), "{reason}");
    assert_eq!(sense(json!({ "sql": "SELECT 'x'" })).await.unwrap(), Outcome::done());
    let empty = sense(json!({ "sql": "SELECT n FROM t WHERE n > 5", "fail_on_empty": true })).await.unwrap_err();
    assert_eq!(empty.to_string(), "the query has no row");
    let wrong = sense(json!({ "sql": "SELECT nothing FROM t" })).await.unwrap_err();
    assert_eq!(wrong.verdict, Verdict::Fail, "{wrong}");
    for not_yet in ["SELECT 0", "SELECT '0'", "SELECT ''", "SELECT NULL", "SELECT n FROM t WHERE n > 5"] {
        let looks = sense(json!({ "sql": not_yet, "timeout": 0 }));
        let waited = tokio::time::timeout(Duration::from_mins(2), looks).await.unwrap().unwrap_err();
        assert!(waited.to_string().contains("longer than its timeout"), "{waited}");
    }
}

/// The arguments of the tasks of a DAG file without mistakes.
pub fn loaded(text: &str) -> std::collections::BTreeMap<String, Value> {
    let source = SourceFile::new("dag.yaml", text);
    let loaded = spec::load(&source, &registry_with(&nowhere()).unwrap());
    assert!(loaded.problems.is_empty(), "{}", spec::render(&source, &loaded.problems, false));
    let tasks = loaded.dags[0].dag.tasks();
    tasks.map(|(_, task)| (task.task_id.clone(), Value::Object(task.args.clone()))).collect()
}

#[test]
fn airflows_classes_mean_these_operators() {
    let text = "
tasks:
  query:
    operator: airflow.providers.common.sql.operators.sql.SQLExecuteQueryOperator
    conn_id: warehouse
    sql: SELECT 1
    autocommit: true
    show_return_value_in_logs: true
    hook_params: {}
  postgres: {operator: airflow.providers.postgres.operators.postgres.PostgresOperator, sql: SELECT 1}
  mysql: {operator: MySqlOperator, mysql_conn_id: m, sql: [SELECT 1], parameters: [1]}
  sqlite: {operator: SqliteOperator, sqlite_conn_id: s, sql: queries/a.sql}
  sensor: {operator: airflow.providers.common.sql.sensors.sql.SqlSensor, conn_id: w, sql: SELECT 1, mode: reschedule}
";
    let tasks = loaded(text);
    let query = json!({ "conn_id": "warehouse", "sql": "SELECT 1", "autocommit": true, "result": "rows" });
    assert_eq!(tasks["query"], query);
    assert_eq!(tasks["postgres"]["conn_id"], "postgres_default");
    assert_eq!(tasks["mysql"], json!({ "conn_id": "m", "sql": ["SELECT 1"], "parameters": [1], "result": "rows" }));
    assert_eq!(tasks["sqlite"]["conn_id"], "s");
    assert_eq!(tasks["sensor"]["conn_id"], "w");
    let refused = "
tasks:
  - {task_id: a, operator: SQLExecuteQueryOperator, conn_id: c, sql: SELECT 1, handler: lib.first}
  - {task_id: b, operator: SqlSensor, conn_id: c, sql: SELECT 1, success_check_lambda: 'lambda x: x > 1'}
";
    let source = SourceFile::new("dag.yaml", refused);
    let problems = spec::load(&source, &registry_with(&nowhere()).unwrap()).problems;
    assert_eq!(problems.len(), 2, "{}", spec::render(&source, &problems, false));
}
