//! What `emulation` reads: files of rows in three formats, and tables of three kinds of databases.

use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::{CsvReadOptions, SessionContext};
use operators::emulation::Emulation;
use operators::location::S3;
use operators::notifiers::Environment;
use scheduler::operator::Verdict;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::mariadb::{MariaDb, PASSWORD};
use crate::moto::Moto;
use crate::support::{Bench, return_value};

const USER: &str = "0a3db223d459";

fn emulation() -> Emulation {
    let secrets = [("DB_PASSWORD".to_owned(), PASSWORD.to_owned())];
    Emulation::new(S3::from_variables([])).with_environment(Environment::of(secrets))
}

/// The lines that landed of a table.
fn landed(bench: &Bench, table: &str) -> Vec<String> {
    let topic = format!("{USER}.{table}");
    let folder = bench.home().join(format!("lake/topics/{topic}/partition=0"));
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
        .iter()
        .flat_map(|name| std::fs::read_to_string(name).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

const PIN_CSV: &str =
    "index,title,follower_count,downloaded,code\n0,\"a \"\"b\"\", c\",136k,1,007\n1,,5k,0,8\n2,\u{1f600},7M,1,9\n";
const GEO_CSV: &str = "ind,latitude,longitude\n0,-89.9787,1\n1,6.46203,\n2,7,-173.293\n";
const USER_CSV: &str = "ind,age\n0,20\n1,36\n2,60\n";

fn csv_files(bench: &Bench) {
    bench.file("rows/pin.csv", PIN_CSV);
    bench.file("rows/geo.csv", GEO_CSV);
    bench.file("rows/user.csv", USER_CSV);
}

fn expected() -> [Vec<&'static str>; 2] {
    [
        vec![
            r#"{"index":0,"title":"a \"b\", c","follower_count":"136k","downloaded":1,"code":"007"}"#,
            r#"{"index":1,"title":null,"follower_count":"5k","downloaded":0,"code":"8"}"#,
            "{\"index\":2,\"title\":\"\u{1f600}\",\"follower_count\":\"7M\",\"downloaded\":1,\"code\":\"9\"}",
        ],
        vec![
            r#"{"ind":0,"latitude":-89.9787,"longitude":1.0}"#,
            r#"{"ind":1,"latitude":6.46203,"longitude":null}"#,
            r#"{"ind":2,"latitude":7.0,"longitude":-173.293}"#,
        ],
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_files_become_documents_with_numbers_where_all_are() {
    let bench = Bench::new();
    csv_files(&bench);
    let report = return_value(bench.run(&emulation(), json!({ "source": "rows" })).await);
    assert_eq!(report["pin"], json!({ "rows": 3, "objects": 3, "broken": 0 }));
    let [pin, geo] = expected();
    assert_eq!(landed(&bench, "pin"), pin);
    assert_eq!(landed(&bench, "geo"), geo);
    assert_eq!(landed(&bench, "user"), [r#"{"ind":0,"age":20}"#, r#"{"ind":1,"age":36}"#, r#"{"ind":2,"age":60}"#]);
    let args = json!({ "source": { "files": { "location": "rows", "format": "csv" } }, "rows": 2 });
    return_value(bench.run(&emulation(), args).await);
    assert_eq!(landed(&bench, "pin"), pin[..2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_files_have_their_own_types() {
    let bench = Bench::new();
    csv_files(&bench);
    for table in ["pin", "geo", "user"] {
        let session = SessionContext::new();
        let path = bench.home().join(format!("rows/{table}.csv"));
        let frame = session.read_csv(path.to_str().unwrap(), CsvReadOptions::new()).await.unwrap();
        let file = bench.home().join(format!("columns/{table}.parquet"));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        frame.write_parquet(file.to_str().unwrap(), DataFrameWriteOptions::new(), None).await.unwrap();
    }
    return_value(bench.run(&emulation(), json!({ "source": { "files": "columns" } })).await);
    assert_eq!(landed(&bench, "geo"), expected()[1]);
    let first: Value = serde_json::from_str(&landed(&bench, "pin")[0]).unwrap();
    assert_eq!(first["follower_count"], "136k");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_from_a_bucket_too() {
    let moto = Moto::start();
    moto.make_bucket("source").await;
    let bench = Bench::new();
    csv_files(&bench);
    moto.upload("s3://source/rows", &bench.home().join("rows")).await;
    return_value(bench.run(&Emulation::new(moto.settings()), json!({ "source": "s3://source/rows" })).await);
    assert_eq!(landed(&bench, "geo"), expected()[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_it_seems_is_one_clear_error() {
    let bench = Bench::new();
    csv_files(&bench);
    bench.file("rows/geo.csv", "ind,latitude\n0,1\n1,2,3,4\n");
    let error = bench.run(&emulation(), json!({ "source": "rows" })).await.unwrap_err().to_string();
    assert!(error.contains("cannot read geo.csv of the source"), "{error}");
    std::fs::remove_file(bench.home().join("rows/user.csv")).unwrap();
    bench.file("rows/geo.csv", GEO_CSV);
    let error = bench.run(&emulation(), json!({ "source": "rows" })).await.unwrap_err().to_string();
    assert!(error.contains("cannot read user.csv of the source"), "{error}");
}

/// Statements for all three databases, but for the types of columns.
fn statements(big: &str, time: &str, float: &str) -> Vec<String> {
    vec![
        format!("CREATE TABLE pinterest_data (ind_ {big}, title TEXT, downloaded {big})"),
        format!("CREATE TABLE geolocation_data (ind {big}, timestamp {time}, latitude {float}, country TEXT)"),
        format!("CREATE TABLE user_data (ind {big}, first_name TEXT, age {big}, date_joined {time})"),
        "INSERT INTO pinterest_data VALUES (7528, 'say \"hi\" \u{1f600}', 1), (2863, NULL, 0), (5730, '', 1)"
            .to_owned(),
        "INSERT INTO geolocation_data VALUES (7528, '2020-08-28 03:52:47', -89.9787, 'Albania'), \
         (2863, '2020-04-27 13:34:16', -5.34445, 'Côte d''Ivoire'), (5730, NULL, 6.46203, NULL)"
            .to_owned(),
        "INSERT INTO user_data VALUES (7528, 'Abigail', 20, '2015-10-24 11:23:51'), (2863, 'Dylan', 32, NULL), \
         (5730, 'Rachel', 36, '2015-12-08 20:02:43')"
            .to_owned(),
    ]
}

fn expected_pin() -> [&'static str; 3] {
    [
        "{\"ind_\":7528,\"title\":\"say \\\"hi\\\" \u{1f600}\",\"downloaded\":1}",
        r#"{"ind_":2863,"title":null,"downloaded":0}"#,
        r#"{"ind_":5730,"title":"","downloaded":1}"#,
    ]
}

fn expected_geo() -> [&'static str; 3] {
    [
        r#"{"ind":7528,"timestamp":"2020-08-28T03:52:47","latitude":-89.9787,"country":"Albania"}"#,
        r#"{"ind":2863,"timestamp":"2020-04-27T13:34:16","latitude":-5.34445,"country":"Côte d'Ivoire"}"#,
        r#"{"ind":5730,"timestamp":null,"latitude":6.46203,"country":null}"#,
    ]
}

async fn check(url: &str, password: Option<&str>) {
    let bench = Bench::new();
    let source = json!({ "sql": { "url": url, "password_env": password } });
    let report = return_value(bench.run(&emulation(), json!({ "source": source })).await);
    assert_eq!(report["user"], json!({ "rows": 3, "objects": 3, "broken": 0 }));
    assert_eq!(landed(&bench, "pin"), expected_pin());
    assert_eq!(landed(&bench, "geo"), expected_geo());
    assert_eq!(
        landed(&bench, "user")[0],
        r#"{"ind":7528,"first_name":"Abigail","age":20,"date_joined":"2015-10-24T11:23:51"}"#
    );
    // Slowly, in an order of its own, with dates as `str()` writes them.
    let tables = json!({ "table": "user_data", "order_by": "age" });
    let source = json!({ "sql": { "url": url, "password_env": password, "user": tables, "datetimes": "blank" } });
    return_value(bench.run(&emulation(), json!({ "source": source, "rate": 1000, "rows": 2 })).await);
    assert_eq!(landed(&bench, "user").len(), 2);
    assert_eq!(
        landed(&bench, "user")[0],
        r#"{"ind":7528,"first_name":"Abigail","age":20,"date_joined":"2015-10-24 11:23:51"}"#
    );
    // Any row, again and again.
    let source = json!({ "sql": { "url": url, "password_env": password } });
    return_value(bench.run(&emulation(), json!({ "source": source, "order": "random", "rows": 40 })).await);
    assert!(expected_pin().iter().all(|row| landed(&bench, "pin").iter().any(|line| line == row)));
    // A table that is not there.
    let source = json!({ "sql": { "url": url, "password_env": password, "geo": "places" } });
    let error = bench.run(&emulation(), json!({ "source": source })).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Fail, "{error}");
    assert!(error.to_string().contains("places"), "{error}");
    assert!(!bench.log_text().contains("hush") && !error.to_string().contains("hush"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_mariadb_are_read_as_the_scripts_read_them() {
    let server = MariaDb::start();
    let with_password = server.url().replace("reader@", "reader:hush%2Fhush%20%401@").replace("mysql+pymysql", "mysql");
    let mut connection = sqlx::MySqlConnection::connect(&with_password).await.unwrap();
    for statement in statements("BIGINT", "DATETIME", "FLOAT") {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await.unwrap();
    }
    check(&server.url(), Some("DB_PASSWORD")).await;
    check(&with_password, None).await;
    let source = json!({ "sql": { "url": server.url() } });
    let error = Bench::new().run(&emulation(), json!({ "source": source })).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Fail, "{error}");
    assert!(error.to_string().contains("Access denied"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_postgres_are_read() {
    let url = scheduler::testing::postgres_url().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    for statement in statements("BIGINT", "TIMESTAMP", "REAL") {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await.unwrap();
    }
    check(&url, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_sqlite_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("rows.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
    for statement in statements("BIGINT", "DATETIME", "REAL") {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await.unwrap();
    }
    connection.close().await.unwrap();
    check(&url, None).await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_tried_again() {
    for (url, verdict) in [
        ("mysql://me:hush@127.0.0.1:9/x", Verdict::Retry),
        ("postgres://me:hush@127.0.0.1:9/x", Verdict::Retry),
        ("sqlite:nowhere.db", Verdict::Retry),
        ("oracle://me:hush@db/x", Verdict::Fail),
    ] {
        let error = Bench::new().run(&emulation(), json!({ "source": { "sql": { "url": url } } })).await.unwrap_err();
        assert_eq!(error.verdict, verdict, "{error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}
