"""The schedulers that are compared: each starts everything that it needs, runs two shapes of DAG, and stops.

Every task of every system runs `true` in a bash of its own. Each system has the same Postgres server, 32 tasks at a
time, and else the settings that it comes with. `rests` says whether one that has nothing to do needs no processor, so that
another can be measured beside it.
"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from updraft import Server, instant  # noqa: E402

CHAIN = 40
FAN_OUT = 200
PARALLELISM = 32
PATIENCE_SECONDS = 600


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def tree_mb(root):
    """Memory of a process and all that it started; what processes share is counted once (PSS)."""
    children = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    total, todo = 0.0, [root]
    while todo:
        pid = todo.pop()
        todo += children.get(pid, [])
        try:
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) / 1024
        except OSError:
            pass
    return total


def wait_for(what, look):
    deadline = time.time() + PATIENCE_SECONDS
    while time.time() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise SystemExit(f"{what} did not come within {PATIENCE_SECONDS} s")


class Venv:
    """A virtual environment of the comparison's own, kept from run to run."""

    def __init__(self, folder, requirements):
        self.bin = folder / "bin"
        if not (folder / ".installed").exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([self.bin / "pip", "install", "--quiet", "--disable-pip-version-check", *requirements], check=True)
            (folder / ".installed").touch()


class Updraft:
    name = "Updraft"
    rests = True

    def __init__(self, database, scratch, venvs, binary):
        dags = scratch / "updraft-dags"
        dags.mkdir()
        for dag_id, depends in (("chain", True), ("fan_out", False)):
            count = CHAIN if depends else FAN_OUT
            tasks = [
                f"  - {{task_id: t{n}, operator: bash, bash_command: 'true'{f', dependencies: [t{n - 1}]' if depends and n else ''}}}"
                for n in range(count)
            ]
            (dags / f"{dag_id}.yaml").write_text("max_active_tasks: 1000\ntasks:\n" + "\n".join(tasks))
        self.server = Server(binary, scratch / "updraft-home", database.url("updraft"), dags, parallelism=PARALLELISM)
        self.version = subprocess.run([binary, "version"], capture_output=True, text=True).stdout.split()[-1]

    def run(self, dag_id):
        run = self.server.run(dag_id)
        return instant(run["end_date"]) - instant(run["queued_at"])

    def memory(self):
        return tree_mb(self.server.process.pid)

    def stop(self):
        self.server.stop()


AIRFLOW_DAGS = f"""
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

for dag_id, count, depends in (("chain", {CHAIN}, True), ("fan_out", {FAN_OUT}, False)):
    with DAG(dag_id, schedule=None) as dag:
        before = None
        for n in range(count):
            task = BashOperator(task_id=f"t{{n}}", bash_command="true")
            if depends and before:
                before >> task
            before = task
    globals()[dag_id] = dag
"""


class Airflow:
    name = "Airflow"
    rests = False
    requirements = ("apache-airflow==3.3.2", "apache-airflow-providers-standard", "psycopg2-binary", "asyncpg")

    def __init__(self, database, scratch, venvs, binary):
        self.venv = Venv(venvs / "airflow", self.requirements)
        self.database = database
        home = scratch / "airflow"
        (home / "dags").mkdir(parents=True)
        (home / "dags" / "shapes.py").write_text(AIRFLOW_DAGS)
        port = free_port()
        url = database.url("airflow").replace("postgres://", "postgresql+psycopg2://", 1)
        self.env = {
            **os.environ,
            "PATH": f"{self.venv.bin}:{os.environ['PATH']}",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(PARALLELISM),
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "1000",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
        }
        self.version = self._airflow("version").strip().splitlines()[-1]
        self._airflow("db", "migrate")
        self.log = open(scratch / "airflow.log", "w")
        self.process = subprocess.Popen(
            [self.venv.bin / "airflow", "standalone"], env=self.env, stdout=self.log, stderr=self.log, start_new_session=True)
        known = "SELECT count(*) FROM dag WHERE NOT is_stale"
        wait_for("Airflow's DAGs", lambda: int(database.rows("airflow", known)[0][0]) == 2)

    def _airflow(self, *args):
        done = subprocess.run([self.venv.bin / "airflow", *args], env=self.env, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"airflow {' '.join(args)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def run(self, dag_id):
        run_id = f"bench_{time.time()}"
        self._airflow("dags", "trigger", dag_id, "--run-id", run_id)
        sql = f"SELECT extract(epoch FROM end_date - queued_at), state FROM dag_run WHERE run_id = '{run_id}' AND end_date IS NOT NULL"
        [took, state] = wait_for(f"the end of {dag_id}", lambda: self.database.rows("airflow", sql))[0]
        if state != "success":
            raise SystemExit(f"Airflow's run of {dag_id} is {state}")
        return float(took)

    def memory(self):
        return tree_mb(self.process.pid)

    def stop(self):
        stop_session(self.process)


PREFECT_FLOWS = f"""
import subprocess
from prefect import flow, serve, task

@task
def true(before=None):
    subprocess.run(["bash", "-c", "true"], check=True)

@flow(name="chain")
def chain():
    for _ in range({CHAIN}):
        true()

@flow(name="fan_out")
def fan_out():
    for future in [true.submit() for _ in range({FAN_OUT})]:
        future.result()

if __name__ == "__main__":
    serve(chain.to_deployment("bench"), fan_out.to_deployment("bench"))
"""

PREFECT_RUN = f"""
import sys
from prefect.deployments import run_deployment

run = run_deployment(sys.argv[1] + "/bench", timeout={PATIENCE_SECONDS}, poll_interval=0.1)
print((run.end_time - run.created).total_seconds(), run.state.type.value)
"""


class Prefect:
    name = "Prefect"
    rests = False
    requirements = ("prefect>=3,<4",)

    def __init__(self, database, scratch, venvs, binary):
        self.venv = Venv(venvs / "prefect", self.requirements)
        home = scratch / "prefect"
        home.mkdir()
        port = free_port()
        self.env = {
            **os.environ,
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_API_DATABASE_CONNECTION_URL": database.url("prefect").replace("postgres://", "postgresql+asyncpg://", 1),
            "PREFECT_RUNNER_POLL_FREQUENCY": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }
        self.version = subprocess.run([self.venv.bin / "prefect", "--version"], env=self.env, capture_output=True, text=True).stdout.strip()
        self.log = open(scratch / "prefect.log", "w")
        (home / "flows.py").write_text(PREFECT_FLOWS)
        (home / "run.py").write_text(PREFECT_RUN)
        self.home = home
        start = lambda *command: subprocess.Popen(  # noqa: E731
            command, env=self.env, cwd=home, stdout=self.log, stderr=self.log, start_new_session=True)
        self.server = start(self.venv.bin / "prefect", "server", "start", "--port", str(port))
        wait_for("Prefect's server", lambda: answers(port))
        self.runner = start(self.venv.bin / "python", "flows.py")
        time.sleep(15)

    def run(self, dag_id):
        done = subprocess.run([self.venv.bin / "python", "run.py", dag_id], env=self.env, cwd=self.home, capture_output=True, text=True)
        if "COMPLETED" not in done.stdout:
            raise SystemExit(f"Prefect's run of {dag_id}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return float(done.stdout.split()[-2])

    def memory(self):
        return tree_mb(self.server.pid) + tree_mb(self.runner.pid)

    def stop(self):
        stop_session(self.runner)
        stop_session(self.server)


DBOS_WORKFLOWS = f"""
import subprocess, sys, time
from dbos import DBOS

DBOS(config={{
    "name": "shapes", "system_database_url": sys.argv[1], "run_admin_server": False,
    "max_executor_threads": {PARALLELISM + 1},
}})

@DBOS.step()
def true():
    subprocess.run(["bash", "-c", "true"], check=True)

@DBOS.workflow()
def alone():
    true()

@DBOS.workflow()
def chain():
    for _ in range({CHAIN}):
        true()

@DBOS.workflow()
def fan_out():
    for handle in [DBOS.start_workflow(alone) for _ in range({FAN_OUT})]:
        handle.get_result()

DBOS.launch()
print("ready", flush=True)
for line in sys.stdin:
    began = time.perf_counter()
    globals()[line.strip()]()
    print(time.perf_counter() - began, flush=True)
"""


class Dbos:
    """A library: its workflows run in the process that asks for them, and that is all there is of it."""

    name = "DBOS"
    rests = True
    requirements = ("dbos==3.4.0",)

    def __init__(self, database, scratch, venvs, binary):
        self.venv = Venv(venvs / "dbos", self.requirements)
        self.version = self.requirements[0].rpartition("=")[2]
        home = scratch / "dbos"
        home.mkdir()
        (home / "shapes.py").write_text(DBOS_WORKFLOWS)
        self.log = open(scratch / "dbos.log", "w")
        self.process = subprocess.Popen(
            [self.venv.bin / "python", "shapes.py", database.url("dbos")], cwd=home, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, start_new_session=True)
        self._hear()

    def _hear(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"DBOS has ended: {pathlib.Path(self.log.name).read_text()[-2000:]}")
        return line

    def run(self, dag_id):
        print(dag_id, file=self.process.stdin, flush=True)
        return float(self._hear())

    def memory(self):
        return tree_mb(self.process.pid)

    def stop(self):
        stop_session(self.process)


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop_session(process):
    """Ends a process with everything in its session."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


ALL = {system.name.lower(): system for system in (Updraft, Dbos, Airflow, Prefect)}
