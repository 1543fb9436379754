#!/usr/bin/env python3
"""Cleans the three Pinterest tables and answers Tasks 4 to 11, in Updraft and in what a user would pick instead.

    benches/data/run.py [--rows 1000000] [--peers updraft,duckdb,polars,spark] [--jobs kept,told] [--best-of 5] [--data FOLDER]

All read the same JSON Lines and write the same answers, which are compared; each is a process of its own that starts from
nothing, and all have the same two threads. They take turns, because a machine is never as fast as a moment ago. Wall time is
from the start of the process to its end, memory the peak of what the process and its children keep resident.

The job is what three tasks that clean and nine that ask leave behind: Updraft finds the columns out, of all rows, and leaves the
cleaned tables on disk, as Delta tables in one commit each. There are two tables of results:

* tables kept: the others find the columns out in their own way and leave the cleaned tables on disk as well, as Parquet files
  without a log, in whatever way was fastest for them (see their files).
* columns told: all but Spark are told the columns. The others hold the tables in memory, and leave nothing but the answers;
  Updraft keeps them as before.

Rows are made by Updraft's own emulation unless `--data` names a folder with pin.jsonl, geo.jsonl and user.jsonl. The peers
are installed from PyPI into virtual environments below `--venvs`, which are kept; pyspark needs a Java of 17 or later.
"""

import argparse
import csv
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import yaml

PEERS = {"duckdb": "duckdb==2.0.0", "polars": "polars==2.1.0", "spark": "pyspark==4.3.0"}
TABLES = ("pin", "geo", "user")
JOBS = {"kept": "tables kept", "told": "columns told"}
LOOK_EVERY_SECONDS = 0.02
# What a user knows of them, as the others are told it.
COLUMNS = {
    "pin": {
        "index": "bigint",
        **dict.fromkeys(["unique_id", "title", "description", "poster_name", "follower_count", "tag_list"], "string"),
        **dict.fromkeys(["is_image_or_video", "image_src", "save_location", "category"], "string"),
        "downloaded": "bigint",
    },
    "geo": {"ind": "bigint", "timestamp": "string", "latitude": "double", "longitude": "double", "country": "string"},
    "user": {"ind": "bigint", "first_name": "string", "last_name": "string", "age": "bigint", "date_joined": "string"},
}
# Of tied countries any may be named.
ARBITRARY = {"task6_part2": {"country"}}
# Spark's medians may be a few ranks away from the exact ones.
MEDIAN = "median_follower_count"


def main():
    repository = pathlib.Path(__file__).resolve().parent.parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(repository / "target" / "release" / "updraft"))
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of each table [default: %(default)s]")
    parser.add_argument("--peers", default="updraft,duckdb,polars,spark")
    parser.add_argument("--jobs", default=",".join(JOBS))
    parser.add_argument("--best-of", type=int, default=5)
    parser.add_argument("--data", type=pathlib.Path, help="a folder with pin.jsonl, geo.jsonl and user.jsonl")
    parser.add_argument("--venvs", type=pathlib.Path, default=repository / "target" / "bench-data")
    args = parser.parse_args()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="updraft-bench-data-"))
    try:
        data = args.data or make_rows(args.binary, args.rows, scratch)
        measured = {}
        for _ in range(args.best_of):
            for name in args.peers.split(","):
                for job in args.jobs.split(","):
                    one = measure(name, job, args, data.resolve(), scratch, repository)
                    measured[name, job] = min(measured.get((name, job), one), one, key=lambda each: each[1])
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for job in args.jobs.split(","):
        print(f"\n| {JOBS[job]} | wall | peak memory | CPU | Updraft takes |\n| --- | --- | --- | --- | --- |")
        ours = measured.get(("updraft", job))
        for name in args.peers.split(","):
            shown, wall, memory, cpu = measured[name, job]
            ratio = f"{ours[1] / wall:.2f} of its time, {ours[2] / memory:.2f} of its memory" if ours else "–"
            print(f"| {shown} | {wall:.2f} s | {memory:,.0f} MB | {cpu:.1f} s | {'' if name == 'updraft' else ratio} |")


def make_rows(binary, rows, scratch):
    """One file a table, made by the emulation."""
    dag = {
        "dag_id": "make_rows",
        "schedule": None,
        "tasks": [
            {
                "task_id": "emulate",
                "operator": "emulation",
                "source": "sample",
                "rows": rows,
                "sink": str(scratch / "landed"),
                "flush_size": 1_000_000_000,
            }
        ],
    }
    file = scratch / "make_rows.yaml"
    file.write_text(yaml.safe_dump(dag))
    run([binary, "dags", "test", str(file)], scratch)
    data = scratch / "rows"
    data.mkdir()
    for table in TABLES:
        with open(data / f"{table}.jsonl", "wb") as whole:
            for part in sorted((scratch / "landed").glob(f"topics/*.{table}/partition=*/*.json")):
                with open(part, "rb") as landed:
                    shutil.copyfileobj(landed, whole)
    shutil.rmtree(scratch / "landed")
    return data


def measure(name, job, args, data, scratch, repository):
    """What a peer is called, and its wall time, memory and CPU. Its answers are compared with those of the first."""
    answers = scratch / "answers" / name
    shutil.rmtree(answers, ignore_errors=True)
    answers.mkdir(parents=True)
    lake = scratch / "lake"
    shutil.rmtree(lake, ignore_errors=True)
    lake.mkdir()
    # What the one before left to be written must not be written while this one is measured.
    os.sync()
    command = command_of(name, job, args, data, answers, lake, scratch, repository)
    wall, memory, cpu = run(command, scratch)
    shown = "Updraft" if name == "updraft" else PEERS[name].replace("==", " ")
    print(f"{shown}, {JOBS[job]}: {wall:.2f} s, {memory:,.0f} MB, {cpu:.1f} s of CPU", file=sys.stderr, flush=True)
    compare(scratch / "answers", args.peers.split(",")[0], name)
    return shown, wall, memory, cpu


def command_of(name, job, args, data, answers, lake, scratch, repository):
    if name == "updraft":
        return [args.binary, "dags", "test", str(pipeline(job, data, answers, lake, scratch, repository))]
    python = venv(args.venvs / name, PEERS[name])
    script = repository / "benches" / "data" / "peers" / f"with_{name}.py"
    return [str(each) for each in (python, script, data, answers, *([lake] if job == "kept" else []))]


def pipeline(job, data, answers, lake, scratch, repository):
    """The example pipeline without its posting and its report, as a DAG file."""
    dag = yaml.safe_load((repository / "dags" / "pinterest_batch.yaml").read_text())
    kept = []
    for task in dag["tasks"]:
        if task["operator"] not in ("clean", "query"):
            continue
        if task["operator"] == "clean":
            table = task["task_id"].removeprefix("clean_")
            task.update(input=str(data / f"{table}.jsonl"), dependencies=[])
            if job == "told":
                task["schema"] = COLUMNS[table]
        if "output" in task and task["operator"] == "query":
            task["output"] = str(answers / f"{task['task_id']}.csv")
        kept.append(task)
    dag["tasks"] = kept
    dag["params"]["lake"]["default"] = str(lake)
    file = scratch / "pipeline.yaml"
    file.write_text(yaml.safe_dump(dag, sort_keys=False, width=1_000_000))
    return file


def venv(folder, package):
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True)
    return python


def run(command, scratch):
    """Runs a command to its end; answers with its seconds, its peak of resident megabytes, and its seconds of CPU."""
    env = {**os.environ, "UPDRAFT_HOME": str(scratch / "home"), "UPDRAFT_LOG": "warn"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = 0.0
    is_over = threading.Event()

    def look():
        nonlocal peak
        while not is_over.wait(LOOK_EVERY_SECONDS):
            peak = max(peak, resident_mb(process.pid))

    looking = threading.Thread(target=look)
    looking.start()
    _, said = process.communicate()
    wall = time.perf_counter() - began
    is_over.set()
    looking.join()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, peak, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def resident_mb(root):
    """What a process and all that it started keep resident."""
    children, sizes = {}, {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            sizes[int(entry.name)] = int((entry / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(entry.name))
    total, todo = 0.0, [root]
    while todo:
        pid = todo.pop()
        total += sizes.get(pid, 0.0)
        todo += children.get(pid, [])
    return total


def compare(folder, first, name):
    """Refuses answers of `name` that differ from those of `first`."""
    if first == name:
        return
    for file in sorted((folder / first).glob("*.csv")):
        left_out = ARBITRARY.get(file.stem, set()) | ({MEDIAN} if "spark" in (first, name) else set())
        ours, theirs = read_answer(file, left_out), read_answer(folder / name / file.name, left_out)
        if ours != theirs:
            differing = [pair for pair in zip(ours, theirs) if pair[0] != pair[1]][:3]
            raise SystemExit(f"{file.stem} of {name} differs from that of {first}: {json.dumps(differing)}")


def read_answer(file, left_out):
    """Rows without an order. NULL is an empty field everywhere: no answer holds an empty text."""
    with open(file, newline="") as lines:
        rows = list(csv.DictReader(lines))
    return sorted(tuple(value for column, value in row.items() if column not in left_out) for row in rows)


if __name__ == "__main__":
    main()
