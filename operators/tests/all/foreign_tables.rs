//! Delta tables that others write are read: here the `deltalake` of Python, with partitions, rows that were deleted and changed,
//! a column that came later, a checkpoint, and versions before.

use serde_json::json;

use crate::context::run;
use crate::python;

#[tokio::test]
async fn tables_of_another_writer_are_read() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let code = r#"
import sys, datetime, deltalake
from arro3.core import Array, DataType, Table

path = sys.argv[1]
def rows(numbers, **more):
    at = [datetime.datetime(2024, 3, 4, 5, 6, n % 60, tzinfo=datetime.timezone.utc) for n in numbers]
    columns = {
        "n": Array(numbers, DataType.int64()),
        "Name": Array([None if n == 2 else f"näme {n}" for n in numbers], DataType.string()),
        "day": Array(["a=b/c" if n % 2 else "plain" for n in numbers], DataType.string()),
        "at": Array([int(t.timestamp() * 1_000_000) for t in at], DataType.int64()).cast(DataType.timestamp("us", tz="UTC")),
        "tag": Array([str(n) for n in numbers], DataType.string()),
    }
    for name, value in more.items():
        columns[name] = Array([value] * len(numbers), DataType.float64())
    return Table.from_pydict(columns)

deltalake.write_deltalake(path, rows([0, 1, 2, 3]), partition_by=["day"])
deltalake.write_deltalake(path, rows([4, 5, 6]), mode="append")
table = deltalake.DeltaTable(path)
table.delete("n = 3")
table.update(predicate="n = 4", updates={"Name": "'changed'"})
deltalake.write_deltalake(path, rows([7], score=0.5), mode="append", schema_mode="merge")
deltalake.DeltaTable(path).create_checkpoint()
deltalake.write_deltalake(path, rows([8], score=1.5), mode="append")
"#;
    let path = home.join("theirs");
    python::run(&["-c", code, path.to_str().unwrap()], &[]);

    let sql = "SELECT n, name, day, at, tag, score FROM t ORDER BY n";
    let answer = run("query", json!({ "tables": { "t": "theirs" }, "sql": sql }), home).await;
    let row = |n: i64, name: serde_json::Value, score: serde_json::Value| {
        let day = if n % 2 == 1 { "a=b/c" } else { "plain" };
        json!([n, name, day, format!("2024-03-04 05:06:0{n}"), n.to_string(), score])
    };
    let expected = json!([
        row(0, json!("näme 0"), json!(null)),
        row(1, json!("näme 1"), json!(null)),
        row(2, json!(null), json!(null)),
        row(4, json!("changed"), json!(null)),
        row(5, json!("näme 5"), json!(null)),
        row(6, json!("näme 6"), json!(null)),
        row(7, json!("näme 7"), json!(0.5)),
        row(8, json!("näme 8"), json!(1.5)),
    ]);
    assert_eq!(answer["rows"], expected);
    let first = json!({ "tables": { "t": { "path": "theirs", "version": 0 } }, "sql": "SELECT count(*) AS n FROM t" });
    assert_eq!(run("query", first, home).await["rows"], json!([[4]]));

    // Rows of ours beside theirs, read back by them.
    std::fs::write(home.join("more.jsonl"), "{\"n\": 9, \"Name\": \"ours\", \"day\": \"a=b/c\"}").unwrap();
    run("clean", json!({ "input": "more.jsonl", "output": "theirs", "mode": "append" }), home).await;
    let read = python::read_delta(path.to_str().unwrap(), "n", &[]);
    let names = read["columns"].as_array().unwrap().iter().find(|column| column[0] == "Name").unwrap();
    assert_eq!(names[1][8], "ours");
}
