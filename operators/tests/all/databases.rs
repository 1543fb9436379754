//! Tables of databases in `query`: what their columns become, and what goes wrong.

use std::sync::Arc;

use operators::databricks::Workspaces;
use operators::location::S3;
use operators::notifiers::Environment;
use operators::query::Query;
use scheduler::connection::{Connection, Secret};
use scheduler::operator::{TaskError, Verdict};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use crate::mariadb::{MariaDb, PASSWORD};
use crate::support::{Bench, Connections, return_value};

/// A task over a table `t`.
fn asking(table: &Value, sql: &str) -> Value {
    json!({ "tables": { "t": table }, "sql": sql })
}

fn query() -> Query {
    let secrets = [("DB_PASSWORD".to_owned(), PASSWORD.to_owned())];
    Query::new(S3::from_variables([]), Environment::of(secrets), Workspaces::default())
}

async fn answer(bench: &Bench, table: Value, sql: &str) -> Value {
    return_value(bench.run(&query(), asking(&table, sql)).await)
}

async fn error(bench: &Bench, table: Value, sql: &str) -> TaskError {
    bench.run(&query(), asking(&table, sql)).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_mariadb_have_sensible_types() {
    let server = MariaDb::start();
    let url = url::Url::parse(&server.url().replace("mysql+pymysql", "mysql")).unwrap();
    let mut url_with_password = url.clone();
    url_with_password.set_password(Some(PASSWORD)).unwrap();
    let mut connection = sqlx::MySqlConnection::connect(url_with_password.as_str()).await.unwrap();
    for sql in [
        "CREATE TABLE users (id INT, big BIGINT UNSIGNED, share FLOAT, price DECIMAL(10,2), ok BOOLEAN, born DATE, \
         seen DATETIME(3), at TIMESTAMP NULL, name VARCHAR(20), doc JSON, raw VARBINARY(4), PRIMARY KEY (id))",
        "INSERT INTO users VALUES (1, 18446744073709551615, -89.9787, 12.50, TRUE, '2018-03-04', \
         '2018-03-04 05:06:07.250', '2018-03-04 05:06:07', 'Åsa', '{\"a\": 1}', X'00FF')",
        "INSERT INTO users (id) VALUES (2)",
    ] {
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    let mut bench = Bench::new();
    let mut conn = Connection::new("my_mysql", "mysql");
    conn.login = Some("reader".to_owned());
    conn.password = Some(Secret::new(PASSWORD));
    conn.schema = Some("pinterest_data".to_owned());
    let socket = url.query_pairs().find(|(key, _)| key == "socket").unwrap().1.into_owned();
    conn.extra.insert("socket".to_owned(), socket.into());
    bench.ctx.secrets = Arc::new(Connections(vec![conn]));

    let by_connection = json!({ "conn_id": "my_mysql", "table": "users" });
    let by_url = json!({ "url": server.url(), "password_env": "DB_PASSWORD", "query": "SELECT * FROM users" });
    for table in [by_connection, by_url] {
        let sql = "SELECT id, big, share, price, ok, born, seen, at, name, doc, hex(raw) AS raw FROM t ORDER BY id";
        let answer = answer(&bench, table, sql).await;
        let first = json!([
            1,
            "18446744073709551615",
            -89.9787,
            12.5,
            true,
            "2018-03-04",
            "2018-03-04 05:06:07.25",
            "2018-03-04 05:06:07",
            "Åsa",
            "{\"a\": 1}",
            "00FF"
        ]);
        assert_eq!(answer["rows"][0], first);
        assert_eq!(answer["rows"][1], json!([2, null, null, null, null, null, null, null, null, null, null]));
    }
    let table = json!({ "conn_id": "my_mysql", "table": "userz" });
    let error = error(&bench, table, "SELECT 1").await;
    assert!(error.to_string().contains("the table `t` cannot be read: mysql://reader@localhost"), "{error}");
    assert!(error.to_string().contains("userz"), "{error}");
    assert!(!error.to_string().contains("hush"), "{error}");
    assert_eq!(error.verdict, Verdict::Fail);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_postgres_are_joined_with_files() {
    let url = scheduler::testing::postgres_url().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    for sql in [
        "CREATE TABLE users (id INT4, n INT8, share FLOAT8, price NUMERIC(10,2), ok BOOL, born DATE, seen TIMESTAMP, \
         at TIMESTAMPTZ, name TEXT, doc JSONB, raw BYTEA, u UUID)",
        "INSERT INTO users VALUES (1, 5000000000, 0.25, 12.50, true, '2018-03-04', '2018-03-04 05:06:07.25', \
         '2018-03-04 05:06:07+02', 'it''s', '{\"a\": 1}', '\\x00ff', '00000000-0000-0000-0000-000000000001')",
        "INSERT INTO users (id) SELECT generate_series(2, 20000)",
    ] {
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    let bench = Bench::new();
    bench.file("posts.csv", "user,title\n1,a\n20000,b\n30000,c\n");
    let users = json!({ "url": url, "table": "users" });
    let sql = "SELECT id, n, share, price, ok, born, seen, at, name, doc, hex(raw) AS raw, u FROM t WHERE id = 1";
    let first = json!([[
        1,
        5_000_000_000_i64,
        0.25,
        12.5,
        true,
        "2018-03-04",
        "2018-03-04 05:06:07.25",
        "2018-03-04 03:06:07",
        "it's",
        "{\"a\": 1}",
        "00FF",
        "00000000-0000-0000-0000-000000000001"
    ]]);
    assert_eq!(answer(&bench, users.clone(), sql).await["rows"], first);
    let sql = "SELECT COUNT(*) AS n, MAX(p.title) AS t FROM t JOIN csv.`posts.csv` AS p ON p.user = t.id";
    assert_eq!(answer(&bench, users.clone(), sql).await["rows"], json!([[2, "b"]]));
    assert_eq!(answer(&bench, users, "SELECT id FROM t LIMIT 3").await["row_count"], 3);
    let wrong = error(&bench, json!({ "url": url, "query": "SELECT nme FROM users" }), "SELECT 1").await;
    assert!(wrong.to_string().contains("nme"), "{wrong}");
    assert_eq!(wrong.verdict, Verdict::Fail);
    let away = json!({ "url": "postgres://me:hush@127.0.0.1:9/x", "table": "users" });
    let away = error(&bench, away, "SELECT 1").await;
    assert_eq!(away.verdict, Verdict::Retry);
    assert!(!away.to_string().contains("hush"), "{away}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_sqlite_hold_what_they_say() {
    let bench = Bench::new();
    let path = bench.home().join("x.db");
    let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{}?mode=rwc", path.display())).await.unwrap();
    for sql in [
        "CREATE TABLE users (id INTEGER, share REAL, ok BOOLEAN, born DATE, seen DATETIME, name TEXT, raw BLOB)",
        "INSERT INTO users VALUES (1, 0.5, 1, '2018-03-04', '2018-03-04 05:06:07', 'a', X'00FF'), \
         (2, NULL, 0, NULL, NULL, NULL, NULL)",
        "CREATE TABLE loose (n INTEGER)",
        "INSERT INTO loose VALUES (1), ('many')",
    ] {
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    let table = json!({ "url": "sqlite:x.db", "table": "users" });
    let sql = "SELECT id, share, ok, born, seen, name, hex(raw) AS raw FROM t ORDER BY id";
    let rows = json!([
        [1, 0.5, true, "2018-03-04", "2018-03-04 05:06:07", "a", "00FF"],
        [2, null, false, null, null, null, null]
    ]);
    assert_eq!(answer(&bench, table, sql).await["rows"], rows);
    let counted = json!({ "url": "sqlite:x.db", "query": "SELECT COUNT(*) AS n, MAX(share) AS m FROM users" });
    assert_eq!(answer(&bench, counted, "SELECT n + 1 AS n, m FROM t").await["rows"], json!([[3, 0.5]]));
    let loose = error(&bench, json!({ "url": "sqlite:x.db", "table": "loose" }), "SELECT * FROM t").await;
    assert!(loose.to_string().contains("the column `n` holds `many`, which is no integer"), "{loose}");
}

#[test]
fn descriptions_of_tables_are_checked_when_the_file_is_loaded() {
    let registry = operators::registry_with(&S3::from_variables([])).unwrap();
    let check = |table: Value| {
        let args = asking(&table, "SELECT 1");
        let problems = registry.find("query").unwrap().check(args.as_object().unwrap());
        problems
            .into_iter()
            .map(|problem| format!("{}: {}", problem.pointer, problem.message))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(check(json!({ "conn_id": "x", "table": "public.users" })), "");
    assert_eq!(check(json!({ "path": ["a", "b"], "format": "csv" })), "");
    insta::assert_snapshot!(check(json!({ "conn_id": "x" })), @"/tables/t: it does not say what to read: `table` or `query`");
    insta::assert_snapshot!(check(json!({ "format": "csv" })), @"/tables/t: it does not say where the table is: `path`, `conn_id` or `url`");
    insta::assert_snapshot!(check(json!({ "path": "a", "query": "SELECT 1" })), @"/tables/t/query: `query` is for tables of databases; this one has a `path`");
    insta::assert_snapshot!(check(json!({ "path": "a", "timestamp": "soon" })), @"/tables/t/timestamp: `soon` is no instant; write `2024-03-04T05:06:07Z`");
    insta::assert_snapshot!(check(json!({ "url": "oracle://x/y", "table": "t" })), @"/tables/t/url: `url` begins with `oracle:`; it must be mysql://, postgres:// or sqlite:");
}
