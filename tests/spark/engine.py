"""Runs the notebooks of `engine: databricks` on Spark itself, and holds them to what Updraft answers on this machine.

The notebooks are those that `updraft dags render` shows. Spark alone has no Delta, so what they write goes to Parquet.
"""

import json
import pathlib
import re
import shutil

import oracle
from updraft import ROOT, difference

BUCKET = "s3://lake"
# Of tied countries any may be named.
ARBITRARY = {"task6_part2": [0]}


class Exit(Exception):
    """A notebook that has said all it has to say."""


class File:
    def __init__(self, path):
        self.path, self.name = str(path), path.name


class Dbutils:
    """As much of Databricks' own tools as the notebooks use."""

    class notebook:
        @staticmethod
        def exit(text):
            raise Exit(text)

    class fs:
        @staticmethod
        def ls(folder):
            return [File(path) for path in pathlib.Path(folder).iterdir()]

        @staticmethod
        def mv(source, target):
            shutil.move(source, target)

        @staticmethod
        def rm(folder, recurse):
            shutil.rmtree(folder)


def rendered(pipeline, file, task):
    """A task as it would begin, and its notebook."""
    words = ["dags", "render", str(file), "--conf", json.dumps({"lake": BUCKET}), "--task", task, "--output", "json"]
    (shown,) = json.loads(pipeline.run(*words))
    return shown["arguments"], shown["submission"]["notebook"]["source"]


def without_delta(read):
    """Reads and writes Parquet where there would be Delta tables."""

    def stand_in(spark, paths, format, *more):
        return read(spark, paths, "parquet" if format == "delta" else format, *more)

    def write(spark, job, frame):
        frame.write.mode("overwrite").parquet(job["output"])

    return stand_in, write


def run(spark, source, lake):
    """What a notebook answers, with the bucket in a folder."""
    source = source.replace(BUCKET, str(lake))
    source = source.replace("\njob = json.loads(", "\nread, write = without_delta(read)\njob = json.loads(")
    try:
        exec(compile(source, "notebook", "exec"), {"spark": spark, "dbutils": Dbutils, "without_delta": without_delta})
    except Exit as said:
        return json.loads(str(said))
    raise RuntimeError("the notebook does not exit")


def elsewhere(folder):
    """The example pipeline with its cleaning and its questions on Databricks."""
    text = (ROOT / "dags/pinterest_batch.yaml").read_text()
    text = re.sub(r"(    operator: (?:clean|query)\n)", r"\1    engine: databricks\n", text)
    text = re.sub(r'input: "[^"]*\.(pin|geo|user)/[^"]*"', r'input: "{{ params.lake }}/rows/\1.jsonl"', text)
    file = folder / "elsewhere.yaml"
    file.write_text(text)
    return file


def compare(spark, pipeline, folder, source):
    """What differs between the notebooks and Updraft on this machine."""
    lake = folder / "bucket"
    (lake / "rows").mkdir(parents=True)
    for name in ["pin", "geo", "user"]:
        shutil.copy(source / f"{name}.jsonl", lake / "rows" / f"{name}.jsonl")
    file = elsewhere(folder)
    wrong = []

    def same(name, mine, theirs):
        found = difference(name, sorted(mine, key=repr), sorted(theirs, key=repr))
        print(f"{'same' if found is None else 'DIFFERENT'}  {name}", flush=True)
        wrong.append(found)

    for name in ["pin", "geo", "user"]:
        arguments, notebook = rendered(pipeline, file, f"clean_{name}")
        report = run(spark, notebook, lake)
        mine = pipeline.answer(source, f"SELECT * FROM df_{name}_temp_view")
        theirs = oracle.answer(spark, f"SELECT * FROM parquet.`{lake}/clean_{name}`")["rows"]
        same(f"notebook of clean_{name}", mine, theirs)
        if (report["rows_read"], report["rows_written"]) != (len(mine), len(mine)) or not report["changed"]:
            wrong.append(f"the notebook of clean_{name} counts {report}")
    text = file.read_text()
    for task in re.findall(r"- task_id: (task\d+\w*)\n    operator: query", text):
        arguments, notebook = rendered(pipeline, file, task)
        report = run(spark, notebook, lake)
        mine = pipeline.answer(source, arguments["sql"])
        left_out = ARBITRARY.get(task, [])
        cut = lambda rows: [[cell for at, cell in enumerate(row) if at not in left_out] for row in rows]
        same(f"notebook of {task}", cut(mine), cut(report["rows"]))
        output = report["output"]
        if output is not None and not pathlib.Path(output).exists():
            wrong.append(f"the notebook of {task} has not written {output}")
    return [text for text in wrong if text is not None]
