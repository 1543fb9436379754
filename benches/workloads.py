"""What is measured. Each workload takes a bench and yields lines of the table: what it is, and how it came out."""

import datetime
import glob
import shutil
import subprocess
import time

from updraft import Server, instant, percentile

CHAIN = 1000
FAN_OUT = 10_000
RUNS, RUN_TASKS = 1000, 10
PROCESSES, PROCESS_SLOTS = 1000, 16
PROCESS_CHAIN, PROCESS_CHAIN_ROUNDS = 40, 15
IDLE_DAGS = 100
IDLE_SECONDS = 30
# A process gives back what its start or a data task left behind when it looks for it, every ten seconds, and has what
# idling needs again ten seconds later.
SETTLE_SECONDS = 45
# A machine is never as fast as a moment ago: of what is short, the middle one of so many is told, and what is set beside
# something else takes turns with it.
ROUNDS = 5
# A tenth more is told apart from what the machine does only by more of them.
HISTORY_ROUNDS = 15
MIDNIGHT_DAGS = 2000
MIDNIGHT_LEAD_SECONDS = 60
FILES = 10_000
HISTORY_RUNS, HISTORY_TASKS = 10_000, 100
SLEEPING_TASKS = 1000
SLEEPING_SECONDS = 60

# How often a client asks whether a run is over: its questions cost the server little beside what is measured.
LOOK_SECONDS = 0.005

DAG_OF_ONE = 'schedule: "0 3 1 1 *"\ntasks: [{task_id: a, operator: empty}]\n'


class Bench:
    """One database, with a server over the DAGs that most workloads use."""

    def __init__(self, binary, database, scratch, repository, conf, sleeping):
        self.binary, self.database, self.scratch, self.conf = binary, database, scratch, conf
        self.sleeping = sleeping
        self.home = scratch / f"home-{database.name}"
        self.dags = scratch / f"dags-{database.name}"
        self.dags.mkdir()
        write_dags(self.dags, repository)
        self.commit = percentile(database.commits(), 0.5)
        self.claims = database.claims()
        self.server = self.start("main", self.dags)

    def start(self, database, dags, environment=None):
        home = self.scratch / f"home-{self.database.name}-{database}"
        return Server(self.binary, home, self.database.url(database), dags, environment=environment)

    def rows(self, sql, database="main"):
        return self.database.rows(database, sql)

    def in_commits(self, seconds):
        return f"{seconds * 1000:.2f} ms = {seconds / self.commit:.1f} commits"

    def in_claims(self, count, work):
        """How many tasks a second `work` makes of `count`, in turns with the bare queue."""
        bare, took = [], []
        for _ in range(ROUNDS):
            bare.append(self.database.claims())
            took.append(work(self.server))
        rate = count / middle(took)
        of_bare = f" = {rate / middle(bare) * 100:.0f} % of the bare queue" if self.claims else ""
        return f"{rate:,.0f} tasks/s{of_bare}"


def middle(values):
    return percentile(values, 0.5)


def chain_of(count, task):
    tasks = [f"  - {{task_id: t{n}, {task}{f', dependencies: [t{n - 1}]' if n else ''}}}" for n in range(count)]
    return "tasks:\n" + "\n".join(tasks)


def beside_each_other(count, task):
    return "tasks:\n" + "\n".join(f"  - {{task_id: t{n}, {task}}}" for n in range(count))


def write_dags(folder, repository):
    empty, process = "operator: empty", "operator: bash, bash_command: 'true'"
    (folder / "chain.yaml").write_text(chain_of(CHAIN, empty))
    (folder / "chain_of_sensors.yaml").write_text(chain_of(CHAIN, f"operator: file_sensor, filepath: '{folder}/chain.yaml'"))
    (folder / "chain_bash.yaml").write_text(chain_of(PROCESS_CHAIN, process))
    (folder / "fan_out.yaml").write_text("max_active_tasks: 100000\n" + beside_each_other(FAN_OUT, empty))
    (folder / "many.yaml").write_text(f"max_active_runs: {RUNS}\n" + beside_each_other(RUN_TASKS, empty))
    (folder / "processes.yaml").write_text(f"max_active_tasks: {PROCESS_SLOTS}\n" + beside_each_other(PROCESSES, process))
    (folder / "history.yaml").write_text("max_active_tasks: 100000\n" + beside_each_other(HISTORY_TASKS, empty))
    text = (repository / "dags" / "pinterest_batch.yaml").read_text()
    (folder / "pinterest_batch.yaml").write_text("is_paused_upon_creation: true\n" + text)


def idle(bench):
    folder = bench.scratch / f"idle-{bench.database.name}"
    folder.mkdir()
    for n in range(IDLE_DAGS):
        (folder / f"idle_{n}.yaml").write_text(DAG_OF_ONE)
    server = bench.start("idle", folder)
    try:
        yield from resting(server, f"idle with {IDLE_DAGS} DAGs")
    finally:
        server.stop()


def resting(server, what):
    time.sleep(SETTLE_SECONDS)
    began = server.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    share = (server.cpu_seconds() - began) / IDLE_SECONDS * 100
    yield f"{what}, resident memory", f"{server.resident_mb():.0f} MB"
    yield f"{what}, CPU", f"{share:.1f} % of a core"


def baseline(bench):
    yield "commit of one row from one connection, p50", f"{bench.commit * 1000:.3f} ms"
    if bench.claims:
        yield "bare `SKIP LOCKED` queue, batches of 100, two commits each", f"{bench.claims:,.0f} rows/s"


def hops(bench, dag_id):
    """Runs a chain a few times, and tells of the run that took neither long nor short: seconds from the start of each task to
    the start of the next, as the server recorded them, and seconds from the trigger's answer until it is seen to have
    succeeded."""
    runs = sorted((timed_run(bench.server, dag_id) for _ in range(ROUNDS)), key=lambda each: each[1])
    run, took = runs[ROUNDS // 2]
    where = f"dag_id = '{dag_id}' AND run_id = '{run['dag_run_id']}'"
    starts = [instant(row[0]) for row in bench.rows(f"SELECT start_date FROM task_instance WHERE {where} ORDER BY task_index")]
    return [later - earlier for earlier, later in zip(starts, starts[1:])], took


def timed_run(server, dag_id):
    """A run, and the seconds from the trigger's answer until somebody who asks is told that it succeeded."""
    run, path = server.trigger(dag_id)
    began = time.perf_counter()
    while run["state"] not in ("success", "failed"):
        time.sleep(LOOK_SECONDS)
        run = server.call("GET", path)
    took = time.perf_counter() - began
    if run["state"] == "failed":
        raise SystemExit(f"the run of {dag_id} failed")
    return run, took


def chain(bench):
    steps, took = hops(bench, "chain")
    yield f"chain of {CHAIN:,} no-op tasks, until it is seen to have succeeded, for each task", bench.in_commits(took / CHAIN)
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        yield f"chain of {CHAIN:,} no-op tasks, hop as recorded, {name}", bench.in_commits(percentile(steps, share))


def chain_of_sensors(bench):
    """No-ops share commits. These do not: each begins only when it is durable that it begins."""
    steps, _ = hops(bench, "chain_of_sensors")
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        yield f"chain of {CHAIN:,} sensors whose file is there, hop, {name}", bench.in_commits(percentile(steps, share))


def chain_of_processes(bench):
    bare, took = [], []
    for _ in range(PROCESS_CHAIN_ROUNDS):
        bare.append(time_xargs(PROCESS_CHAIN, 1))
        took.append(time_chain_of_processes(bench.server))
    ratio = middle(took) / middle(bare)
    what = f"chain of {PROCESS_CHAIN} `bash: true`, from the trigger's answer to success"
    yield what, f"{middle(took):.3f} s = {ratio:.2f} × `xargs`"


def time_xargs(count, at_once):
    """The same processes without anything around them."""
    began = time.perf_counter()
    subprocess.run(["bash", "-c", f"seq {count} | xargs -P {at_once} -n 1 bash -c true"], check=True)
    return time.perf_counter() - began


def time_chain_of_processes(server):
    run, path = server.trigger("chain_bash")
    answered = time.time()
    while run["state"] not in ("success", "failed"):
        time.sleep(0.02)
        run = server.call("GET", path)
    return instant(run["end_date"]) - answered


def fan_out(bench):
    what = f"fan-out of {FAN_OUT:,} no-op tasks in one run, from the trigger's answer until it is seen to have succeeded"
    yield what, bench.in_claims(FAN_OUT, time_fan_out)


def time_fan_out(server):
    return timed_run(server, "fan_out")[1]


def many_runs(bench):
    what = f"{RUNS:,} runs of {RUN_TASKS} no-op tasks, from the end of the pause until all are seen to have succeeded"
    yield what, bench.in_claims(RUNS * RUN_TASKS, time_many_runs)


def time_many_runs(server):
    server.pause("many", True)
    for _ in range(RUNS):
        server.trigger("many")
    server.pause("many", False)
    began = time.perf_counter()
    runs = "/api/v2/dags/many/dagRuns?limit=1"
    while server.call("GET", f"{runs}&state=queued&state=running")["total_entries"]:
        time.sleep(LOOK_SECONDS)
    took = time.perf_counter() - began
    failed = server.call("GET", f"{runs}&state=failed")["total_entries"]
    if failed:
        raise SystemExit(f"{failed} runs of many did not succeed")
    return took


def processes(bench):
    bare, took = [], []
    for _ in range(ROUNDS):
        bare.append(time_xargs(PROCESSES, PROCESS_SLOTS))
        took.append(time_processes(bench.server))
    ratio = middle(took) / middle(bare)
    yield f"{PROCESSES:,} `bash: true`, {PROCESS_SLOTS} at a time", f"{middle(took):.2f} s = {ratio:.2f} × `xargs -P`"


def time_processes(server):
    run = server.run("processes")
    return instant(run["end_date"]) - instant(run["start_date"])


def pipeline(bench):
    bench.server.pause("pinterest_batch", False)
    times = []
    for _ in range(3):
        run = bench.server.run("pinterest_batch", bench.conf)
        sql = f"SELECT task_id, start_date, end_date FROM task_instance WHERE dag_id = 'pinterest_batch' AND run_id = '{run['dag_run_id']}'"
        spent = {task: (instant(start), instant(end)) for task, start, end in bench.rows(sql) if start and end}
        ends = max(end for task, (_, end) in spent.items() if task.startswith("task"))
        begins = min(start for task, (start, _) in spent.items() if task.startswith("clean"))
        times.append((ends - begins, instant(run["end_date"]) - instant(run["start_date"])))
    yield "clean three tables and answer eight questions", f"{min(time[0] for time in times):.2f} s"
    yield "the whole pipeline, landing included", f"{min(time[1] for time in times):.2f} s"


def memory(bench):
    yield from resting(bench.server, "after all that")


def midnight(bench):
    """The clock of the server alone is set, by libfaketime: it starts a minute before midnight."""
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found:
        yield f"midnight: {MIDNIGHT_DAGS:,} DAGs `@daily`", "not measured: libfaketime is not installed"
        return
    folder = bench.scratch / f"midnight-{bench.database.name}"
    folder.mkdir()
    for n in range(MIDNIGHT_DAGS):
        text = f"schedule: '@daily'\ntasks: [{{task_id: first, operator: empty}}, {{task_id: then, operator: empty, dependencies: [first]}}]\n"
        (folder / f"daily_{n}.yaml").write_text(text)
    at = datetime.datetime(2027, 3, 2, tzinfo=datetime.timezone.utc)
    begin = at - datetime.timedelta(seconds=MIDNIGHT_LEAD_SECONDS)
    clock = {
        "LD_PRELOAD": found[0], "FAKETIME": begin.strftime("@%Y-%m-%d %H:%M:%S"), "TZ": "UTC", "NO_FAKE_STAT": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
    }
    server = bench.start("midnight", folder, environment=clock)
    try:
        over = "SELECT count(*) FROM dag_run WHERE state = 'success'"
        deadline = time.time() + MIDNIGHT_LEAD_SECONDS + 120
        while int(bench.rows(over, "midnight")[0][0]) < MIDNIGHT_DAGS and time.time() < deadline:
            time.sleep(0.25)
    finally:
        server.stop()
    starts = [instant(row[0]) - at.timestamp() for row in bench.rows(
        "SELECT start_date FROM task_instance WHERE task_id = 'first' AND start_date IS NOT NULL", "midnight")]
    made = [instant(row[0]) - at.timestamp() for row in bench.rows("SELECT queued_at FROM dag_run", "midnight")]
    what = f"midnight: {MIDNIGHT_DAGS:,} DAGs `@daily`"
    if len(starts) < MIDNIGHT_DAGS:
        yield what, f"only {len(starts)} first tasks started, {len(made)} runs were made"
        return
    yield f"{what}, all runs made", f"{max(made):.2f} s after midnight"
    yield f"{what}, all first tasks started", f"{max(starts):.2f} s; lateness p50 {percentile(starts, 0.5):.2f} s, p99 {percentile(starts, 0.99):.2f} s"


def files(bench):
    folder = bench.scratch / f"files-{bench.database.name}"
    folder.mkdir()
    for n in range(FILES):
        (folder / f"dag_{n}.yaml").write_text(f"description: the first\n{DAG_OF_ONE}")
    server = bench.start("files", folder)
    cold = server.ready_seconds
    try:
        times = []
        for turn in range(5):
            time.sleep(1)
            word = f"changed {turn}"
            began = time.perf_counter()
            (folder / "dag_77.yaml").write_text(f"description: {word}\n{DAG_OF_ONE}")
            while server.call("GET", "/api/v2/dags/dag_77")["description"] != word:
                time.sleep(0.001)
            times.append(time.perf_counter() - began)
        resident = server.resident_mb()
    finally:
        server.stop()
    again = bench.start("files", folder)
    again.stop()
    shutil.rmtree(folder)
    yield f"{FILES:,} DAG files: first start until ready", f"{cold:.2f} s"
    yield f"{FILES:,} DAG files: start until ready when they are known", f"{again.ready_seconds:.2f} s"
    yield f"{FILES:,} DAG files: one changed file, until the API shows it", f"{percentile(times, 0.5) * 1000:.0f} ms"
    yield f"{FILES:,} DAG files: resident memory", f"{resident:.0f} MB"


def history(bench):
    """The same in turns on a database with nothing in it and on one with a million task instances, copied from those of one run."""
    servers = {name: bench.start(name, bench.dags) for name in ("young", "old")}
    what = f"beside {HISTORY_RUNS * HISTORY_TASKS:,} old task instances"
    try:
        write_history(bench.database, servers["old"].run("history")["dag_run_id"])
        for name, work in AGAIN.items():
            times = {each: [] for each in servers}
            for turn in range(HISTORY_ROUNDS):
                # Neither always comes after what the other has left to be written.
                for each in sorted(servers, reverse=turn % 2 == 1):
                    times[each].append(work(servers[each]))
            yield f"{what}: {name}", f"{middle(times['old']) / middle(times['young']):.2f} × the time"
        yield from resting(servers["old"], f"{what}, at rest")
    finally:
        for server in servers.values():
            server.stop()


# What is measured once more beside a long history: seconds that it takes on a server.
AGAIN = {
    "chain": lambda server: timed_run(server, "chain")[1],
    "chain of sensors": lambda server: timed_run(server, "chain_of_sensors")[1],
    "chain of processes": time_chain_of_processes,
    "fan out": time_fan_out,
    "many runs": time_many_runs,
    "processes": time_processes,
}


def write_history(database, first):
    copied = {
        "dag_run": {"id": "{uuid}", "run_id": "'old__' || n", "logical_date": "NULL"},
        "task_instance": {"dag_run_id": "old.id", "run_id": "old.run_id", "try_id": "{uuid}"},
    }
    sources = {
        "dag_run": f"dag_run AS row_, {database.series(HISTORY_RUNS)} WHERE row_.run_id = '{first}' AND row_.dag_id = 'history'",
        "task_instance": f"task_instance AS row_, dag_run AS old WHERE row_.run_id = '{first}' AND row_.dag_id = 'history'"
                         " AND old.dag_id = 'history' AND old.run_id LIKE 'old__%'",
    }
    for table, changed in copied.items():
        columns = database.columns("old", table)
        values = [changed.get(column, f"row_.{column}").format(uuid=database.uuid) for column in columns]
        database.execute("old", f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {sources[table]}")
    database.execute("old", "ANALYZE")


def sleeping(bench):
    """Sensors that wait for a file that never comes, looking each minute, as Airflow's do unless they are told otherwise."""
    folder = bench.scratch / f"sleeping-{bench.database.name}"
    folder.mkdir()
    runs = -(-bench.sleeping // SLEEPING_TASKS)
    sensor = f"operator: file_sensor, filepath: '{folder}/never', poke_interval: 60s"
    head = f"max_active_runs: {runs}\nmax_active_tasks: 100000\n"
    (folder / "sleeping.yaml").write_text(head + beside_each_other(SLEEPING_TASKS, sensor))
    count, what = runs * SLEEPING_TASKS, f"{runs * SLEEPING_TASKS:,} sleeping sensors"

    def wait_for_all(server):
        began = time.perf_counter()
        asleep = f"SELECT count(*) FROM task_instance WHERE state = 'deferred' AND pid = {server.process.pid}"
        while int(bench.rows(asleep, "sleeping")[0][0]) < count:
            time.sleep(0.5)
        return time.perf_counter() - began

    server = bench.start("sleeping", folder)
    try:
        before = server.resident_mb()
        for _ in range(runs):
            server.trigger("sleeping")
        took = wait_for_all(server)
        time.sleep(10)
        began = server.cpu_seconds()
        time.sleep(SLEEPING_SECONDS)
        share = (server.cpu_seconds() - began) / SLEEPING_SECONDS * 100
        resident, files = server.resident_mb(), server.open_files()
    finally:
        began = time.perf_counter()
        server.stop()
        stopped = time.perf_counter() - began
    server = bench.start("sleeping", folder)
    try:
        again = wait_for_all(server)
    finally:
        server.stop()
    of_each = (resident - before) * 1024 / count
    yield f"{what}, resident memory", f"{resident:.0f} MB = {of_each:.1f} kB each and {before:.0f} MB"
    yield f"{what} that look each minute, CPU", f"{share:.1f} % of a core"
    yield f"{what}, open files of the process", f"{files}"
    yield f"{what}: from the triggers until all sleep", f"{took:.1f} s"
    yield f"{what}: stop; start until all sleep again", f"{stopped:.1f} s; {again:.1f} s"


ALL = [idle, baseline, chain, chain_of_sensors, chain_of_processes, fan_out, many_runs, processes, pipeline, memory, midnight, files, sleeping, history]
