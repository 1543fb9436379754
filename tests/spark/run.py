"""Asks Spark and Updraft the same, of random dirty rows, and compares: `make test-spark SEED=7`.

Updraft cleans with the rules of dags/pinterest_batch.yaml, Spark with the code below, and reads what Updraft wrote; both answer
questions.sql. Then Spark answers expressions.sql anew: answers.jsonl, to which the tests of `operators` hold Updraft, must
still say the same. The notebooks that `engine: databricks` would run are run on Spark, too, and both answer random pivots.
"""

import argparse
import json
import pathlib
import random
import sys
import tempfile

import engine
import oracle
import pivots
import rows
import updraft
from updraft import difference

HERE = pathlib.Path(__file__).resolve().parent
MARKERS = [
    "", "No description available Story format", "No description available", "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e",
    "User Info Error", "No Title Data Available", "Image src error.",
]


def statements(name):
    """The statements of a file, one a line."""
    lines = (HERE / name).read_text().splitlines()
    return [line for line in lines if line.strip() and not line.startswith("--")]


def questions():
    """The questions, by name."""
    parts = (HERE / "questions.sql").read_text().split("\n-- name: ")[1:]
    return {name.strip(): sql.strip() for name, sql in (part.split("\n", 1) for part in parts)}


def clean_by_spark(spark, source):
    """The raw and the cleaned tables as views of Spark."""
    import pyspark.sql.functions as F

    raw = {name: spark.read.json(str(source / f"{name}.jsonl")) for name in ["pin", "geo", "user"]}
    pin, geo, user = raw["pin"], raw["geo"], raw["user"]
    for name in pin.columns:
        pin = pin.withColumn(name, F.when(F.col(name).isin(MARKERS), None).otherwise(F.col(name)))
    count = F.col("follower_count")
    number = (
        F.when(count.contains("k"), F.regexp_replace(count, "k", "").cast("int") * 1000)
        .when(count.contains("M"), F.regexp_replace(count, "M", "").cast("int") * 1000000)
        .otherwise(count.cast("int"))
    )
    pin = pin.withColumn("follower_count", number).withColumn("ind", F.col("index").cast("int"))
    pin = pin.withColumn("save_location", F.regexp_replace("save_location", "Local save in ", ""))
    pin = pin.select(
        "ind", "unique_id", "title", "description", "follower_count", "poster_name", "tag_list", "is_image_or_video",
        "image_src", "save_location", "category",
    )
    geo = geo.withColumn("coordinates", F.array("latitude", "longitude"))
    geo = geo.withColumn("timestamp", F.to_timestamp("timestamp")).withColumn("ind", F.col("ind").cast("int"))
    geo = geo.select("ind", "country", "coordinates", "timestamp")
    user = user.withColumn("user_name", F.concat("first_name", F.lit(" "), "last_name"))
    user = user.withColumn("date_joined", F.to_timestamp("date_joined"))
    user = user.withColumn("ind", F.col("ind").cast("int")).withColumn("age", F.col("age").cast("int"))
    user = user.select("ind", "user_name", "age", "date_joined")
    for name, frame in {"pin": pin, "geo": geo, "user": user}.items():
        frame.cache().createOrReplaceGlobalTempView(f"df_{name}_temp_view")
        raw[name].cache().createOrReplaceTempView(f"raw_{name}")


class Pipeline(updraft.Updraft):
    """The binary, with a lake of its own."""

    def clean(self, source):
        conf = {"source": str(source), "lake": str(self.folder / "lake")}
        self.run("dags", "test", str(updraft.ROOT / "dags/pinterest_batch.yaml"), "--conf", json.dumps(conf))

    def answer(self, source, sql):
        tables = {f"df_{name}_temp_view": f"lake/clean_{name}" for name in ["pin", "geo", "user"]}
        tables.update({f"raw_{name}": f"{source}/{name}.jsonl" for name in ["pin", "geo", "user"]})
        words = [word for name, path in tables.items() for word in ["--table", f"{name}={path}"]]
        return self.rows(sql, *words)

    def rows(self, sql, *words):
        documents = json.loads(self.run("sql", sql, *words, "--format", "json"))
        return [list(document.values()) for document in documents]


def files_of(table):
    """The files of the newest version of a Delta table, as its log has them: Spark alone has no Delta."""
    files = set()
    for version in sorted((table / "_delta_log").glob("*.json")):
        for line in version.read_text().splitlines():
            action = json.loads(line)
            if "add" in action:
                files.add(action["add"]["path"])
            if "remove" in action:
                files.discard(action["remove"]["path"])
    return [str(table / file) for file in sorted(files)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updraft", default=str(updraft.ROOT / "target/debug/updraft"))
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--record", action="store_true", help="write answers.jsonl instead of comparing with it")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    spark = oracle.session()
    wrong = []
    with tempfile.TemporaryDirectory(prefix="updraft-spark-") as folder:
        folder = pathlib.Path(folder)
        source = folder / "source"
        source.mkdir()
        for name, lines in rows.tables(args.seed, args.rows).items():
            (source / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
        pipeline = Pipeline(args.updraft, folder)
        pipeline.clean(source)
        clean_by_spark(spark, source)
        whole = {f"clean {name}": f"SELECT * FROM global_temp.df_{name}_temp_view" for name in ["pin", "geo", "user"]}
        for name, sql in {**whole, **questions()}.items():
            theirs = oracle.answer(spark, sql)
            try:
                mine = pipeline.answer(source, sql)
            except RuntimeError as error:
                wrong.append(f"{name}: {error}")
                continue
            if name in whole:
                mine, theirs["rows"] = sorted(mine, key=repr), sorted(theirs["rows"], key=repr)
                table = files_of(folder / "lake" / name.replace(" ", "_"))
                read = [oracle.value(row) for row in spark.read.parquet(*table).collect()]
                read = sorted(([cell for cell in row.values()] for row in read), key=repr)
                wrong.append(difference(f"the files of {name}, read by Spark", read, theirs["rows"]))
            wrong.append(f"{name}: Spark fails: {theirs['error']}" if "error" in theirs else difference(name, mine, theirs["rows"]))
            print(f"{'same' if wrong[-1] is None else 'DIFFERENT'}  {name}", flush=True)
        wrong += engine.compare(spark, pipeline, folder, source)
        wrong += pivots.compare(spark, pipeline, args.seed)
    answers = [{"sql": sql, **oracle.answer(spark, sql)} for sql in statements("expressions.sql")]
    text = "".join(json.dumps(answer, ensure_ascii=False) + "\n" for answer in answers)
    recorded = HERE / "answers.jsonl"
    if args.record:
        recorded.write_text(text)
    elif recorded.read_text() != text:
        wrong.append("answers.jsonl is stale: Spark answers expressions.sql otherwise; run with --record")
    spark.stop()
    wrong = [text for text in wrong if text is not None]
    print("\n".join(wrong) if wrong else f"all the same, seed {args.seed}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
