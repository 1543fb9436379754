#!/usr/bin/env python3
"""Runs the same two DAGs on Updraft, DBOS, Airflow 3 and Prefect 3, on one Postgres server.

    benches/compare/run.py [--binary target/release/updraft] [--systems updraft,dbos,airflow,prefect] [--postgres URL]

The others are installed from PyPI into virtual environments below `--venvs`, which are kept. A chain of 40 tasks and a
fan-out of 200, each of which runs `true`; times are from when the run was asked for to its end, as each system recorded
them. Memory is that of all processes of a system after that, Postgres left out.

Updraft and DBOS rest when they have nothing to do, so they run at the same time and take turns, because a machine is
never as fast as a moment ago: the middle one of `TURNS` is told. The others do not rest, and come one after the other: the
better of two.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import systems  # noqa: E402
from databases import Postgres  # noqa: E402

TURNS = 15


def measured(started, turns, told):
    """A row for each of the systems, which take turns."""
    times = {system: {"chain": [], "fan_out": []} for system in started}
    for shape in ("chain", "fan_out"):
        for system in started * turns:
            times[system][shape].append(system.run(shape))
    for system in started:
        chain, fan_out = (told(times[system][shape]) for shape in ("chain", "fan_out"))
        row = (f"{system.name} {system.version}", f"{chain:.3f} s", f"{fan_out:.3f} s", f"{system.memory():,.0f} MB")
        print(*row, sep=", ", file=sys.stderr, flush=True)
        yield row


def main():
    repository = pathlib.Path(__file__).resolve().parent.parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(repository / "target" / "release" / "updraft"))
    parser.add_argument("--systems", default=",".join(systems.ALL))
    parser.add_argument("--postgres", metavar="URL", help="a server to use instead of one of the run's own")
    parser.add_argument("--venvs", default=str(repository / "target" / "compare"), type=pathlib.Path)
    args = parser.parse_args()
    args.venvs.mkdir(parents=True, exist_ok=True)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="updraft-compare-"))
    os.chmod(scratch, 0o755)
    database = Postgres(scratch / "pg", args.postgres)
    named = [systems.ALL[name] for name in args.systems.split(",")]
    groups = [([system for system in named if system.rests], TURNS, statistics.median)]
    groups += [([system], 2, min) for system in named if not system.rests]
    rows = []
    try:
        for together, turns, told in groups:
            started = []
            try:
                for system in together:
                    started.append(system(database, scratch, args.venvs, args.binary))
                rows += measured(started, turns, told)
            finally:
                for system in started:
                    system.stop()
    finally:
        database.stop()
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"| | chain of {systems.CHAIN} | fan-out of {systems.FAN_OUT} | memory |\n| --- | --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
