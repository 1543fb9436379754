//! Tables that are appended to all the time stay in few files, and whoever else writes to them meanwhile, no row is there
//! twice or not at all. Tables are read back by the `deltalake` of Python.

use std::fs;
use std::path::Path;

use datafusion::logical_expr::lit;
use datafusion::prelude::{SessionContext, ident};
use deltalake::DeltaTable;
use operators::compaction;
use operators::delta::{self, Save, Write};
use operators::location::{Location, S3};
use operators::notifiers::Environment;
use operators::stream::Stream;
use scheduler::clock::Clock;
use scheduler::log::TaskLog;
use serde_json::{Value, json};

use crate::context::{context, log_text, nowhere, run, try_run};
use crate::moto::Moto;
use crate::python;
use crate::support::{Bench, return_value};

/// A table in a folder, and what is needed to write to it.
struct Lake {
    folder: tempfile::TempDir,
    s3: S3,
    session: SessionContext,
}

impl Lake {
    fn new() -> Lake {
        let session = operators::spark::session(1 << 28, 2).unwrap();
        Lake { folder: tempfile::tempdir().unwrap(), s3: nowhere(), session }
    }

    fn location(&self) -> Location {
        Location::parse("table", self.folder.path()).unwrap()
    }

    fn log(&self) -> TaskLog {
        TaskLog::at(self.folder.path().join("task.log"), Clock::System)
    }

    async fn open(&self) -> DeltaTable {
        delta::open(&self.location(), &self.s3).await.unwrap().unwrap()
    }

    /// Writes the rows of a statement in one commit.
    async fn write(&self, table: Option<DeltaTable>, rows: &str, save: Save) -> anyhow::Result<DeltaTable> {
        let plan = self.session.sql(rows).await?.into_unoptimized_plan();
        // As a merge is.
        let is_exclusive = matches!(save, Save::OverwriteWhere(_));
        let how = Write { save, is_exclusive, ..Write::default() };
        delta::write(table, &self.location(), plan, how, &self.session, &self.s3).await
    }

    /// Appends one row for each number, each by a commit of its own.
    async fn append(&self, numbers: std::ops::Range<i64>) {
        for number in numbers {
            let table = delta::open(&self.location(), &self.s3).await.unwrap();
            let rows = format!("SELECT CAST({number} AS bigint) AS n, 'day {}' AS day", number % 2);
            self.write(table, &rows, Save::Append).await.unwrap();
        }
    }

    /// As a task does after it appended, to a table as it knows it.
    async fn compact(&self, table: DeltaTable) -> DeltaTable {
        compaction::after_append(table, &self.location(), None, &self.session, &self.log()).await
    }

    fn path(&self) -> String {
        self.folder.path().join("table").to_str().unwrap().to_owned()
    }

    /// The numbers in their order, as Python reads them.
    fn numbers(&self) -> Value {
        python::read_delta(&self.path(), "n", &[])["columns"][0][1].take()
    }

    fn files(&self) -> u64 {
        files(&self.path(), &[])
    }
}

/// The files of the newest version of a table, as Python counts them.
fn files(table: &str, variables: &[(&str, &str)]) -> u64 {
    let code = "import deltalake, sys; print(len(deltalake.DeltaTable(sys.argv[1]).file_uris()))";
    python::run(&["-c", code, table], variables).parse().unwrap()
}

fn upto(number: i64) -> Value {
    (0..number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_compactions_that_begin_with_the_same_version_double_nothing() {
    let lake = Lake::new();
    lake.append(0..20).await;
    let (first, second) = (lake.open().await, lake.open().await);

    let (first, second) = tokio::join!(lake.compact(first), lake.compact(second));

    assert_eq!((lake.numbers(), lake.files()), (upto(20), 1));
    assert_eq!(first.version().max(second.version()), Some(20), "there is one commit, after the twenty");
    // The same, one long after the other.
    lake.append(20..60).await;
    let stale = lake.open().await;
    lake.compact(lake.open().await).await;
    lake.compact(stale).await;
    assert_eq!((lake.numbers(), lake.files()), (upto(60), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compaction_that_somebody_else_forestalled_lets_it_be() {
    let lake = Lake::new();
    lake.append(0..20).await;
    let stale = lake.open().await;
    let code = "import deltalake, sys; deltalake.DeltaTable(sys.argv[1]).optimize.compact()";
    python::run(&["-c", code, &lake.path()], &[]);

    lake.compact(stale).await;

    assert_eq!((lake.numbers(), lake.files()), (upto(20), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_appended_or_deleted_meanwhile_are_there_or_gone() {
    let lake = Lake::new();
    lake.append(0..20).await;
    let stale = lake.open().await;
    lake.append(20..22).await;
    lake.compact(stale).await;
    assert_eq!((lake.numbers(), lake.files()), (upto(22), 3), "two files came too late to be put together");

    lake.append(22..40).await;
    let stale = lake.open().await;
    let code = "import deltalake, sys; deltalake.DeltaTable(sys.argv[1]).delete('n >= 30')";
    python::run(&["-c", code, &lake.path()], &[]);
    lake.compact(stale).await;
    assert_eq!(lake.numbers(), upto(30));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_began_before_a_compaction_follows_it() {
    let lake = Lake::new();
    lake.append(0..20).await;
    let stale = lake.open().await;
    lake.compact(lake.open().await).await;
    lake.write(Some(stale), "SELECT CAST(20 AS bigint) AS n, 'day 0' AS day", Save::Append).await.unwrap();
    assert_eq!((lake.numbers(), lake.files()), (upto(21), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_began_before_a_compaction_is_refused() {
    for save in [Save::Overwrite, Save::OverwriteWhere(ident("n").eq(lit(3_i64)))] {
        let lake = Lake::new();
        lake.append(0..20).await;
        let stale = lake.open().await;
        lake.compact(lake.open().await).await;
        let rows = "SELECT CAST(3 AS bigint) AS n, 'another day' AS day";

        let error = lake.write(Some(stale), rows, save).await.expect_err("what it would replace is in another file");

        let said = format!("{error:#}");
        assert!(said.contains("cannot be written: somebody else has written to it meanwhile"), "{said}");
        assert_eq!((lake.numbers(), lake.files()), (upto(20), 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_new_columns_and_null_keep_their_values() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let args = json!({
        "input": "in.jsonl", "output": "out", "mode": "merge", "keys": "n", "partition_by": "day",
    });
    for n in 0..40 {
        let more = if n >= 20 { ", \"more\": \"später\"" } else { "" };
        let day = if n % 2 == 0 { "\"2024-01-01 00:00\"" } else { "null" };
        fs::write(home.join("in.jsonl"), format!("{{\"n\": {n}, \"day\": {day}{more}}}\n")).unwrap();
        run("clean", args.clone(), home).await;
    }
    let path = home.join("out");
    let read = python::read_delta(path.to_str().unwrap(), "n", &[]);
    let column = |name: &str| {
        let columns = read["columns"].as_array().unwrap();
        columns.iter().find(|column| column[0] == name).unwrap()[1].clone()
    };
    assert_eq!(column("n"), upto(40));
    let days: Vec<Value> = (0..40).map(|n| if n % 2 == 0 { json!("2024-01-01 00:00") } else { Value::Null }).collect();
    assert_eq!(column("day"), json!(days));
    let more: Vec<Value> = (0..40).map(|n| if n >= 20 { json!("später") } else { Value::Null }).collect();
    assert_eq!(column("more"), json!(more));
    assert!(files(path.to_str().unwrap(), &[]) < 32, "the sixteen of a partition are one");
    assert!(log_text(home).contains("Put 16 small files of "), "{}", log_text(home));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_says_no_is_left_alone() {
    let lake = Lake::new();
    lake.append(0..1).await;
    let code = "
import deltalake, sys
table = deltalake.DeltaTable(sys.argv[1])
table.alter.set_table_properties({'delta.autoOptimize.autoCompact': 'false'})
";
    python::run(&["-c", code, &lake.path()], &[]);
    lake.append(1..20).await;
    lake.compact(lake.open().await).await;
    assert_eq!((lake.numbers(), lake.files()), (upto(20), 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_leaves_few_files_and_reads_on() {
    let (moto, bench) = (Moto::start(), Bench::new());
    moto.make_bucket("lake").await;
    let stream = Stream::new(moto.settings(), Environment::default());
    let objects = |numbers: std::ops::Range<i64>| {
        for n in numbers {
            bench.file(&format!("topic/partition=0/t+0+{n:010}.json"), format!("{{\"n\": {n}}}\n"));
        }
    };
    objects(0..40);
    let args = json!({
        "source": "topic", "schema": { "n": "bigint" }, "output": "s3://lake/table", "batch_rows": 1,
    });

    let report = return_value(bench.run(&stream, args.clone()).await);
    assert_eq!((&report["rows_written"], &report["commits"]), (&json!(40), &json!(40)));
    objects(40..80);
    let report = return_value(bench.run(&stream, args).await);
    assert_eq!((&report["rows_written"], &report["positions"]), (&json!(40), &json!({ "0": "80" })));

    let variables = moto.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(python::read_delta("s3://lake/table", "n", &variables)["columns"][0][1], upto(80));
    let files = files("s3://lake/table", &variables);
    assert!(files < 16, "{files} files");
}

/// Two streams under one name begin at once with a table that is not there yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_begun_twice_at_once_doubles_nothing() {
    for _ in 0..5 {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        fs::create_dir_all(home.join("topic/partition=0")).unwrap();
        for n in 0..40 {
            let object = home.join(format!("topic/partition=0/t+0+{n:010}.json"));
            fs::write(object, format!("{{\"n\": {n}}}\n")).unwrap();
        }
        let args = json!({ "source": "topic", "schema": { "n": "bigint" }, "output": "table", "batch_rows": 3 });
        let begin = async || {
            // One of them is refused; its next try finds what the other has done.
            while try_run("stream", args.clone(), &context(home), &nowhere()).await.is_err() {}
        };

        tokio::join!(begin(), begin());

        assert_eq!(python::read_delta(table(home).as_str(), "n", &[])["columns"][0][1], upto(40));
    }
}

fn table(home: &Path) -> String {
    home.join("table").to_str().unwrap().to_owned()
}
