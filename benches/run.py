#!/usr/bin/env python3
"""Measures an Updraft of its own on SQLite and on Postgres, and prints one table.

    benches/run.py [--binary target/debug/updraft] [--data FOLDER]

Hops are read from the task instances themselves: from the start of a task to the start of the one after it. They are set
beside the commit of a single row from one connection to the same database in the same run, because that is what no
durable scheduler can go below. FOLDER holds pin.jsonl, geo.jsonl and user.jsonl; without it, rows are generated.
"""

import argparse
import contextlib
import datetime
import glob
import http.client
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import urllib.parse

CHAIN = 300
FAN_OUT = 2000
IDLE_DAGS = 100
IDLE_SECONDS = 10
COMMITS = 500
PASSWORD = "benchmark"


class Server:
    """A running Updraft."""

    def __init__(self, binary, home, database_url, dags):
        env = {
            **os.environ,
            "UPDRAFT_HOME": str(home),
            "UPDRAFT_DATABASE_URL": database_url,
            "UPDRAFT_DAGS_FOLDER": str(dags),
            "UPDRAFT_ADMIN_PASSWORD": PASSWORD,
            "UPDRAFT_DAGS_ARE_PAUSED_AT_CREATION": "false",
            "UPDRAFT_LOG": "warn",
        }
        command = [binary, "standalone", "--port", "0", "--parallelism", "256"]
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if "is ready at" in line:
                self.address = line.split("http://")[1].strip()
                break
        answer = self.call("POST", "/auth/token", {"username": "admin", "password": PASSWORD}, token=None)
        self.token = answer["access_token"]
        # What is measured is the engine, not the 128 slots of the default pool.
        self.call("PATCH", "/api/v2/pools/default_pool?update_mask=slots", {"slots": -1})

    def call(self, method, path, body=None, token=True):
        connection = http.client.HTTPConnection(self.address)
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {self.token}"
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        text = response.read()
        if response.status >= 300:
            raise SystemExit(f"{method} {path}: {response.status} {text.decode()}")
        return json.loads(text)

    def run(self, dag_id, conf=None):
        """Triggers a DAG and waits; answers with the run."""
        run = self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf or {}})
        path = f"/api/v2/dags/{dag_id}/dagRuns/{urllib.parse.quote(run['dag_run_id'], safe='')}"
        while run["state"] not in ("success", "failed"):
            time.sleep(0.05)
            run = self.call("GET", path)
        if run["state"] == "failed":
            raise SystemExit(f"the run of {dag_id} failed")
        return run, path

    def instances(self, path):
        found = []
        while True:
            page = self.call("GET", f"{path}/taskInstances?limit=100&offset={len(found)}")
            found += page["task_instances"]
            if len(found) >= page["total_entries"]:
                return found

    def resident_mb(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def write_dags(folder, repository):
    tasks = [f"  - {{task_id: t{n}, operator: empty{f', dependencies: [t{n - 1}]' if n else ''}}}" for n in range(CHAIN)]
    (folder / "chain.yaml").write_text("tasks:\n" + "\n".join(tasks))
    tasks = [f"  - {{task_id: t{n}, operator: bash, bash_command: 'true'{f', dependencies: [t{n - 1}]' if n else ''}}}" for n in range(40)]
    (folder / "chain_bash.yaml").write_text("tasks:\n" + "\n".join(tasks))
    tasks = [f"  - {{task_id: t{n}, operator: empty}}" for n in range(FAN_OUT)]
    (folder / "fan_out.yaml").write_text("max_active_tasks: 100000\ntasks:\n" + "\n".join(tasks))
    for n in range(IDLE_DAGS):
        (folder / f"idle_{n}.yaml").write_text('schedule: "0 3 1 1 *"\ntasks: [{task_id: a, operator: empty}]\n')
    text = (repository / "dags" / "pinterest_batch.yaml").read_text()
    (folder / "pinterest_batch.yaml").write_text("is_paused_upon_creation: true\n" + text)


def commits_sqlite(path):
    """Seconds of single-row commits, with the durability that Updraft asks for."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, n INTEGER)")
    connection.execute("INSERT INTO row VALUES (1, 0)")
    took = []
    for _ in range(COMMITS):
        began = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE row SET n = n + 1")
        connection.execute("COMMIT")
        took.append(time.perf_counter() - began)
    return took


class Postgres:
    """A Postgres server of this run's own, durable as it comes."""

    def __init__(self, folder):
        self.bin = pathlib.Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
        self.folder = folder
        folder.mkdir()
        self.prefix = []
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
            self.prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self.tool("initdb", "-D", folder / "data", "-U", "updraft", "-A", "trust", "-E", "UTF8", "--locale=C")
        self.tool("pg_ctl", "-D", folder / "data", "-l", folder / "log", "-w", "-s", "start", "-o", f"-k {folder} -c listen_addresses=''")
        self.tool("createdb", "-h", folder, "-U", "updraft", "updraft")

    def tool(self, name, *args):
        command = [*self.prefix, self.bin / name, *args]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout

    def url(self):
        return f"postgres://updraft@localhost/updraft?host={self.folder}"

    def commits(self):
        """Seconds of single-row commits from one connection, by pgbench."""
        self.tool("psql", "-h", self.folder, "-U", "updraft", "-c", "CREATE TABLE row_ (n int)", "updraft")
        self.tool("psql", "-h", self.folder, "-U", "updraft", "-c", "INSERT INTO row_ VALUES (0)", "updraft")
        script = self.folder / "commit.sql"
        script.write_text("UPDATE row_ SET n = n + 1;\n")
        os.chmod(script, 0o644)
        log = self.folder / "latency"
        self.tool("pgbench", "-h", self.folder, "-U", "updraft", "-n", "-M", "prepared", "-c", "1", "-t", str(COMMITS),
                  "-f", script, "-l", f"--log-prefix={log}", "updraft")
        lines = open(glob.glob(f"{log}*")[0]).read().splitlines()
        return [int(line.split()[2]) / 1e6 for line in lines]

    def stop(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.tool("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-s", "stop")


def measure(server, commits, conf):
    results = {}
    idle_from = server.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    results["idle, resident memory"] = f"{server.resident_mb():.0f} MB"
    results["idle, CPU"] = f"{(server.cpu_seconds() - idle_from) / IDLE_SECONDS * 100:.1f} % of a core"

    commit = percentile(commits, 0.5)
    results["commit of one row, p50"] = f"{commit * 1000:.2f} ms"
    _, path = server.run("chain")
    instances = sorted(server.instances(path), key=lambda instance: int(instance["task_id"][1:]))
    steps = [instant(b["start_date"]) - instant(a["start_date"]) for a, b in zip(instances, instances[1:])]
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        step = percentile(steps, share)
        results[f"chain of {CHAIN} no-op tasks, from start to start, {name}"] = f"{step * 1000:.2f} ms = {step / commit:.1f} commits"

    run, _ = server.run("chain_bash")
    results["chain of 40 `bash: true`"] = f"{instant(run['end_date']) - instant(run['queued_at']):.2f} s"

    run, _ = server.run("fan_out")
    took = instant(run["end_date"]) - instant(run["start_date"])
    results[f"fan-out of {FAN_OUT} no-op tasks"] = f"{FAN_OUT / took:,.0f} tasks/s"

    server.call("PATCH", "/api/v2/dags/pinterest_batch", {"is_paused": False})
    times = []
    for _ in range(3):
        run, path = server.run("pinterest_batch", conf)
        spent = {instance["task_id"]: instance for instance in server.instances(path)}
        ends = max(instant(spent[task]["end_date"]) for task in spent if task.startswith("task"))
        begins = min(instant(spent[task]["start_date"]) for task in spent if task.startswith("clean"))
        times.append((ends - begins, instant(run["end_date"]) - instant(run["start_date"])))
    results["clean three tables and answer eight questions"] = f"{min(time[0] for time in times):.2f} s"
    results["the whole pipeline, landing included"] = f"{min(time[1] for time in times):.2f} s"
    results["after all that, resident memory"] = f"{server.resident_mb():.0f} MB"
    return results


def main():
    repository = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(repository / "target" / "debug" / "updraft"))
    parser.add_argument("--data", help="folder with pin.jsonl, geo.jsonl and user.jsonl")
    args = parser.parse_args()
    conf = {"source": str(pathlib.Path(args.data).resolve())} if args.data else {}

    scratch = pathlib.Path(tempfile.mkdtemp(prefix="updraft-bench-"))
    os.chmod(scratch, 0o755)
    dags = scratch / "dags"
    dags.mkdir()
    write_dags(dags, repository)
    columns = {}
    postgres = Postgres(scratch / "pg")
    try:
        for name, url, commits in (
            ("SQLite", f"sqlite://{scratch}/updraft.db", lambda: commits_sqlite(scratch / "commits.db")),
            ("Postgres", postgres.url(), postgres.commits),
        ):
            server = Server(args.binary, scratch / f"home-{name}", url, dags)
            try:
                columns[name] = measure(server, commits(), conf)
            finally:
                server.stop()
    finally:
        postgres.stop()
        shutil.rmtree(scratch, ignore_errors=True)
    print("| | SQLite | Postgres |\n| --- | --- | --- |")
    for row in columns["SQLite"]:
        print(f"| {row} | {columns['SQLite'][row]} | {columns['Postgres'][row]} |")


if __name__ == "__main__":
    main()
