"""What a vault promises to blocking code, on every store there is."""

import gc
import io
import json
import os
import pickle
import shutil
import stat
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

import tidelock
from tidelock import (
    JSON,
    TEXT,
    AlreadyExistsError,
    ClosedError,
    InvalidError,
    NotFoundError,
    Passphrase,
    RecoveryCode,
    SyncReport,
    WrongKeyError,
)

from conftest import Pair


def test_a_record_reaches_the_other_device(pair: Pair) -> None:
    todo = pair.laptop.collection("todo", JSON)
    todo["milk"] = {"litres": 2}
    report = pair.laptop.sync()
    assert report.ops_published == 1 and report.reports == ()
    assert pair.phone.pull().ops_applied == 1
    assert pair.phone.collection("todo", JSON)["milk"] == {"litres": 2}


def test_a_map_is_a_mutable_mapping(vault: tidelock.Vault) -> None:
    todo = vault.collection("todo", TEXT)
    assert not todo and len(todo) == 0
    todo["milk"] = "two"
    todo.update({"bread": "one"}, eggs="six")
    assert list(todo) == ["bread", "eggs", "milk"]
    assert dict(todo) == {"bread": "one", "eggs": "six", "milk": "two"}
    assert list(todo.items()) == [("bread", "one"), ("eggs", "six"), ("milk", "two")]
    assert list(todo.values()) == ["one", "six", "two"]
    assert "milk" in todo and "wine" not in todo
    assert todo.get("wine") is None and todo.setdefault("wine", "red") == "red"
    assert todo.pop("wine") == "red"
    with pytest.raises(KeyError):
        todo["wine"]
    with pytest.raises(KeyError):
        del todo["wine"]
    todo.delete("wine")
    del todo["milk"]
    assert "milk" not in todo and todo
    todo.clear()
    assert dict(todo) == {}
    assert vault["todo"].name == "todo"


def test_ranges_and_prefixes(vault: tidelock.Vault) -> None:
    notes = vault["notes"]
    keys = ["a", "b/1", "b/2", "b0", "ba", "c", "ü", "\ud7ff1", "\ue000", "\U0010ffff", "\U0010ffff1"]
    notes.update(dict.fromkeys(keys, b""))

    def listed(**range: str) -> list[str]:
        return [entry.key for entry in notes.list(**range)]

    assert listed() == sorted(keys)
    for prefix in ["", "a", "b", "b/", "ü", "\ud7ff", "\U0010ffff", "nothing"]:
        assert listed(prefix=prefix) == sorted(key for key in keys if key.startswith(prefix)), prefix
    assert listed(start="b/2", end="ba") == ["b/2", "b0"]
    assert listed(prefix="b", start="b/2") == ["b/2", "b0", "ba"]
    assert listed(prefix="b", end="b0") == ["b/1", "b/2"]
    assert listed(start="c", end="b") == []


def test_more_than_a_page(vault: tidelock.Vault) -> None:
    numbers = vault["numbers"]
    expected = {f"{number:05}": b"%d" % number for number in range(1_100)}
    numbers.update(expected)
    assert dict(numbers.items()) == expected
    assert list(numbers) == sorted(expected)
    numbers.clear()
    assert len(numbers) == 0


def test_an_entry_knows_its_writer(pair: Pair) -> None:
    pair.laptop["notes"]["one"] = b"1"
    pair.both_sync()
    entry = pair.phone["notes"].entry("one")
    assert entry is not None
    assert (entry.value, entry.siblings, entry.device) == (b"1", 0, pair.laptop.status().device)
    assert abs(entry.written_at.timestamp() - time.time()) < 60
    assert pair.phone["notes"].entry("none") is None


def test_a_log_keeps_its_order_and_its_deletes(pair: Pair) -> None:
    history = pair.laptop.log("history", TEXT)
    first, second = history.append("git status"), history.append("git push")
    assert first < second and history.get(first) == "git status" and list(history) == ["git status", "git push"]
    entry = history.entry(second)
    assert entry is not None and entry.value == "git push"
    pair.both_sync()
    pair.phone.log("history").delete(first)
    pair.both_sync()
    assert list(history) == ["git push"] and history.get(first) is None
    history.import_("bash_history", [(0, "ls"), (1_000, "cd"), (0, "ls")])
    history.import_("bash_history", [(0, "ls"), (1_000, "cd"), (0, "ls")])
    assert sorted(history) == ["cd", "git push", "ls", "ls"]
    assert [entry.value for entry in history.list(start=second)][-1] == "git push" or history.get(second) == "git push"


def test_concurrent_values_are_kept_until_resolved(pair: Pair) -> None:
    notes, other = pair.laptop.collection("notes", TEXT), pair.phone.collection("notes", TEXT)
    pair.laptop["before"]["x"] = b"1"
    notes["shared"], other["shared"] = "from the laptop", "from the phone"
    pair.phone["zoo"]["x"] = b"2"
    pair.laptop["zoo"]["x"] = b"3"
    pair.both_sync()
    [conflict] = notes.conflicts()
    assert (conflict.kind, conflict.collection, conflict.key) == ("map", "notes", "shared")
    assert {version.value for version in conflict.versions} == {"from the laptop", "from the phone"}
    assert conflict.versions[0].value == notes["shared"]
    assert [found.collection for found in pair.laptop.conflicts()] == ["notes", "zoo"]
    notes.resolve("shared", "from both")
    pair.laptop["zoo"].resolve("x", None)
    pair.both_sync()
    assert other["shared"] == "from both" and list(pair.phone.conflicts()) == [] and "x" not in pair.phone["zoo"]
    with pytest.raises(NotFoundError):
        notes.resolve("shared", "again")


def test_a_batch_is_all_or_nothing(vault: tidelock.Vault) -> None:
    notes, history = vault.collection("notes", TEXT), vault.log("history", TEXT)
    with vault.batch() as batch:
        batch.put(notes, "a", "1")
        batch.append(history, "wrote a")
        assert "a" not in notes
    assert notes["a"] == "1" and list(history) == ["wrote a"]
    with pytest.raises(InvalidError), vault.batch() as batch:
        batch.delete(notes, "a")
        batch.put(notes, "k" * 513, "too long")
    with pytest.raises(RuntimeError), vault.batch() as batch:
        batch.delete(notes, "a")
        raise RuntimeError
    assert notes["a"] == "1"


def test_limits_name_what_is_wrong(vault: tidelock.Vault) -> None:
    for key, value in [("", b""), ("k" * 513, b""), ("k", bytes((256 << 10) + 1))]:
        with pytest.raises(InvalidError) as raised:
            vault["notes"][key] = value
        assert isinstance(raised.value, ValueError) and raised.value.kind == "invalid"
    with pytest.raises(UnicodeEncodeError):
        vault["notes"]["\ud800"] = b""
    with pytest.raises(TypeError):
        vault["notes"]["k"] = 5  # type: ignore[assignment]


def test_status_tells_without_a_request(pair: Pair) -> None:
    pair.laptop["notes"]["a"] = b"1"
    before = pair.laptop.status()
    assert before.pending == 1 and ("map", "notes") in before.collections and before.vault is not None
    assert {device.name: device.state for device in before.devices} == {"laptop": "this"}
    pair.both_sync()
    after = pair.laptop.status()
    assert {device.name: device.state for device in pair.laptop.devices()} == {"laptop": "this", "phone": "active"}
    assert after.pending == 0 and after.meter.requests > before.meter.requests == pair.laptop.status().meter.requests - (
        after.meter.requests - before.meter.requests
    )
    assert after.last_push_at is not None and abs(after.last_push_at.timestamp() - time.time()) < 60
    assert after.stopped is None and after.last_error is None


def test_a_passphrase_and_a_code_open_a_vault(served: str, tmp_path: Path) -> None:
    with tidelock.Vault.create(served, tmp_path / "a", passphrase="correct horse") as (vault, code):
        vault["notes"]["a"] = b"1"
        vault.sync()
        secrets: list[RecoveryCode | Passphrase | str] = [code, code.reveal(), "correct horse", Passphrase("correct horse")]
        for number, secret in enumerate(secrets):
            with tidelock.Vault.join(served, tmp_path / f"joined{number}", secret) as joined:
                assert joined["notes"]["a"] == b"1"
        with pytest.raises(WrongKeyError):
            tidelock.Vault.join(served, tmp_path / "wrong", "battery staple")
        with pytest.raises(AlreadyExistsError):
            tidelock.Vault.create(served, tmp_path / "second")
        vault.set_passphrase("other words")
        with pytest.raises(WrongKeyError):
            tidelock.Vault.join(served, tmp_path / "old", "correct horse")
        fresh = vault.replace_recovery_code()
        assert fresh != code
        with pytest.raises(WrongKeyError):
            tidelock.Vault.join(served, tmp_path / "older", code)
        with tidelock.Vault.join(served, tmp_path / "new", fresh) as joined:
            assert joined["notes"]["a"] == b"1"
        vault.set_passphrase(None)
        with pytest.raises(WrongKeyError):
            tidelock.Vault.join(served, tmp_path / "gone", "other words")


def test_recipients_are_listed_with_who_added_them(served: str, tmp_path: Path) -> None:
    def kinds(vault: tidelock.Vault) -> list[str]:
        return sorted(one.kind for one in vault.status().recipients)

    with tidelock.Vault.create(served, tmp_path / "laptop") as (laptop, code):
        laptop.sync()
        assert kinds(laptop) == ["recovery-code"]
        with tidelock.Vault.join(served, tmp_path / "phone", code) as phone:
            phone.set_passphrase("correct horse battery staple")
            laptop.sync()
            assert kinds(laptop) == kinds(phone) == ["passphrase", "recovery-code"]
            by = {one.kind: one.added_by for one in laptop.status().recipients}
            assert by == {"recovery-code": laptop.status().device, "passphrase": phone.status().device}
            for one in laptop.status().recipients:
                assert abs(one.added_at.timestamp() - time.time()) < 60
            phone.set_passphrase(None)
            laptop.sync()
            assert kinds(laptop) == ["recovery-code"]


def test_a_copied_store_says_which_device_it_was(served: str, tmp_path: Path) -> None:
    with tidelock.Vault.create(served, tmp_path / "laptop") as (laptop, _):
        laptop.sync()
        was = laptop.status().device
    shutil.copytree(tmp_path / "laptop", tmp_path / "copy")
    with tidelock.Vault.open(served, tmp_path / "laptop") as laptop:
        laptop["notes"]["a"] = b"laptop"
        laptop.sync()
        assert laptop.status().left == () and laptop.status().device == was
    with tidelock.Vault.open(served, tmp_path / "copy") as copy:
        copy["notes"]["b"] = b"copy"
        copy.sync()
        assert copy.status().left == (was,) and copy.status().device != was
        assert dict(copy["notes"]) == {"a": b"laptop", "b": b"copy"}


def test_devices_are_retired_revoked_and_adopted(served_pair: Pair) -> None:
    pair = served_pair
    pair.both_sync()
    phone = pair.phone.status().device
    assert phone is not None

    def states() -> dict[str | None, str]:
        return {device.name: device.state for device in pair.laptop.devices()}

    pair.laptop.retire_device(phone)
    assert states() == {"laptop": "this", "phone": "retired"}
    pair.laptop.revoke_device(phone)
    assert states() == {"laptop": "this", "phone": "revoked"}
    pair.laptop.adopt_device(phone)
    with pytest.raises(InvalidError):
        pair.laptop.revoke_device("nobody")
    with pytest.raises(NotFoundError):
        pair.laptop.revoke_device("0" * len(phone))


def test_an_archive_goes_round(pair: Pair, tmp_path: Path) -> None:
    pair.laptop["notes"]["a"] = b"1"
    pair.laptop.log("history").append(b"x")
    file = tmp_path / "vault.jsonl"
    assert pair.laptop.export_archive(file) == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        pair.laptop.export_archive(file)
    in_memory = io.BytesIO()
    assert pair.laptop.export_archive(in_memory) == 2
    assert file.read_bytes().splitlines()[1:] == in_memory.getvalue().splitlines()[1:]
    in_memory.seek(0)
    assert pair.phone.import_archive(in_memory).added == 2
    assert pair.phone.import_archive(file).unchanged == 2
    assert pair.phone["notes"]["a"] == b"1"


def test_what_a_file_raises_reaches_the_caller(vault: tidelock.Vault) -> None:
    class Full(io.RawIOBase):
        def write(self, data: object) -> int:
            raise OSError(28, "no space")

    with pytest.raises(OSError, match="no space"):
        vault.export_archive(Full())  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="line 1"):
        vault.import_archive(io.BytesIO(b"no archive\n"))


def test_the_doctor_finds_a_usable_store(store: str, tmp_path: Path) -> None:
    with tidelock.Vault.create(store, tmp_path / "a") as (vault, _):
        found = vault.doctor()
        assert found.problem is None and found.requests <= 12
        assert {finding.verdict for finding in found.findings} <= {"ok", "warning"}
        assert found.cors is None
        if store.startswith("s3:"):
            page = vault.doctor(origin="https://app.example")
            assert page.cors is not None and page.access.put


def test_a_watch_carries_both_ways(served_pair: Pair) -> None:
    with served_pair.phone.watch() as reports:
        assert isinstance(next(reports), SyncReport)
        served_pair.phone["notes"]["from the phone"] = b"1"
        report = next(reports)
        assert isinstance(report, SyncReport) and report.ops_published == 1
    served_pair.laptop.pull()
    assert served_pair.laptop["notes"]["from the phone"] == b"1"


def test_a_watch_yields_errors_and_goes_on(served: str, tmp_path: Path) -> None:
    with tidelock.Vault.create(served, tmp_path / "a") as (vault, _):
        vault.sync()
    nowhere = served.replace(served.split("endpoint=")[1], "http://127.0.0.1:9")
    with tidelock.Vault.open(nowhere, tmp_path / "a", retries=0) as vault:
        reports = vault.watch()
        assert isinstance(next(reports), tidelock.NetworkError)
        vault["notes"]["a"] = b"1"
        assert isinstance(next(reports), tidelock.NetworkError)
        vault.close()
        assert list(reports) == []


def test_changes_tell_of_writes_and_syncs(served_pair: Pair) -> None:
    changes = served_pair.phone["notes"].changes(timeout=5)
    served_pair.laptop["notes"]["a"] = b"1"
    served_pair.laptop.sync()
    served_pair.phone.sync()
    assert next(changes).keys == frozenset({"a"})
    served_pair.phone["others"]["b"] = b"1"
    assert list(served_pair.phone["notes"].changes(timeout=0.05)) == []
    changes.close()
    assert list(changes) == []
    log = served_pair.phone.log("history").changes()
    served_pair.phone.log("history").append(b"x")
    next(log)
    served_pair.phone.close()
    assert list(log) == []


def test_changes_that_wait_are_taken_together(vault: tidelock.Vault) -> None:
    notes = vault["notes"]
    changes = notes.changes(timeout=5)
    for number in range(100):
        notes[f"{number:03}"] = b""
    seen: set[str] = set()
    for _ in range(2):
        # The last one may be told just after its put has returned.
        if len(seen) < 100:
            seen |= next(changes).keys or set()
    assert seen == {f"{number:03}" for number in range(100)}
    for number in range(300):
        notes[f"{number:03}"] = b""
    assert next(changes).keys is None, "more than 256"
    changes.close()


def test_a_live_list_follows(served_pair: Pair) -> None:
    notes = served_pair.phone.collection("notes", TEXT)
    with notes.live(prefix="a/", timeout=5) as live:
        assert next(live) == []
        notes["b"] = "not in the range"
        notes["a/1"] = "one"
        assert [entry.value for entry in next(live)] == ["one"]
        served_pair.laptop.collection("notes", TEXT)["a/2"] = "two"
        served_pair.laptop.sync()
        served_pair.phone.sync()
        assert [entry.value for entry in next(live)] == ["one", "two"]
        del notes["a/1"]
        assert [entry.key for entry in next(live)] == ["a/2"]
    assert list(live) == []
    history = served_pair.phone.log("history")
    follow = history.live()
    key = history.append(b"x")
    assert [entry.key for entry in next(follow)] == [key]
    assert list(notes.live(timeout=0.05)) == [list(notes.list())]
    served_pair.phone.close()
    assert list(follow) == []


def test_a_live_list_reads_once_for_many_changes(vault: tidelock.Vault) -> None:
    notes = vault["notes"]
    with notes.live(timeout=0.2) as live:
        assert next(live) == []
        for number in range(500):
            notes[f"{number:03}"] = b""
        lists = [len(entries) for entries in live]
    assert lists == [500], "a change that was seen already gives no second list"


def test_progress_is_told_on_the_callers_thread(pair: Pair) -> None:
    seen: list[tidelock.Progress] = []
    threads = set()

    def tell(progress: tidelock.Progress) -> None:
        seen.append(progress)
        threads.add(threading.get_ident())

    pair.laptop["notes"].update({str(number): bytes(2_000) for number in range(500)})
    pair.laptop.sync(progress=tell)
    assert {progress.phase for progress in seen} >= {"pushing"} and threads == {threading.get_ident()}
    assert all(0 <= progress.done <= progress.total for progress in seen)

    def refuse(progress: tidelock.Progress) -> None:
        raise RuntimeError("enough")

    pair.laptop["notes"]["more"] = b"1"
    with pytest.raises(RuntimeError, match="enough"):
        pair.laptop.sync(progress=refuse)
    # It was stopped before or after the manifest was published.
    assert pair.laptop.sync().ops_published <= 1 and pair.laptop.status().pending == 0
    pair.phone.sync()
    assert pair.phone["notes"]["more"] == b"1"


def test_a_bar_of_tqdm(pair: Pair) -> None:
    pytest.importorskip("tqdm")
    pair.laptop["notes"]["a"] = b"1"
    assert pair.laptop.sync(progress="tqdm").ops_published == 1


def test_the_time_of_a_sync_is_bounded(tmp_path: Path, served: str) -> None:
    with tidelock.Vault.create(served, tmp_path / "a") as (vault, _):
        vault.sync()
    with silent_server() as nowhere, tidelock.Vault.open(f"s3://tidelock/p?endpoint={nowhere}", tmp_path / "a") as vault:
        begin = time.monotonic()
        with pytest.raises(TimeoutError) as raised:
            vault.sync(timeout=0.2)
        assert isinstance(raised.value, tidelock.TimeoutError) and raised.value.retryable
        assert time.monotonic() - begin < 2
        vault["notes"]["a"] = b"1"
        with pytest.raises(ValueError, match="timeout"):
            vault.sync(timeout=float("nan"))


class silent_server:
    """Takes connections and never answers."""

    def __enter__(self) -> str:
        import socket

        self.socket = socket.create_server(("127.0.0.1", 0))
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def test_a_closed_vault_says_so(vault: tidelock.Vault) -> None:
    notes = vault["notes"]
    vault.close()
    vault.close()
    assert vault.closed and "closed" in repr(vault)
    for call in (vault.sync, vault.status, vault.batch, lambda: notes.get("a"), vault.watch):
        with pytest.raises(ClosedError, match="open it again"):
            call()


def test_a_vault_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        tidelock.Vault.open(f"file://{tmp_path}/store", tmp_path / "none")
    with pytest.raises(InvalidError, match="inside the store's folder"):
        tidelock.Vault.open(f"file://{tmp_path}", tmp_path / "none")
    for store in ("", "http://x", "s3://"):
        with pytest.raises(InvalidError):
            tidelock.Vault.open(store, tmp_path / "none")
    with pytest.raises(TypeError, match="no_such_option"):
        tidelock.Vault.open("s3://bucket", tmp_path, no_such_option=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"Vault\.open"):
        tidelock.Vault()


def test_an_unclosed_vault_warns(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    created = tidelock.Vault.create(f"file://{tmp_path}/store", tmp_path / "local")
    with pytest.warns(ResourceWarning, match=r"unclosed <tidelock\.Vault"):
        del created
        gc.collect()


def test_no_secret_is_shown(tmp_path: Path) -> None:
    code = RecoveryCode("60RK-4CSM-6MV3-EE1S-C5H6-6S35-CSKP-GTBA-GFED")
    credentials = tidelock.Credentials("AKIAEXAMPLE", "PLANTED-secret", "PLANTED-token")
    signed = tidelock.SignedUrl("https://bucket.example/key?X-Amz-Signature=PLANTED")
    request = tidelock.Request("GET", "https://x/?sig=PLANTED", (("authorization", "PLANTED"),), b"PLANTED", 1, 1.0)
    shown = f"{[code, credentials, signed, request, Passphrase('PLANTED')]} {code} {credentials} {signed}"
    assert "PLANTED" not in shown and "60RK" not in shown
    assert code.reveal() == "60RK-4CSM-6MV3-EE1S-C5H6-6S35-CSKP-GTBA-GFED"
    (tmp_path / "store").mkdir()
    with tidelock.Vault.create(f"file://{tmp_path}/store", tmp_path / "a", passphrase="PLANTED") as created:
        assert "PLANTED" not in f"{created!r} {created.vault!r}" and created.recovery_code.reveal() not in repr(created)


def test_a_vault_is_not_pickled(vault: tidelock.Vault) -> None:
    with pytest.raises(TypeError, match="open it where it is used"):
        pickle.dumps(vault)


def test_a_vault_is_shared_with_the_command(pair: Pair) -> None:
    def command(*words: str) -> str:
        words = (sys.executable, "-m", "tidelock", "--json", *words, "--local", str(pair.folder / "laptop"))
        environment = {**os.environ, "TIDELOCK_STORE": pair.store}
        return subprocess.run(words, capture_output=True, text=True, check=True, env=environment).stdout

    command("put", "notes", "from the command", "1")
    assert pair.laptop["notes"]["from the command"] == b"1"
    pair.laptop["notes"]["from Python"] = b"2"
    command("sync")
    pair.phone.sync()
    assert dict(pair.phone["notes"]) == {"from the command": b"1", "from Python": b"2"}
    script = Path(sys.executable).parent / "tidelock"
    version = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("tidelock ")
    wrong = subprocess.run([script, "no-such-command"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "no-such-command" in wrong.stderr
