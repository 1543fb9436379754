"""Posts files of JSON Lines as an asyncio program would: client.py rest|s3 URL FOLDER CONCURRENCY BATCH

One session whose connections stay open, as many workers as requests are wanted at a time, bodies put together as bytes.
"""

import asyncio
import json
import pathlib
import sys

import aiohttp
import uvloop

USER = "0a3db223d459"
TABLES = ("pin", "geo", "user")


def posts(folder, batch):
    """Topics and bodies, a round of the three tables after another."""
    lines = [(folder / f"{table}.jsonl").read_bytes().splitlines() for table in TABLES]
    for at in range(0, len(lines[0]), batch):
        for table, rows in zip(TABLES, lines):
            records = b",".join(b'{"value":' + row + b"}" for row in rows[at : at + batch])
            yield table, b'{"records":[' + records + b"]}"


def objects(folder):
    """Keys and bodies."""
    lines = [(folder / f"{table}.jsonl").read_bytes().splitlines(keepends=True) for table in TABLES]
    for at in range(len(lines[0])):
        for table, rows in zip(TABLES, lines):
            topic = f"{USER}.{table}"
            yield f"topics/{topic}/partition=0/{topic}+0+{at:010}.json", rows[at]


async def post(session, url, work):
    headers = {"Content-Type": "application/vnd.kafka.json.v2+json"}
    for table, body in work:
        async with session.post(f"{url}/topics/{USER}.{table}", data=body, headers=headers) as answer:
            answer.raise_for_status()
            told = json.loads(await answer.read())
            if any(record["error_code"] for record in told["offsets"]):
                raise SystemExit(f"not taken: {told}")


async def put(session, url, work):
    for key, body in work:
        async with session.put(f"{url}/lake/{key}", data=body) as answer:
            answer.raise_for_status()
            await answer.read()


async def main(kind, url, folder, concurrency, batch):
    folder, concurrency = pathlib.Path(folder), int(concurrency)
    work = iter(objects(folder) if kind == "s3" else posts(folder, int(batch)))
    one = put if kind == "s3" else post
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*[one(session, url, work) for _ in range(concurrency)])


uvloop.run(main(*sys.argv[1:]))
