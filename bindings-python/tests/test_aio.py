"""The same promises for asyncio."""

import asyncio
import contextlib
import io
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import tidelock
from tidelock import JSON, TEXT, ClosedError, InvalidError, NotFoundError, SyncReport, WrongKeyError, aio

from conftest import Pair


async def test_two_devices(store: str, tmp_path: Path) -> None:
    async with aio.Vault.create(store, tmp_path / "a", device="a", passphrase="correct horse") as (first, code):
        todo = first.collection("todo", JSON)
        await todo.put("milk", {"litres": 2})
        report = await first.sync()
        assert report.ops_published == 1
        async with aio.Vault.join(store, tmp_path / "b", code, device="b") as second:
            other = second.collection("todo", JSON)
            assert await other.get("milk") == {"litres": 2} and await other.get("wine") is None
            await asyncio.gather(*(other.put(f"{number:03}", number) for number in range(300)))
            await second.push()
            await first.pull()
            assert [entry.value async for entry in todo.list(prefix="0")] == list(range(100))
            assert len([entry async for entry in todo]) == 301
            await other.delete("milk")
            await second.sync()
            await first.sync()
            assert await todo.entry("milk") is None
            assert {device.name for device in await first.devices()} == {"a", "b"}
            assert (await first.status()).pending == 0
        with pytest.raises(WrongKeyError):
            await aio.Vault.join(store, tmp_path / "c", "battery staple")
        vault = await aio.Vault.join(store, tmp_path / "d", "correct horse")
        await vault.close()
        assert vault.closed
        with pytest.raises(ClosedError):
            await vault.sync()


async def test_conflicts_batches_and_logs(store: str, tmp_path: Path) -> None:
    async with (
        aio.Vault.create(store, tmp_path / "a") as (first, code),
        aio.Vault.join(store, tmp_path / "b", code) as second,
    ):
        notes, others = first.collection("notes", TEXT), second.collection("notes", TEXT)
        history = first.log("history", TEXT)
        async with first.batch() as batch:
            batch.put(notes, "shared", "from a")
            batch.append(history, "wrote")
            batch.put(notes, "gone", "")
            batch.delete(notes, "gone")
        await others.update({"shared": "from b"})
        for vault in (first, second, first):
            await vault.sync()
        [conflict] = [found async for found in notes.conflicts()]
        assert {version.value for version in conflict.versions} == {"from a", "from b"}
        assert [found.key async for found in first.conflicts()] == ["shared"]
        await notes.resolve("shared", "both")
        with pytest.raises(NotFoundError):
            await notes.resolve("shared", None)
        key = await history.append("again")
        await history.import_("file", [(0, "old")])
        assert await history.get(key) == "again" and [entry.value async for entry in history][:1] == ["old"]
        await history.delete(key)
        assert await history.entry(key) is None and len([entry async for entry in history.list()]) == 2
        file = io.BytesIO()
        assert await first.export_archive(file) == 3
        file.seek(0)
        await second.import_archive(file)
        assert (await second.doctor()).problem is None
        with pytest.raises(InvalidError):
            await others.put("k" * 513, "")


async def test_a_watch_and_changes(served_pair: Pair) -> None:
    served_pair.phone.close()
    async with aio.Vault.open(served_pair.store, served_pair.folder / "phone") as phone:
        async with phone.watch() as reports, phone["notes"].changes() as changes:
            assert isinstance(await anext(reports), SyncReport)
            await phone["notes"].put("a", b"1")
            await anext(changes)
            report = await anext(reports)
            assert isinstance(report, SyncReport) and report.ops_published == 1
        served_pair.laptop.pull()
        assert served_pair.laptop["notes"]["a"] == b"1"


async def test_a_live_list_follows(served_pair: Pair) -> None:
    served_pair.phone.close()
    async with aio.Vault.open(served_pair.store, served_pair.folder / "phone") as phone:
        notes = phone.collection("notes", TEXT)
        async with notes.live(prefix="a/") as live:
            assert await anext(live) == []
            waiting = asyncio.ensure_future(anext(live))
            await notes.put("b", "not in the range")
            await notes.put("a/1", "one")
            assert [entry.value for entry in await waiting] == ["one"]
            served_pair.laptop.collection("notes", TEXT)["a/2"] = "two"
            served_pair.laptop.sync()
            await phone.sync()
            assert [entry.value for entry in await anext(live)] == ["one", "two"]
        assert [entries async for entries in live] == []
        history = phone.log("history")
        follow = history.live()
        await history.append(b"x")
        assert [entry.value for entry in await anext(follow)] == [b"x"]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(follow)
        await history.append(b"y")
        assert [entry.value for entry in await anext(follow)] == [b"x", b"y"], "a wait that was cancelled lost nothing"
    assert [entries async for entries in follow] == []


async def test_a_cancelled_sync_leaves_a_usable_vault(served: str, tmp_path: Path) -> None:
    async with aio.Vault.create(served, tmp_path / "a") as (vault, _):
        for delay in (0.0, 0.001, 0.005, 0.02):
            await vault["notes"].put("a", str(delay).encode())
            task = asyncio.create_task(vault.sync())
            await asyncio.sleep(delay)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await vault.sync()
        assert (await vault.status()).pending == 0


async def test_the_time_of_a_sync_is_bounded(served: str, tmp_path: Path) -> None:
    async def never(request: tidelock.Request) -> tidelock.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    async with aio.Vault.create(served, tmp_path / "a") as (vault, _):
        pass
    async with aio.Vault.open(served, tmp_path / "a", transport=never) as vault:
        begin = time.monotonic()
        with pytest.raises(TimeoutError) as raised:
            await vault.sync(timeout=0.2)
        assert isinstance(raised.value, tidelock.TimeoutError)
        with pytest.raises(TimeoutError) as outer:
            async with asyncio.timeout(0.2):
                await vault.sync()
        assert not isinstance(outer.value, tidelock.TimeoutError)
        assert time.monotonic() - begin < 5


async def test_progress_is_told_on_the_loop(served: str, tmp_path: Path) -> None:
    seen: list[tidelock.Progress] = []

    def tell(progress: tidelock.Progress) -> None:
        asyncio.get_running_loop()
        seen.append(progress)

    async with aio.Vault.create(served, tmp_path / "a") as (vault, _):
        await vault["notes"].update({str(number): bytes(2_000) for number in range(500)})
        await vault.sync(progress=tell)
    assert {progress.phase for progress in seen} >= {"pushing"}


async def test_the_loop_is_free_meanwhile(served: str, tmp_path: Path) -> None:
    async with aio.Vault.create(served, tmp_path / "a", passphrase="correct horse") as (vault, _):
        await vault["notes"].update({f"{number:05}": bytes(100) for number in range(20_000)})
        longest = 0.0
        task = asyncio.create_task(vault.sync())
        while not task.done():
            begin = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - begin)
        assert task.result().ops_published == 20_000
        assert longest < 1, "a sync of 20,000 records kept the loop busy"


LEFT_RUNNING = """
import asyncio, sys
from tidelock import aio

async def leave_a_sync_running(store, local):
    vault = await aio.Vault.open(store, local)
    await vault["notes"].put("a", b"1")
    task = asyncio.create_task(vault.sync())
    watch = vault.watch()
    next_report = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    if len(sys.argv) > 4:
        await vault.close()
    return vault

vaults = []
for _ in range(int(sys.argv[3])):
    vaults.append(asyncio.run(leave_a_sync_running(sys.argv[1], sys.argv[2])))
    if len(vaults) == 20:
        for vault in vaults:
            vault._native.close().wait()
        vaults.clear()
for vault in vaults:
    vault._native.close().wait()
"""


def test_loops_that_end_while_a_sync_runs(
    served_pair: Pair, run_python: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    """200 loops: no unraisable exception, no `Event loop is closed`, nothing on stderr at all."""
    served_pair.laptop.close()
    run_python(LEFT_RUNNING, served_pair.store, str(served_pair.folder / "laptop"), "200")
    with tidelock.Vault.open(served_pair.store, served_pair.folder / "laptop") as vault:
        vault.sync()
        assert vault.status().pending == 0


async def test_a_vault_serves_several_loops(served: str, tmp_path: Path) -> None:
    async with aio.Vault.create(served, tmp_path / "a") as (vault, _):

        def in_a_loop_of_its_own() -> bytes | None:
            async def use() -> bytes | None:
                await vault["notes"].put("from a thread", b"1")
                await vault.sync()
                return await vault["notes"].get("from a thread")

            return asyncio.run(use())

        assert await asyncio.to_thread(in_a_loop_of_its_own) == b"1"
