"""An asyncio service that answers from a vault on this device and keeps it in step with the bucket.

    tidelock join --store 's3://my-bucket/notes?region=eu-central-1' --local notes
    python service.py 's3://my-bucket/notes?region=eu-central-1' notes 8080

`PUT /KEY` sets a note, `GET /KEY` reads it, each from the local store: neither waits for the network.
"""

import asyncio
import sys

import tidelock
from tidelock import aio


async def keep_in_step(vault: aio.Vault) -> None:
    """Logs each sync; errors are told, and the watch goes on."""
    async with vault.watch() as reports:
        async for report in reports:
            if isinstance(report, tidelock.TidelockError):
                print(f"sync failed: {report}", file=sys.stderr)
            elif report.ops_applied or report.ops_published:
                print(f"sync: {report.ops_applied} in, {report.ops_published} out", flush=True)


async def main(store: str, local: str, port: int) -> None:
    async with aio.Vault.open(store, local) as vault:
        notes = vault.collection("notes", tidelock.BYTES)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            method, target, _ = (await reader.readline()).decode().split(" ", 2)
            length = 0
            while (line := await reader.readline()).strip():
                name, _, value = line.decode().partition(":")
                length = int(value) if name.lower() == "content-length" else length
            key, status, body = target.removeprefix("/"), "200 OK", b""
            try:
                if method == "PUT":
                    await notes.put(key, await reader.readexactly(min(length, 256 << 10)))
                else:
                    found = await notes.get(key)
                    status, body = ("404 Not Found", b"") if found is None else (status, found)
            except tidelock.InvalidError as error:
                status, body = "400 Bad Request", str(error).encode()
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", port)
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        async with server, asyncio.TaskGroup() as tasks:
            tasks.create_task(keep_in_step(vault))
            tasks.create_task(server.serve_forever())


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    except KeyboardInterrupt:
        pass
