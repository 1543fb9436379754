"""The two databases that Updraft runs on, and what they do without Updraft: the measures that everything is set beside."""

import contextlib
import glob
import os
import pathlib
import shutil
import sqlite3
import subprocess
import time
import urllib.parse

COMMITS = 2000
CLAIMED = 100_000
CLAIM_BATCH = 100

# The bare queue: a batch of rows is claimed in one commit and finished in another.
CLAIM = f"""
WITH next AS (SELECT id FROM job WHERE state = 'queued' ORDER BY id LIMIT {CLAIM_BATCH} FOR UPDATE SKIP LOCKED),
claimed AS (UPDATE job SET state = 'running' FROM next WHERE job.id = next.id RETURNING job.id)
SELECT coalesce(array_agg(id)::text, '{{}}') AS ids FROM claimed \\gset
UPDATE job SET state = 'done' WHERE id = ANY(:ids ::bigint[]);
"""


class Sqlite:
    """Files in a folder of the benchmark's own, as durable as Updraft asks for."""

    name = "SQLite"
    uuid = "randomblob(16)"

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def url(self, database):
        return f"sqlite://{self.folder}/{database}.db"

    def rows(self, database, sql):
        with contextlib.closing(self._connect(database)) as connection:
            return [[str(value) if value is not None else "" for value in row] for row in connection.execute(sql)]

    def execute(self, database, sql):
        with contextlib.closing(self._connect(database)) as connection:
            connection.executescript(sql)

    def _connect(self, database):
        return sqlite3.connect(f"{self.folder}/{database}.db", isolation_level=None, timeout=60)

    def columns(self, database, table):
        return [row[1] for row in self.rows(database, f"PRAGMA table_info({table})")]

    def series(self, count):
        return f"(WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {count - 1}) SELECT n FROM s) s"

    def commits(self):
        """Seconds of single-row commits."""
        connection = self._connect("commits")
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
        connection.close()
        return took

    def claims(self):
        """There is no queue of several processes on one file."""
        return None

    def stop(self):
        pass


class Postgres:
    """A Postgres server: one of the benchmark's own, durable as it comes, or the one that `url` names."""

    name = "Postgres"
    uuid = "gen_random_uuid()"

    def __init__(self, folder, url=None):
        self.bin = pathlib.Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
        self.folder = folder
        self.own = url is None
        self.made = []
        self.claimers = (1, 2, 4)
        self.suffix = f"bench_{os.getpid()}"
        folder.mkdir()
        if self.own:
            self._start()
        else:
            self.base = url

    def _start(self):
        prefix = []
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
            prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self.prefix = prefix
        data = self.folder / "data"
        self._tool("initdb", "-D", data, "-U", "updraft", "-A", "trust", "-E", "UTF8", "--locale=C", prefix=prefix)
        self._tool("pg_ctl", "-D", data, "-l", self.folder / "log", "-w", "-s", "start",
                   "-o", f"-k {self.folder} -c listen_addresses='' {os.environ.get('BENCH_POSTGRES_OPTIONS', '')}", prefix=prefix)
        self.base = f"postgres://updraft@localhost/postgres?host={self.folder}"

    def _tool(self, name, *args, prefix=()):
        command = [*prefix, self.bin / name, *args]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        if done.returncode != 0:
            raise SystemExit(f"{name}: {done.stderr}")
        return done.stdout

    def url(self, database):
        name = f"{self.suffix}_{database}"
        if name not in self.made:
            self._tool("psql", self.base, "-c", f"CREATE DATABASE {name}")
            self.made.append(name)
        parts = urllib.parse.urlsplit(self.base)
        return urllib.parse.urlunsplit(parts._replace(path=f"/{name}"))

    def rows(self, database, sql):
        printed = self._tool("psql", self.url(database), "-XAt", "-F", "\t", "-c", sql)
        return [line.split("\t") for line in printed.splitlines()]

    def execute(self, database, sql):
        self._tool("psql", self.url(database), "-X", "-v", "ON_ERROR_STOP=1", "-c", sql)

    def columns(self, database, table):
        sql = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position"
        return [row[0] for row in self.rows(database, sql)]

    def series(self, count):
        return f"generate_series(0, {count - 1}) AS s(n)"

    def commits(self):
        """Seconds of single-row commits from one connection, by pgbench."""
        self.execute("raw", "CREATE TABLE row_ (n int)")
        self.execute("raw", "INSERT INTO row_ VALUES (0)")
        log = self.folder / "latency"
        self._pgbench("UPDATE row_ SET n = n + 1;\n", 1, COMMITS, "-l", f"--log-prefix={log}")
        lines = open(glob.glob(f"{log}*")[0]).read().splitlines()
        return [int(line.split()[2]) / 1e6 for line in lines]

    def claims(self):
        """Rows a second of the bare queue, with as many connections as were best the first time."""
        rates = {clients: self._claim_all(clients) for clients in self.claimers}
        best = max(rates, key=rates.get)
        self.claimers = (best,)
        return rates[best]

    def _claim_all(self, clients):
        self.execute("raw", "DROP TABLE IF EXISTS job")
        self.execute("raw", "CREATE TABLE job (id bigint PRIMARY KEY, state text NOT NULL)")
        self.execute("raw", f"INSERT INTO job SELECT n, 'queued' FROM generate_series(1, {CLAIMED}) AS s(n)")
        self.execute("raw", "CREATE INDEX job_queued ON job (id) WHERE state = 'queued'")
        self.execute("raw", "VACUUM ANALYZE job")
        began = time.perf_counter()
        self._pgbench(CLAIM, clients, CLAIMED // CLAIM_BATCH // clients)
        took = time.perf_counter() - began
        return int(self.rows("raw", "SELECT count(*) FROM job WHERE state = 'done'")[0][0]) / took

    def _pgbench(self, script, clients, transactions, *args):
        path = self.folder / "script.sql"
        path.write_text(script)
        self._tool("pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-t", str(transactions),
                   "-f", path, *args, self.url("raw"))

    def stop(self):
        if not self.own:
            for name in self.made:
                self._tool("psql", self.base, "-c", f"DROP DATABASE {name} WITH (FORCE)")
            return
        with contextlib.suppress(SystemExit):
            self._tool("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-s", "stop", prefix=self.prefix)
