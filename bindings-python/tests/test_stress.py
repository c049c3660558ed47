"""Many threads, and many vaults one after the other."""

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tidelock

from conftest import Pair


def test_eight_threads_put_while_a_sync_runs(served_pair: Pair) -> None:
    notes = served_pair.laptop["notes"]
    stop = threading.Event()
    reports = []

    def keep_syncing() -> None:
        while not stop.is_set():
            reports.append(served_pair.laptop.sync())

    def put(thread: int) -> None:
        for number in range(1_000):
            notes[f"{thread}/{number:04}"] = b"%d" % number

    with ThreadPoolExecutor(9) as pool:
        syncing = pool.submit(keep_syncing)
        for future in [pool.submit(put, thread) for thread in range(8)]:
            future.result()
        stop.set()
        syncing.result()
    served_pair.both_sync()
    assert sum(report.ops_published for report in reports) <= 8_000
    expected = {f"{thread}/{number:04}": b"%d" % number for thread in range(8) for number in range(1_000)}
    assert dict(served_pair.phone["notes"].items()) == expected


def resident() -> int:
    """Bytes of memory in use."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def test_a_hundred_vaults_leave_nothing(served: str, tmp_path: Path) -> None:
    local = tmp_path / "a"
    with tidelock.Vault.create(served, local) as (vault, _):
        vault.sync()

    def once(number: int) -> None:
        with tidelock.Vault.open(served, local) as vault:
            vault["notes"]["a"] = b"1"
            if number % 5 == 0:
                vault.sync()

    for number in range(20):
        once(number)
    gc.collect()
    files, memory = len(os.listdir("/proc/self/fd")), resident()
    begin = threads()
    for number in range(100):
        once(number)
    gc.collect()
    assert threads() == begin, "a close ends when the vault's thread has ended"
    assert len(os.listdir("/proc/self/fd")) <= files
    assert resident() - memory < 8 << 20, "memory grew"
