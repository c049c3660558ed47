"""The decoder and the real command agree on what is in a bucket: every record, conflict and device, on every device."""

import base64
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import household
from decode import decode, described, replay
from household import Device, Household
from lines import covers
from run import Op, Void
from vault import Bucket, Vault, read_vault

Home = Callable[[str], Household]
HOMES = ["small", "medium", "busy", "large"]


def opened(home: Household) -> Vault:
    return read_vault(Bucket(home.bucket), home.code)


def all_rows(state: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    for kind, collections in (("map", state["maps"]), ("log", state["logs"])):
        for name, rows in collections.items():
            for key, row in rows.items():
                yield kind, name, key, row


def beside(row: dict[str, Any]) -> list[dict[str, Any]]:
    """In a conflict, all that stands beside what counts."""
    return [s for s in row["standing"] if s != row["versions"][0]] if len(row["versions"]) > 1 else []


def expected_export(state: dict[str, Any]) -> list[dict[str, Any]]:
    """The archive's records (docs/ARCHIVE.md) of a decoded state."""
    records: list[dict[str, Any]] = []
    siblings: list[dict[str, Any]] = []
    for kind, name, key, row in all_rows(state):
        record = {"kind": kind, "name": name, "key": key}
        for version in row["versions"][:1]:
            records.append(record | {"value": version["value"], "stamp": version["stamp"]})
        for other in beside(row):
            if "value" in other:
                siblings.append(record | {"value": other["value"], "stamp": other["stamp"], "sibling": True})
    return sorted(records, key=in_order) + sorted(siblings, key=in_order)


def in_order(record: dict[str, Any]) -> tuple[Any, ...]:
    stamp = record["stamp"]
    return record["kind"], record["name"], record["key"], stamp["ms"], stamp["counter"]


def by_stamp(version: dict[str, Any]) -> tuple[Any, ...]:
    return version["stamp"]["ms"], version["stamp"]["counter"], version["device"], version["n"]


def exported(device: Device) -> list[dict[str, Any]]:
    records = device.lines("export")[1:]
    siblings = [r for r in records if "sibling" in r]
    return sorted((r for r in records if "sibling" not in r), key=in_order) + sorted(siblings, key=in_order)


def printed(version: dict[str, Any]) -> dict[str, Any]:
    """A version as `list` and `conflicts` print it."""
    shown = {"device": version["device"], "written": version["stamp"]["ms"]}
    if "value" in version:
        value = base64.b64decode(version["value"])
        try:
            shown["value"] = value.decode()
        except UnicodeDecodeError:
            shown["value_base64"] = version["value"]
    return shown


def with_time(line: dict[str, Any]) -> dict[str, Any]:
    """A printed line with its time as milliseconds since 1970."""
    moment = datetime.fromisoformat(line["written"]).astimezone(UTC)
    return line | {"written": round(moment.timestamp() * 1000)}


def assert_agrees(device: Device, state: dict[str, Any]) -> None:
    """Everything that the command tells of a device's records."""
    assert exported(device) == expected_export(state)
    for words, collections in ((("list",), state["maps"]), (("log", "list"), state["logs"])):
        for name, rows in collections.items():
            expected = [
                printed(row["versions"][0]) | {"key": key, "siblings": len(row["versions"]) - 1}
                for key, row in rows.items()
                if row["versions"]
            ]
            listed = [with_time(line) for line in device.lines(*words, "--json", name)]
            assert sorted(listed, key=lambda line: line["key"]) == sorted(expected, key=lambda line: line["key"])
    conflicts = {
        (kind, name, key): [row["versions"][0], *sorted(beside(row), key=by_stamp, reverse=True)]
        for kind, name, key, row in all_rows(state)
        if len(row["versions"]) > 1
    }
    told = {
        (c["collection"]["kind"], c["collection"]["name"], c["key"]): c for c in device.lines("conflicts", "--json")
    }
    assert told.keys() == conflicts.keys()
    for place, versions in conflicts.items():
        expected = [printed(v) | {"deleted": "value" not in v} for v in versions]
        assert [with_time(v) for v in told[place]["versions"]] == expected
    applied = {d["id"]: (d["name"], d["applied"]) for d in device.lines("devices", "--json")}
    assert applied == {id: (d["name"], state["vector"][id]["n"]) for id, d in state["devices"].items()}


@pytest.mark.parametrize("name", HOMES)
def test_every_device_holds_what_the_bucket_says(home: Home, name: str) -> None:
    state = decode(home(name).bucket, home(name).code)
    assert state["waiting"] == []
    for device in home(name).devices:
        assert_agrees(device, state)


@pytest.mark.parametrize("seed", [7, 8])
def test_after_each_sync_of_anyone(tmp_path: Path, seed: int) -> None:
    """Who synced last holds what is in the bucket, whatever others keep to themselves."""
    rng = random.Random(seed)
    family = Household(tmp_path, ["a", "b", "c"])
    family.devices[0].append("shell", *(f"entry {i}" for i in range(60)))
    family.sync()
    for _ in range(5):
        household.random_round(family, rng)
        for device in rng.sample(family.devices, 2):
            device.run("sync")
            assert_agrees(device, decode(family.bucket, family.code))


def test_writes_of_who_has_gaps(tmp_path: Path) -> None:
    """Segments and snapshots are away for a while: others write with ops applied that are no prefix."""
    family = Household(tmp_path, ["a", "b", "c"])
    a, b, c = family.devices
    family.sync()
    rng = random.Random(5)
    a.import_records("map", "bulk", {f"{i:04}": rng.randbytes(150) for i in range(3_000)}, tmp_path)
    a.run("sync")
    for key in ("k", "j"):
        a.put("m", key, "from a")
        a.run("sync")
    away = [f for pattern in ("segments/*/*", "snapshots/*") for f in family.bucket.glob(f"spaces/*/{pattern}")]
    assert away
    for file in away:
        file.rename(tmp_path / file.name)
    b.run("sync")
    b.put("m", "k", "from b")
    b.run("delete", "m", "j")
    b.run("sync")
    c.put("m", "k", "from c")
    c.run("sync")
    for file in away:
        (tmp_path / file.name).rename(file)
    ops = [op for runs in opened(family).runs.values() for _, run in runs for op in run.ops if isinstance(op, Op)]
    assert any(op.context.dots for op in ops)
    state = decode(family.bucket, family.code)
    family.sync()
    for device in family.devices:
        device.run("sync", "--force")
        assert_agrees(device, state | {"vector": decode(family.bucket, family.code)["vector"]})


@pytest.mark.parametrize("name", HOMES)
def test_the_passphrase_opens_the_same(home: Home, name: str) -> None:
    by_code = decode(home(name).bucket, home(name).code)
    by_passphrase = decode(home(name).bucket, household.PASSPHRASE)
    assert by_code | {"opened_by": "passphrase"} == by_passphrase


@pytest.mark.parametrize("name", HOMES)
def test_the_devices_order_makes_no_difference(home: Home, name: str) -> None:
    vault = opened(home(name))
    assert described(vault, *replay(vault)) == described(vault, *replay(vault, backwards=True))


def test_a_prefix_of_an_s3_server(tmp_path: Path) -> None:
    """`serve` keeps objects as files; the prefix is in no object, so a copy elsewhere opens too."""
    (tmp_path / "buckets" / "mine").mkdir(parents=True)
    keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "a-secret-of-this-test"}
    device = Device(tmp_path / "local", keys)
    words: list[str | Path] = [
        household.command(),
        "--local",
        tmp_path / "none",
        "serve",
        tmp_path / "buckets",
        "--port",
        "0",
        "--json",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=os.environ | keys) as server:
        try:
            assert server.stdout is not None
            endpoint = json.loads(server.stdout.readline())["endpoint"]
            store = f"s3://mine/a/prefix?endpoint={endpoint}"
            code = device.lines("init", "--json", "--store", store, "--name", "only")[0]["recovery_code"]
            device.put("todo", "milk", "x")
            device.run("sync")
        finally:
            server.terminate()
    here, copied = tmp_path / "buckets" / "mine" / "a" / "prefix", tmp_path / "copied"
    assert_agrees(device, decode(here, code))
    shutil.copytree(here, copied)
    assert decode(copied, code) == decode(here, code)


def test_the_demos_bucket(tmp_path: Path) -> None:
    """Two devices of one process made it, and one that joins now holds what the decoder reads."""
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    words: list[str | Path] = [household.command(), "demo", "--json", "--store", f"file://{bucket}"]
    told = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    assert told["failed"] == []
    code_file = tmp_path / "code"
    code_file.touch(mode=0o600)
    code_file.write_text(told["recovery_code"] + "\n")
    device = Device(tmp_path / "local")
    device.run("join", "--store", f"file://{bucket}", "--name", "third", "--secret-file", str(code_file))
    device.run("sync")
    state = decode(bucket, told["recovery_code"])
    assert [d["name"] for d in state["devices"].values()].count("third") == 1 and len(state["devices"]) == 3
    assert {"milk", "tent", "eggs"} <= set(state["maps"]["notes"])
    assert_agrees(device, state)


def test_the_small_vault_has_one_of_everything(home: Home) -> None:
    vault, state = opened(home("small")), decode(home("small").bucket, home("small").code)
    assert any(isinstance(op, Void) for runs in vault.runs.values() for _, run in runs for op in run.ops)
    assert len(state["maps"]["todo"]["milk"]["versions"]) == 2
    assert len(state["maps"]["todo"]["eggs"]["versions"]) == 1
    bread = state["maps"]["todo"]["bread"]
    assert ["value" in s for s in bread["standing"]].count(False) == len(bread["versions"]) == 1
    assert state["maps"]["gone"]["for good"]["versions"] == []
    assert len(state["deletions"]) == 1
    assert len(state["logs"]["shell"]["0" * 32]["versions"]) == 2
    assert all(slot["listed"] for slot in state["slots"].values())
    assert {slot["opener"] for slot in state["slots"].values()} == {"recovery", "passphrase", "device"}


def test_the_busy_vault_has_snapshots_of_different_moments(home: Home) -> None:
    """And one has writes that another had replaced, which no context names any more."""
    vault = opened(home("busy"))
    assert len(vault.snapshots) >= 2
    first, second, *_ = vault.snapshots
    dots = [{standing.dot for _, slot in s.rows for standing in slot} for s in (first, second)]
    vectors = [first.index.vector, second.index.vector]
    assert any(covers(vectors[1], dot, {}) and dot not in dots[1] for dot in dots[0]) or any(
        covers(vectors[0], dot, {}) and dot not in dots[0] for dot in dots[1]
    )


def test_the_large_vault_has_segments_snapshots_chunks_deletions_and_trims(home: Home) -> None:
    vault, state = opened(home("large")), decode(home("large").bucket, home("large").code)
    segments = [s for m in state["manifests"].values() for s in m["segments"]]
    assert segments and any(s["from"] > 1 for s in segments)
    assert max(len(s.index.chunks) for s in vault.snapshots) >= 2
    assert any(s.deletions for s in vault.snapshots)
    assert any(len(row["versions"]) > 1 for row in state["maps"]["contested"].values())
    assert sum(len(rows) for rows in state["maps"].values()) > 8_000
    assert sum(len(rows) for rows in state["logs"].values()) > 2_900
