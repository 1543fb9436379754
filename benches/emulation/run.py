#!/usr/bin/env python3
"""Posts rows to a Kafka REST server and to S3, by Updraft's `emulation` and by an asyncio client, and says how much the server takes.

    benches/emulation/run.py [--rows 20000] [--concurrency 32] [--best-of 3] [--only rest,rest_batches,s3]

The server is nginx: it reads what is posted and answers as a Kafka REST proxy would, or keeps what is put as files, answering
as S3 would. So what is measured is the client, up to what wrk gets out of the same server with the same bodies over as many
connections, from memory and without a look at the answers. The asyncio client (`client.py`: aiohttp on uvloop) posts the rows
that Updraft's emulation made, in the same bodies; it reads them from files, signs nothing and keeps no account of what was
taken, which Updraft does. Each is a process of its own that starts from nothing; rows a second are over its whole life.

Needs nginx and wrk; aiohttp and uvloop are installed from PyPI into a virtual environment below `--venv`, which is kept.
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
USER = "0a3db223d459"
TABLES = ("pin", "geo", "user")
BATCH = 500
REQUIREMENTS = ("aiohttp==3.14.3", "uvloop==0.23.0")
# What is measured: how it is called, the path on the server, how many records a request has.
CASES = {
    "rest": ("Kafka REST, a record a request", "/rest/1", 1),
    "rest_batches": (f"Kafka REST, {BATCH} records a request", f"/rest/{BATCH}", BATCH),
    "s3": ("S3, a record an object", "", 1),
}


def main():
    repository = HERE.parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(repository / "target" / "release" / "updraft"))
    parser.add_argument("--rows", type=int, default=20_000, help="rows of each of the three tables, ten times as many in batches [default: %(default)s]")
    parser.add_argument("--concurrency", type=int, default=32, help="requests at a time [default: %(default)s]")
    parser.add_argument("--best-of", type=int, default=3)
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--venv", type=pathlib.Path, default=repository / "target" / "bench-emulation")
    args = parser.parse_args()
    if args.rows % BATCH:
        parser.error(f"--rows is a multiple of {BATCH}, because the server has one answer for each size of a request")
    python = client_python(args.venv)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="updraft-bench-emulation-"))
    server = None
    try:
        server, url = start_server(scratch)
        print("| rows a second | Updraft | asyncio | the server's limit | Updraft takes |\n| --- | --- | --- | --- | --- |")
        for case in args.only.split(","):
            report(case, args, python, scratch, url)
    finally:
        if server is not None:
            server.terminate()
            server.wait()
        shutil.rmtree(scratch, ignore_errors=True)


def report(case, args, python, scratch, url):
    title, path, batch = CASES[case]
    target = url + path
    # So many that the starts of the processes do not count.
    each = args.rows if batch == 1 else args.rows * 10
    posted = each * len(TABLES)
    rows = make_rows(args.binary, each, scratch)
    lake = scratch / "files" / "lake"

    def updraft():
        dag = scratch / "emulate.yaml"
        sink = "s3://lake" if case == "s3" else {"kafka_rest": {"url": target}}
        more = {"offsets": "continue"} if case == "s3" else {"batch": batch}
        task = {"task_id": "emulate", "operator": "emulation", "rows": each, "sink": sink, **more}
        dag.write_text(json.dumps({"tasks": [{**task, "concurrency": args.concurrency}]}))
        run_updraft(args.binary, dag, scratch, url)

    def client():
        words = ["s3" if case == "s3" else "rest", target, str(rows), str(args.concurrency), str(batch)]
        subprocess.run([python, HERE / "client.py", *words], check=True)

    def best(run):
        seconds = []
        for _ in range(args.best_of):
            shutil.rmtree(lake, ignore_errors=True)
            began = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - began)
            landed = len(list(lake.rglob("*.json"))) if case == "s3" else posted
            if landed != posted:
                raise SystemExit(f"{landed} objects of {posted} were put")
        return posted / min(seconds)

    ours, theirs = best(updraft), best(client)
    limit = max(limit_of_server(case, target, rows, batch, args, scratch) for _ in range(args.best_of))
    print(
        f"| {title} | {ours:,.0f} | {theirs:,.0f} | {limit:,.0f} "
        f"| {ours / theirs:.2f} of the client's, {ours / limit:.2f} of the limit |",
        flush=True,
    )


def run_updraft(binary, dag, scratch, url):
    environment = {
        **os.environ,
        "UPDRAFT_HOME": str(scratch / "home"),
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }
    done = subprocess.run([binary, "dags", "test", dag], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)


def make_rows(binary, each, scratch):
    """A file of JSON Lines for each table, as the emulation makes them."""
    folder = scratch / f"rows-{each}"
    if folder.exists():
        return folder
    dag = scratch / "rows.yaml"
    task = {"task_id": "make", "operator": "emulation", "rows": each, "sink": str(scratch), "flush_size": each}
    dag.write_text(json.dumps({"tasks": [task]}))
    run_updraft(binary, dag, scratch, "http://127.0.0.1:9")
    folder.mkdir()
    for table in TABLES:
        parts = sorted((scratch / "topics" / f"{USER}.{table}" / "partition=0").glob("*.json"))
        (folder / f"{table}.jsonl").write_bytes(b"".join(part.read_bytes() for part in parts))
    shutil.rmtree(scratch / "topics")
    return folder


def start_server(scratch):
    """nginx: one location for each size of a request, and a bucket in a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for folder in ("files", "bodies", "logs"):
        (scratch / folder).mkdir()
    locations = []
    for size in (1, BATCH):
        offsets = ",".join(["{\"partition\":0,\"offset\":0,\"error_code\":null,\"error\":null}"] * size)
        answer = scratch / f"answer{size}.json"
        answer.write_text(f'{{"offsets":[{offsets}],"key_schema_id":null,"value_schema_id":null}}')
        locations.append(
            f"location /rest/{size}/ {{ default_type application/vnd.kafka.v2+json; error_page 405 =200 /answer{size}; return 405; }}\n"
            f"location = /answer{size} {{ internal; default_type application/vnd.kafka.v2+json; alias {answer}; }}\n"
        )
    empty = '<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'
    config = scratch / "nginx.conf"
    config.write_text(
        f"""
worker_processes auto;
pid {scratch}/nginx.pid;
error_log {scratch}/logs/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  tcp_nodelay on;
  client_max_body_size 16m;
  client_body_buffer_size 1m;
  client_body_temp_path {scratch}/bodies;
  proxy_temp_path {scratch}/bodies;
  fastcgi_temp_path {scratch}/bodies;
  uwsgi_temp_path {scratch}/bodies;
  scgi_temp_path {scratch}/bodies;
  map $args $is_list {{ default 0; ~list-type=2 1; }}
  server {{
    listen 127.0.0.1:{port};
    {"".join(locations)}
    location / {{
      if ($is_list) {{ return 200 '{empty}'; }}
      root {scratch}/files;
      dav_methods PUT DELETE;
      create_full_put_path on;
      add_header ETag '"an-object"' always;
    }}
  }}
}}
"""
    )
    # As root it would serve as somebody who may not look into the folder.
    words = ["nginx", "-c", str(config), "-g", "daemon off;" + (" user root;" if os.getuid() == 0 else "")]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"{url}/lake?list-type=2"):
                return process, url
        except OSError:
            time.sleep(0.02)
    raise SystemExit((scratch / "logs" / "error.log").read_text())


def limit_of_server(case, target, rows, batch, args, scratch):
    """Rows a second that the server takes from wrk."""
    lines = (rows / "pin.jsonl").read_bytes().splitlines()[:batch]
    body = scratch / "body"
    if case == "s3":
        body.write_bytes(lines[0] + b"\n")
        request = "counter = counter + 1; return wrk.format('PUT', '/limit/' .. id .. '/' .. counter .. '.json')"
    else:
        body.write_bytes(b'{"records":[' + b",".join(b'{"value":' + line + b"}" for line in lines) + b"]}")
        path = target.split("/", 3)[3]
        request = f"return wrk.format('POST', '/{path}/topics/{USER}.pin')"
    script = scratch / "limit.lua"
    script.write_text(
        f"""
local threads = 0
function setup(thread) thread:set('id', threads); threads = threads + 1 end
counter = 0
local file = io.open('{body}', 'rb')
wrk.body = file:read('*a')
wrk.headers['Content-Type'] = 'application/vnd.kafka.json.v2+json'
function request() {request} end
"""
    )
    words = ["wrk", "-t", "2", "-c", str(args.concurrency), "-d", "5s", "-s", str(script), target or "/"]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    shutil.rmtree(scratch / "files" / "limit", ignore_errors=True)
    if "Non-2xx" in said:
        raise SystemExit(said)
    return float(said.split("Requests/sec:")[1].split()[0]) * batch


def client_python(venv):
    python = venv / "bin" / "python"
    if not (venv / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
        (venv / "installed").touch()
    return str(python)


if __name__ == "__main__":
    main()
