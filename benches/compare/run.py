#!/usr/bin/env python3
"""Runs the same two DAGs on Updraft, Airflow 3 and Prefect 3, one after the other on one Postgres server.

    benches/compare/run.py [--binary target/release/updraft] [--systems updraft,airflow,prefect] [--postgres URL]

The others are installed from PyPI into virtual environments below `--venvs`, which are kept. A chain of 40 tasks and a
fan-out of 200, each of which runs `true`; times are from when the run was asked for to its end, as each system recorded
them, the better of two. Memory is that of all processes of a system after that, Postgres left out.
"""

import argparse
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import systems  # noqa: E402
from databases import Postgres  # noqa: E402


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
    rows = []
    try:
        for name in args.systems.split(","):
            system = systems.ALL[name](database, scratch, args.venvs, args.binary)
            try:
                chain = min(system.run("chain") for _ in range(2))
                fan_out = min(system.run("fan_out") for _ in range(2))
                row = (f"{system.name} {system.version}", f"{chain:.2f} s", f"{fan_out:.2f} s", f"{system.memory():,.0f} MB")
            finally:
                system.stop()
            print(*row, sep=", ", file=sys.stderr, flush=True)
            rows.append(row)
    finally:
        database.stop()
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"| | chain of {systems.CHAIN} | fan-out of {systems.FAN_OUT} | memory |\n| --- | --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
