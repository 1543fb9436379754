"""An Updraft of the benchmark's own, and what can be read of it from outside."""

import datetime
import http.client
import json
import os
import signal
import subprocess
import time
import urllib.parse

PASSWORD = "benchmark"


class Server:
    """A running `updraft standalone`. `ready_seconds` is how long it took until it was ready."""

    def __init__(self, binary, home, database_url, dags, parallelism=256, environment=None):
        env = {
            **os.environ,
            "UPDRAFT_HOME": str(home),
            "UPDRAFT_DATABASE_URL": database_url,
            "UPDRAFT_DAGS_FOLDER": str(dags),
            "UPDRAFT_ADMIN_PASSWORD": PASSWORD,
            "UPDRAFT_DAGS_ARE_PAUSED_AT_CREATION": "false",
            "UPDRAFT_LOG": "warn",
            **(environment or {}),
        }
        command = [binary, "standalone", "--port", "0", "--parallelism", str(parallelism)]
        began = time.perf_counter()
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if "is ready at" in line:
                self.address = line.split("http://")[1].strip()
                break
        else:
            raise SystemExit("the server did not start")
        self.ready_seconds = time.perf_counter() - began
        self.connection = http.client.HTTPConnection(self.address)
        answer = self.call("POST", "/auth/token", {"username": "admin", "password": PASSWORD}, token=None)
        self.token = answer["access_token"]
        # What is measured is the engine, not the 128 slots of the default pool.
        self.call("PATCH", "/api/v2/pools/default_pool?update_mask=slots", {"slots": -1})

    def call(self, method, path, body=None, token=True):
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {self.token}"
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = self.connection.getresponse()
        text = response.read()
        if response.status >= 300:
            raise SystemExit(f"{method} {path}: {response.status} {text.decode()}")
        return json.loads(text)

    def trigger(self, dag_id, conf=None):
        """Triggers a DAG; answers with the run and its path."""
        run = self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf or {}})
        return run, f"/api/v2/dags/{dag_id}/dagRuns/{urllib.parse.quote(run['dag_run_id'], safe='')}"

    def run(self, dag_id, conf=None):
        """Triggers a DAG and waits; answers with the run."""
        run, path = self.trigger(dag_id, conf)
        while run["state"] not in ("success", "failed"):
            time.sleep(0.02)
            run = self.call("GET", path)
        if run["state"] == "failed":
            raise SystemExit(f"the run of {dag_id} failed")
        return run

    def pause(self, dag_id, is_paused):
        self.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": is_paused})

    def resident_mb(self):
        return resident_mb(self.process.pid)

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def resident_mb(pid):
    with open(f"/proc/{pid}/status") as status:
        return next((int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS")), 0.0)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def instant(text):
    """Seconds since 1970 of a timestamp, as the API, Postgres and SQLite write it."""
    text = text.replace("Z", "+00:00").replace(" +", "+")
    return datetime.datetime.fromisoformat(text).timestamp()


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]
