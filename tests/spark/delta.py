"""Has pyspark read the Delta tables that Updraft writes, and write those that Updraft reads: `make test-spark SEED=7`.

Delta for the JVM is a jar that no registry of Python or Rust has. So the server behind pyspark's client is Sail: Spark Connect
in Rust, with a reader and a writer of Delta of its own, by neither Updraft's authors nor those of `deltalake`.
"""

import argparse
import datetime
import json
import os
import pathlib
import random
import sys
import tempfile
import time
import warnings

import oracle
import updraft

os.environ["TZ"] = "UTC"
os.environ.setdefault("RUST_LOG", "off")
time.tzset()
# So many commits of one row are a checkpoint of the log, and several compactions.
COMMITS = 120
NAMES = ["Ångström", "日本語", "שלום", "emoji 😀", "", " blanks ", 'quote"d', "a/b=c%d", None]
DERIVED = {
    "price": "CAST(cents / 100 AS DECIMAL(12, 2))",
    "day": "CAST(at AS DATE)",
    "half": "CAST(id AS DOUBLE) / 2",
    "is_even": "id % 2 = 0",
    "small": "CAST(id % 100 AS SMALLINT)",
}


def documents(dice, ids, **more):
    """Rows with these numbers, each a JSON document."""
    for number in ids:
        yield {
            "id": number,
            "name": dice.choice(NAMES),
            "part": dice.choice(["x", "y z", "ü/=%", "", None]),
            "at": dice.choice(["1899-12-31T23:59:59.5", "1969-12-31 23:59:59", "2020-02-29T12:00:00.123456+02:00", None]),
            "cents": dice.choice([0, -5, 123456789, None]),
            "list": dice.choice([[1, None, 3], [], None]),
            "nested": dice.choice([{"a": 1, "b": {"c": ["x", None]}}, {"a": None, "b": None}, None]),
            **more,
        }


def write_lines(file, rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def connect():
    """A server of Sail, and a session of pyspark with it. The server lives as long as it is held."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = SparkConnectServer("127.0.0.1", 0)
    server.start()
    host, port = server.listening_address
    spark = SparkSession.builder.remote(f"sc://{host}:{port}").getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    return server, spark


class Tables:
    """Tables that both sides read and write, and what was found different."""

    def __init__(self, binary, folder, seed):
        self.updraft = updraft.Updraft(binary, folder)
        self.folder, self.dice = folder, random.Random(seed)
        self.server, self.spark = connect()
        self.wrong = []

    def path(self, name):
        return self.folder / "lake" / name

    def clean(self, name, rows, **arguments):
        """Has Updraft write rows into a table."""
        source = self.folder / "rows" / f"{name}.jsonl"
        write_lines(source, rows)
        derived = [{"derive": {"into": into, "sql": sql}} for into, sql in DERIVED.items()]
        task = {
            "task_id": name,
            "operator": "clean",
            "input": str(source),
            "output": str(self.path(name)),
            "rules": [{"timestamp": {"column": "at"}}, *derived],
            **arguments,
        }
        self.run(task)

    def run(self, task):
        # JSON is YAML.
        file = self.folder / f"{task['task_id']}.yaml"
        file.write_text(json.dumps({"dag_id": task["task_id"], "tasks": [task]}))
        self.updraft.run("dags", "test", str(file))

    def by_pyspark(self, name):
        frame = self.spark.read.format("delta").load(str(self.path(name)))
        return sorted(([oracle.value(cell) for cell in row] for row in frame.select(*sorted(frame.columns)).collect()), key=repr)

    def by_updraft(self, name):
        answer = self.updraft.run("sql", "SELECT * FROM t", "--table", f"t={self.path(name)}", "--format", "json")
        rows = json.loads(answer)
        return sorted(([row[column] for column in sorted(row)] for row in rows), key=repr)

    def same(self, what, name, ids):
        """Both sides read the same of a table, and rows with these numbers."""
        mine, theirs = self.by_updraft(name), self.by_pyspark(name)
        frame = self.spark.read.format("delta").load(str(self.path(name)))
        read = sorted(row.id for row in frame.select("id").collect())
        found = updraft.difference(what, mine, theirs)
        if found is None and read != sorted(ids):
            found = f"{what}: rows {read}, and not {sorted(ids)}"
        print(f"{'same' if found is None else 'DIFFERENT'}  {what}", flush=True)
        self.wrong.append(found)


def written_by_updraft(tables):
    dice = tables.dice
    tables.clean("appended", documents(dice, range(50)), mode="append")
    tables.same("appended to an empty table", "appended", range(50))
    tables.clean("appended", documents(dice, range(50, 80), extra="new"), mode="append")
    tables.same("appended to, with a further column", "appended", range(80))

    tables.clean("overwritten", documents(dice, range(40)), partition_by=["part", "day"])
    tables.clean("overwritten", documents(dice, range(40, 60)), partition_by=["part", "day"])
    tables.same("overwritten, in partitions", "overwritten", range(40, 60))
    tables.clean("overwritten", documents(dice, range(5), other=1.5))
    tables.same("overwritten with other columns", "overwritten", range(5))

    for name, more in {"merged": {}, "merged_in_partitions": {"partition_by": "part"}}.items():
        tables.clean(name, documents(dice, range(60)), mode="merge", keys="id", **more)
        tables.clean(name, documents(dice, range(30, 90)), mode="merge", keys="id", **more)
        tables.clean(name, documents(dice, [7, 7, 200]), mode="merge", keys="id", **more)
        tables.same(name, name, [*range(90), 200])


def put_together(tables):
    """A stream of single rows: its small files are put together, and its log has a checkpoint."""
    topic = tables.folder / "topic" / "t.pin"
    for offset in range(COMMITS):
        name = f"partition=0/t.pin+0+{offset:010}.json"
        write_lines(topic / name, [{"id": offset, "name": tables.dice.choice(NAMES), "score": offset / 8}])
    task = {
        "task_id": "streamed",
        "operator": "stream",
        "source": str(topic),
        "schema": {"id": "bigint", "name": "string", "score": "double"},
        "output": str(tables.path("streamed")),
        "batch_rows": 1,
    }
    tables.run(task)
    tables.same("streamed, and put together", "streamed", range(COMMITS))
    log = tables.path("streamed") / "_delta_log"
    commits = sorted(log.glob("*.json"))
    checkpoints = sorted(log.glob("*.checkpoint.parquet"))
    if not checkpoints or not any('"dataChange":false' in commit.read_text() for commit in commits):
        tables.wrong.append("streamed: there is no checkpoint, or nothing was put together")
        return
    # As Delta forgets them when they are old: what they say is in the checkpoint alone from then on.
    for commit in commits:
        if commit.stem < checkpoints[-1].name.split(".")[0]:
            commit.unlink()
    tables.same("streamed, by the checkpoint of its log", "streamed", range(COMMITS))
    write_lines(topic / f"partition=0/t.pin+0+{COMMITS:010}.json", [{"id": COMMITS}])
    tables.run(task)
    tables.same("streamed further", "streamed", range(COMMITS + 1))


def written_by_pyspark(tables):
    spark = tables.spark
    types = (
        "id BIGINT, name STRING, part STRING, at TIMESTAMP, price DECIMAL(12, 2), day DATE, list ARRAY<BIGINT>, "
        "nested STRUCT<a: BIGINT, b: STRING>"
    )
    moment = datetime.datetime(1899, 12, 31, 23, 59, 59, 500000)

    def frame(ids):
        rows = [
            (number, NAMES[number % len(NAMES)], "xy"[number % 2], moment, None, moment.date(), [number, None], (number, None))
            for number in ids
        ]
        return spark.createDataFrame(rows, types)

    path = str(tables.path("theirs"))
    frame(range(30)).write.format("delta").partitionBy("part").save(path)
    tables.same("written by pyspark", "theirs", range(30))
    frame(range(10, 50)).write.format("delta").mode("overwrite").save(path)
    frame(range(50, 60)).write.format("delta").mode("append").save(path)
    tables.same("overwritten and appended to by pyspark", "theirs", range(10, 60))
    spark.sql(f"DELETE FROM delta.`{path}` WHERE id < 20").collect()
    spark.sql(f"UPDATE delta.`{path}` SET name = 'changed', price = 12.5 WHERE id % 3 = 0").collect()
    tables.same("deleted from and updated by pyspark", "theirs", range(20, 60))
    frame([25, 70]).createOrReplaceTempView("news")
    merge = "WHEN MATCHED THEN UPDATE SET name = 'merged' WHEN NOT MATCHED THEN INSERT *"
    spark.sql(f"MERGE INTO delta.`{path}` AS t USING news AS s ON t.id = s.id {merge}").collect()
    tables.same("merged by pyspark", "theirs", [*range(20, 60), 70])
    source = tables.folder / "rows" / "theirs.jsonl"
    write_lines(source, [{"id": 70, "name": "ours"}, {"id": 71, "name": "ours"}])
    task = {"task_id": "theirs", "operator": "clean", "input": str(source), "output": path, "mode": "merge", "keys": "id"}
    tables.run(task)
    tables.same("written by pyspark, merged into by Updraft", "theirs", [*range(20, 60), 70, 71])

    path = str(tables.path("merged"))
    few = spark.read.format("delta").load(path).where("id < 3")
    few.withColumn("id", few.id + 1000).write.format("delta").mode("append").save(path)
    tables.same("written by Updraft, appended to by pyspark", "merged", [*range(90), 200, 1000, 1001, 1002])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updraft", default=str(updraft.ROOT / "target/debug/updraft"))
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="updraft-delta-") as folder:
        tables = Tables(args.updraft, pathlib.Path(folder), args.seed)
        written_by_updraft(tables)
        put_together(tables)
        written_by_pyspark(tables)
        tables.spark.stop()
        tables.server.stop()
    wrong = [text for text in tables.wrong if text is not None]
    print("\n".join(wrong) if wrong else f"all the same, seed {args.seed}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
