#!/usr/bin/env python3
"""Measures an Updraft of its own on SQLite and on Postgres, and prints one table.

    benches/run.py [--binary target/release/updraft] [--postgres URL] [--only chain,fan_out] [--databases postgres]

Hops are read from the task instances themselves: from the start of a task to the start of the one after it. They are set
beside the commit of a single row from one connection to the same database in the same run, and throughput beside a bare
`SKIP LOCKED` queue, because that is what no durable scheduler can go below.

Without `--postgres`, a Postgres server is started for the run, as durable as it comes. URL names another one, on which
databases are made and dropped. `--data` names a folder with pin.jsonl, geo.jsonl and user.jsonl for the pipeline; without
it, rows are generated.
"""

import argparse
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import workloads  # noqa: E402
from databases import Postgres, Sqlite  # noqa: E402


def measure(bench, wanted):
    """The lines of the table, told as they come."""
    lines = {}
    for workload in wanted:
        for what, result in workload(bench):
            print(f"{bench.database.name}: {what}: {result}", file=sys.stderr, flush=True)
            lines[what] = result
    return lines


def main():
    repository = pathlib.Path(__file__).resolve().parent.parent
    known = {workload.__name__: workload for workload in workloads.ALL}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(repository / "target" / "release" / "updraft"))
    parser.add_argument("--postgres", metavar="URL", help="a server to use instead of one of the run's own")
    parser.add_argument("--databases", default="sqlite,postgres", help="which of the two [default: %(default)s]")
    parser.add_argument("--only", default=",".join(known), help="which workloads [default: %(default)s]")
    parser.add_argument("--sleeping", type=int, default=50_000, help="how many sensors sleep [default: %(default)s]")
    parser.add_argument("--data", help="folder with pin.jsonl, geo.jsonl and user.jsonl")
    args = parser.parse_args()
    unknown = [name for name in args.only.split(",") if name not in known]
    if unknown:
        parser.error(f"there is no workload {', '.join(unknown)}")
    wanted = [workload for name, workload in known.items() if name in args.only.split(",")]
    conf = {"source": str(pathlib.Path(args.data).resolve())} if args.data else {}

    scratch = pathlib.Path(tempfile.mkdtemp(prefix="updraft-bench-"))
    os.chmod(scratch, 0o755)
    make = {"sqlite": lambda: Sqlite(scratch / "sqlite"), "postgres": lambda: Postgres(scratch / "pg", args.postgres)}
    columns = {}
    try:
        for name in args.databases.split(","):
            database = make[name]()
            bench = None
            try:
                bench = workloads.Bench(args.binary, database, scratch, repository, conf, args.sleeping)
                columns[database.name] = measure(bench, wanted)
            finally:
                if bench:
                    bench.server.stop()
                database.stop()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    lines = list(dict.fromkeys(what for column in columns.values() for what in column))
    print("| | " + " | ".join(columns) + " |\n| --- |" + " --- |" * len(columns))
    for what in lines:
        print(f"| {what} | " + " | ".join(column.get(what, "–") for column in columns.values()) + " |")


if __name__ == "__main__":
    main()
