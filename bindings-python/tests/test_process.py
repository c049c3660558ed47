"""Forks, child processes, signals, and the end of the interpreter."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import tidelock

from conftest import Pair

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


def in_fork(work: Callable[[], None]) -> int:
    """Runs work in a forked child; gives its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    for _ in range(300):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("the child hangs")


def test_a_forked_child_has_a_closed_vault(served_pair: Pair) -> None:
    laptop = served_pair.laptop
    notes = laptop["notes"]
    notes["a"] = b"1"
    reports = laptop.watch()
    next(reports)
    changes = notes.changes()

    def child() -> None:
        assert laptop.closed
        for call in (laptop.sync, laptop.status, lambda: notes["a"], lambda: next(reports), lambda: next(changes)):
            with pytest.raises(tidelock.ClosedError, match="after the fork"):
                call()
        laptop.close()
        with tidelock.Vault.open(served_pair.store, served_pair.folder / "laptop") as own:
            assert own["notes"]["a"] == b"1"
            own["notes"]["from the child"] = b"2"
            own.sync()

    assert in_fork(child) == 0
    reports.close()
    assert notes["from the child"] == b"2"
    served_pair.both_sync()
    assert served_pair.phone["notes"]["from the child"] == b"2"


def test_a_child_keeps_its_writes_when_the_parent_closes(served_pair: Pair) -> None:
    """SQLite's locks are the process's, and a fork inherits the note of them alone: see local-sqlite/src/fork.rs."""
    to_child, from_parent = os.pipe(), os.pipe()
    local = served_pair.folder / "laptop"
    served_pair.laptop["notes"]["before"] = b"1"

    def child() -> None:
        with tidelock.Vault.open(served_pair.store, local) as own:
            os.write(from_parent[1], b"opened")
            os.read(to_child[0], 6)
            own["notes"]["in the child"] = b"1"
            # Without a close: what is durable is durable.
            os._exit(0)

    pid = os.fork()
    if pid == 0:
        child()
    assert os.read(from_parent[0], 6) == b"opened"
    served_pair.laptop.close()
    with tidelock.Vault.open(served_pair.store, local) as laptop:
        laptop["notes"]["in the parent"] = b"1"
        os.write(to_child[1], b"closed")
        assert os.waitpid(pid, 0)[1] == 0
        assert set(laptop["notes"]) == {"before", "in the child", "in the parent"}
    for end in (*to_child, *from_parent):
        os.close(end)


def test_forks_while_threads_write(served_pair: Pair) -> None:
    """A child finds no half of a commit: of those that run when it is made it has all or nothing."""
    laptop, local = served_pair.laptop, served_pair.folder / "laptop"
    stop = threading.Event()

    def keep_writing(thread: int) -> None:
        for number in range(10_000):
            if stop.is_set():
                return
            with laptop.batch() as batch:
                batch.put(laptop["notes"], f"{thread}/a", b"%d" % number)
                batch.put(laptop["notes"], f"{thread}/b", b"%d" % number)

    def child() -> None:
        with tidelock.Vault.open(served_pair.store, local) as own:
            own["notes"][f"child/{os.getpid()}"] = b"1"
            for thread in range(3):
                assert own["notes"].get(f"{thread}/a") is not None or own["notes"].get(f"{thread}/b") is None

    threads = [threading.Thread(target=keep_writing, args=(thread,)) for thread in range(3)]
    for thread in threads:
        thread.start()
    try:
        assert [in_fork(child) for _ in range(20)] == [0] * 20
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert len(list(laptop["notes"].list(prefix="child/"))) == 20


def test_a_child_drops_what_it_inherited(served_pair: Pair) -> None:
    """Garbage collection in the child touches nothing of the parent's."""
    laptop = [served_pair.laptop]
    watch = [served_pair.laptop.watch()]

    def child() -> None:
        import gc

        laptop.clear()
        watch.clear()
        served_pair.laptop = served_pair.phone
        gc.collect()

    assert in_fork(child) == 0
    served_pair.laptop["notes"]["after"] = b"1"
    assert next(watch[0]) is not None
    served_pair.both_sync()


def test_a_fork_in_the_middle_of_a_sync(served_pair: Pair) -> None:
    laptop = served_pair.laptop
    laptop["notes"].update({f"{number:05}": bytes(100) for number in range(20_000)})
    done = threading.Event()
    failures: list[BaseException] = []

    def sync() -> None:
        try:
            laptop.sync()
        except BaseException as error:
            failures.append(error)
        done.set()

    thread = threading.Thread(target=sync)
    thread.start()
    forks = 0
    while not done.is_set() and forks < 20:
        # A child that lives for a while keeps what it inherited open.
        assert in_fork(lambda: time.sleep(0.05)) == 0
        forks += 1
    thread.join(60)
    assert forks and not failures and not thread.is_alive()
    laptop["notes"]["after"] = b"1"
    assert laptop.sync(timeout=30).ops_published == 1


def test_a_child_that_lives_on_holds_no_lock(served_pair: Pair) -> None:
    """The lock that a sync takes belongs to the open file, which a forked child inherits."""
    laptop = served_pair.laptop
    children = []
    stop, synced = threading.Event(), threading.Event()

    def keep_syncing() -> None:
        while not stop.is_set():
            laptop["notes"]["a"] = b"1"
            laptop.sync()
            synced.set()

    thread = threading.Thread(target=keep_syncing)
    thread.start()
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            children.append(child)
            synced.clear()
            assert synced.wait(20), "a sync waits for a lock that a forked child holds"
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
        laptop.sync(timeout=10)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        stop.set()
        thread.join(20)


def put_and_sync(store: str, local: str, key: str) -> bytes:
    with tidelock.Vault.open(store, local) as vault:
        vault["notes"][key] = key.encode()
        vault.sync()
        return vault["notes"][key]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(served_pair: Pair, method: str) -> None:
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["tidelock"])
    where = served_pair.store, str(served_pair.folder / "laptop")
    with context.Pool(2) as pool:
        keys = [f"{method}{number}" for number in range(4)]
        assert pool.starmap(put_and_sync, [(*where, key) for key in keys]) == [key.encode() for key in keys]
        pool.close()
        pool.join()
    assert set(served_pair.laptop["notes"]) == set(keys)


PRELOAD = """
import os, sys, time, tidelock
store, local = sys.argv[1:]
vault = tidelock.Vault.open(store, local)           # opened before the workers fork, as a preloading server does
vault["notes"]["master"] = b"1"
vault.sync()
workers = []
for number in range(3):
    worker = os.fork()
    if worker == 0:
        with tidelock.Vault.open(store, local) as own:
            own["notes"][f"worker{number}"] = b"1"
            own.sync()
        sys.exit(0)                                 # the whole way down: atexit, finalizers
    workers.append(worker)
assert [os.waitpid(worker, 0)[1] for worker in workers] == [0, 0, 0]
vault.sync()
assert set(vault["notes"]) == {"master", "worker0", "worker1", "worker2"}
vault.close()
"""


def test_a_server_that_preloads(served_pair: Pair, run_python: Run) -> None:
    served_pair.laptop.close()
    program = "import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n" + PRELOAD
    run_python(program, served_pair.store, str(served_pair.folder / "laptop"))


INTERRUPTED = """
import os, signal, socket, sys, threading, time, tidelock
signal.signal(signal.SIGINT, signal.default_int_handler)    # a shell's background job ignores it, and so would this one
store, local, what = sys.argv[1:]
silent = socket.create_server(("127.0.0.1", 0))
nowhere = store.split("endpoint=")[0] + f"endpoint=http://127.0.0.1:{silent.getsockname()[1]}"
vault = tidelock.Vault.open(nowhere, local, retries=0, timeout=60)
vault["notes"]["a"] = b"1"
sent = 0.0
def interrupt():
    global sent
    with silent.accept()[0] as connection:
        connection.recv(1)                  # the request is on its way: the sync is in its middle
        sent = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)
        given_up.wait()
for _ in range(3):
    given_up = threading.Event()
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        vault.sync() if what == "sync" else next(vault.watch())
    except KeyboardInterrupt:
        late = time.monotonic() - sent
        assert late < 0.2, f"{late:.3f} s"
    else:
        raise AssertionError("it ended by itself")
    given_up.set()
    thread.join()
silent.close()
vault["notes"]["b"] = b"2"
assert dict(vault["notes"]) == {"a": b"1", "b": b"2"}
vault.close()
with tidelock.Vault.open(store, local) as vault:
    assert vault.sync().ops_published == 2
"""


@pytest.mark.parametrize("what", ["sync", "watch"])
def test_ctrl_c(served_pair: Pair, run_python: Run, what: str) -> None:
    served_pair.laptop.close()
    run_python(INTERRUPTED, served_pair.store, str(served_pair.folder / "laptop"), what)


def test_a_signal_handler_runs_and_the_sync_goes_on(served_pair: Pair) -> None:
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    try:
        served_pair.laptop["notes"].update({f"{number:05}": bytes(100) for number in range(20_000)})
        # A sync of so much takes longer than that on any machine.
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        assert served_pair.laptop.sync().ops_published == 20_000
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen


AT_EXIT = """
import sys, threading, time, tidelock
store, local = sys.argv[1:]
asked = threading.Event()

def find():
    asked.set()
    time.sleep(0.2)                         # the interpreter ends meanwhile
    return tidelock.Credentials("a", "b")

vault = tidelock.Vault.open(store, local, credentials=find)
threading.Thread(target=lambda: list(vault.watch()), daemon=True).start()
asked.wait()
"""


def test_the_interpreter_ends_while_a_vault_is_open(served_pair: Pair) -> None:
    served_pair.laptop.close()
    for _ in range(5):
        words = [sys.executable, "-c", AT_EXIT, served_pair.store, str(served_pair.folder / "laptop")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")


def test_importing_starts_nothing(run_python: Run) -> None:
    run_python("import os, tidelock, tidelock.aio; assert len(os.listdir('/proc/self/task')) == 1")


def test_subinterpreters_are_refused(run_python: Run) -> None:
    program = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
one = interpreters.create()
try:
    failure = interpreters.run_string(one, "import tidelock")
except Exception as error:
    failure = error
assert failure is not None and "interpreter" in str(failure), failure
"""
    run_python(f"import warnings; warnings.simplefilter('ignore')\n{program}")


def test_the_command_ends_on_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    words = [sys.executable, "-m", "tidelock", "serve", str(tmp_path / "b"), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        server.send_signal(signal.SIGINT)
        assert server.wait(10) in (0, -signal.SIGINT)
