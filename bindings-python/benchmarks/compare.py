"""10,000 small values from one client to another, and then nothing new: Tidelock, boto3 and obstore in one run.

    python compare.py [NUMBER]

It starts the embedded server, and counts requests and bytes on the wire (headers too) in a proxy before it. boto3 and obstore
keep one object a value, 16 requests at once; nothing of theirs is encrypted. Needs boto3 and obstore.
"""

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import botocore.config
import obstore
import obstore.store

import tidelock

AT_ONCE = 16
KEYS = {"AWS_ACCESS_KEY_ID": "GK746964656c6f636b2d746573", "AWS_SECRET_ACCESS_KEY": "6f6e6c792d666f722d6c6f6f70626163"}
os.environ.update(KEYS, AWS_REGION="us-east-1")


class Proxy:
    """Passes bytes on, and counts them and the requests among them."""

    def __init__(self, port: int) -> None:
        self.port, self.requests, self.bytes = port, 0, 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self.port))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        rest = b""
        try:
            while data := source.recv(1 << 16):
                with self._lock:
                    self.bytes += len(data)
                    if counts:
                        # A line that ends so begins a request; no value here has one. It may come in two pieces.
                        self.requests += (rest + data).count(b" HTTP/1.1\r\n")
                        rest = data[-10:]
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            target.close()


class Table:
    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        print("| client | step | requests | bytes | time |\n|---|---|---|---|---|")

    def row(self, client: str, step: str, work: Callable[[], object]) -> None:
        requests, sent, begin = self.proxy.requests, self.proxy.bytes, time.monotonic()
        work()
        seconds = time.monotonic() - begin
        requests, sent = self.proxy.requests - requests, self.proxy.bytes - sent
        shown = f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
        print(f"| {client} | {step} | {requests:,} | {sent:,} | {shown} |", flush=True)


def with_tidelock(table: Table, values: dict[str, bytes], folder: Path) -> None:
    store = f"s3://tidelock/vault?endpoint={table.proxy.url}"
    with tidelock.Vault.create(store, folder / "one") as (one, code):
        one.sync()

        def put() -> None:
            one["values"].update(values)
            one.sync()

        table.row("tidelock", "put", put)
        joined: list[tidelock.Vault] = []

        def read() -> None:
            joined.append(tidelock.Vault.join(store, folder / "two", code))
            assert dict(joined[0]["values"].items()) == values

        table.row("tidelock", "read by a second client", read)
        with joined[0]:
            one.sync()
            joined[0].sync()
            table.row("tidelock", "idle poll", joined[0].pull)


def with_boto3(table: Table, values: dict[str, bytes]) -> None:
    def client() -> object:
        config = botocore.config.Config(max_pool_connections=AT_ONCE, s3={"addressing_style": "path"})
        return boto3.client("s3", endpoint_url=table.proxy.url, config=config)

    def keys(s3: object) -> list[str]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="tidelock", Prefix="boto3/")  # type: ignore[attr-defined]
        return [found["Key"] for page in pages for found in page["Contents"]]

    def put() -> None:
        s3 = client()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            one = lambda item: s3.put_object(Bucket="tidelock", Key=f"boto3/{item[0]}", Body=item[1])  # type: ignore[attr-defined] # noqa: E731
            list(pool.map(one, values.items()))

    def read() -> None:
        s3 = client()
        get = lambda key: (key, s3.get_object(Bucket="tidelock", Key=key)["Body"].read())  # type: ignore[attr-defined] # noqa: E731
        with ThreadPoolExecutor(AT_ONCE) as pool:
            assert {key[6:]: value for key, value in pool.map(get, keys(s3))} == values

    table.row("boto3", "put", put)
    table.row("boto3", "read by a second client", read)
    s3 = client()
    table.row("boto3", "idle poll: list", lambda: keys(s3))


def with_obstore(table: Table, values: dict[str, bytes]) -> None:
    def client() -> obstore.store.S3Store:
        return obstore.store.S3Store(
            "tidelock", prefix="obstore", endpoint=table.proxy.url, client_options={"allow_http": True}
        )

    async def put() -> None:
        store, turns = client(), asyncio.Semaphore(AT_ONCE)

        async def one(key: str, value: bytes) -> None:
            async with turns:
                await obstore.put_async(store, key, value, use_multipart=False)

        await asyncio.gather(*(one(key, value) for key, value in values.items()))

    def keys(store: obstore.store.S3Store) -> list[str]:
        return [found["path"] for page in obstore.list(store) for found in page]

    async def read() -> None:
        store, turns = client(), asyncio.Semaphore(AT_ONCE)

        async def one(key: str) -> tuple[str, bytes]:
            async with turns:
                return key, bytes(await (await obstore.get_async(store, key)).bytes_async())

        assert dict(await asyncio.gather(*(one(key) for key in keys(store)))) == values

    table.row("obstore", "put", lambda: asyncio.run(put()))
    table.row("obstore", "read by a second client", lambda: asyncio.run(read()))
    store = client()
    table.row("obstore", "idle poll: list", lambda: keys(store))


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    # Half of each value is what no compression shortens.
    chance = random.Random(1)
    values = {f"{at:06}": json.dumps({"number": at, "text": chance.randbytes(32).hex()}).encode() for at in range(number)}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "buckets" / "tidelock").mkdir(parents=True)
        words = [sys.executable, "-m", "tidelock", "--json", "serve", f"{folder}/buckets", "--port", "0"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                endpoint = json.loads(server.stdout.readline())["endpoint"]
                table = Table(Proxy(int(endpoint.rsplit(":", 1)[1])))
                with_tidelock(table, values, Path(folder))
                with_boto3(table, values)
                with_obstore(table, values)
            finally:
                server.terminate()


main()
