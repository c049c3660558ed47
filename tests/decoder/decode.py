"""Decodes a whole bucket and prints what every device must hold, as JSON. An independent reader of docs/FORMAT.md.

    python3 tests/decoder/decode.py --bucket DIR --secret-file FILE

DIR is a folder store, or an S3 listing dumped to a folder. FILE's first line is the recovery code or the passphrase.
Exit code 1: an object was refused; stderr names it and the rule.
"""

import argparse
import base64
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import crypto
import lineage
import merge
import snapshot
from parse import Refused, reading, require
from replica import DOCUMENTS, LOG, MAP, PLACES, ROOT, Collection, Entry, Point, PutWith, Vector, split_key
from run import Op, Run, Void
from snapshot import RowKey, Standing
from vault import Bucket, Vault, read_vault


def replay(vault: Vault, backwards: bool = False) -> tuple[merge.State, list[str]]:
    """The state, and what waits: manifests that the beacon knows newer, vectors beyond what is published, devices that
    nobody lists. The devices' order makes no difference."""
    current = max(vault.ring.secrets)
    counted = {device for device in vault.manifests if vault.epochs[device] == current}
    revoked = _revocations(vault, counted)
    while True:
        state, waiting = _replay(vault, counted, revoked, backwards)
        have_keys = {author for author in counted - revoked.keys() if vault.epochs[author] == current}
        stated = {device for author in have_keys for device in vault.manifests[author].vector}
        listed = {device for device in vault.manifests if device in revoked or device in stated or _is_listed(state, device)}
        if listed <= counted:
            return state, waiting
        # Whoever is known to be revoked has no say in who is.
        for device, mark in _revocations(vault, listed - counted - revoked.keys()).items():
            revoked[device] = _greater(revoked.get(device), mark)
        counted |= listed


def _revocations(vault: Vault, authors: set[bytes]) -> dict[bytes, Point | None]:
    """Who is revoked by what these devices say, and up to where they count: all at once, so two may revoke each other."""
    revoked: dict[bytes, Point | None] = {}
    for author in authors:
        for device, (mark, _) in vault.manifests[author].revoked.items():
            revoked[device] = _greater(revoked.get(device), mark)
    return revoked


def _greater(one: Point | None, other: Point | None) -> Point | None:
    return max((point for point in (one, other) if point), default=None)


def _that_count(vault: Vault, device: bytes, points: set[Point], state: merge.State) -> list[tuple[str, Run]]:
    """Of a revoked device's log all up to the last op that somebody vouches for, by number and tag; and what of that comes
    before a void that stands alone: what replaced it does not count."""
    ops = [op for _, run in vault.runs[device] for op in run.ops]
    last = max((op.dot.n for op in ops if Point(op.dot.n, op.dot.tag) in points), default=0)
    alone: dict[int, Void] = {}
    for op in reversed(ops):
        if isinstance(op, Void) and op.dot.n <= last and (op.dot.n + op.by > last or op.dot.n + op.by in alone):
            alone[op.dot.n] = op
    last = min((n - 1 for n, op in alone.items() if not state.has(op.dot)), default=last)
    return [(path, replace(run, ops=[op for op in run.ops if op.dot.n <= last])) for path, run in vault.runs[device]]


def _is_listed(state: merge.State, device: bytes) -> bool:
    slot = state.rows.get(RowKey(Collection(ROOT, ""), f"devices/{device.hex()}"), [])
    return any(write.action is not None for write in slot)


def _replay(
    vault: Vault, counted: set[bytes], revoked: dict[bytes, Point | None], backwards: bool
) -> tuple[merge.State, list[str]]:
    """As far as these devices count."""
    state, waiting = merge.State(vault.ring.digest_key), []
    for device, (sequence, _) in vault.beacon.items():
        if device not in vault.manifests or vault.manifests[device].sequence < sequence:
            waiting.append(f"spaces/{vault.ring.space.hex()}/manifests/{device.hex()}")
    speaking = {device: m for device, m in vault.manifests.items() if device in counted and device not in revoked}
    named = {m.snapshot.index.id.hex() for m in speaking.values() if m.snapshot}
    told = [m.snapshot for m in speaking.values() if m.snapshot]
    vouched = [m.vector for m in speaking.values()] + [ref.vector for ref in told]
    snapshots = [s for s in vault.snapshots if s.path.rsplit("/", 1)[1] in named]
    logs = {device: [run for _, run in vault.runs[device]] for device in speaking}
    known = lineage.learn([s.index for s in snapshots], {device: m.vector for device, m in speaking.items()}, logs)
    state.forks = known.forks
    for taken in sorted(snapshots, key=lambda s: s.path, reverse=backwards):
        state.merge(taken.index, taken.rows, taken.deletions)
    had = {device: max(m.tail.end().n, _applied(state, device)) for device, m in speaking.items()}
    had |= {device: entry.n for device, entry in state.vector.items() if device not in had}
    for device in sorted(vault.runs, reverse=backwards):
        if device not in counted:
            waiting.append(f"spaces/{vault.ring.space.hex()}/manifests/{device.hex()}")
            continue
        runs = vault.runs[device]
        if device in revoked:
            marks = {revoked[device]} | {point for vector in vouched if device in vector for point in vector[device].points()}
            marks |= {Point(dot.n, dot.tag) for ref in told for dot in ref.beyond if dot.device == device}
            runs = _that_count(vault, device, {mark for mark in marks if mark}, state)
        for path, run in runs:
            if not run.ops and device in revoked:
                break
            vector = run.author_vector(known.forks)
            placed = device not in known.unplaced and known.places(vector) and known.tells(run)
            if _exceeds(vector, had, revoked) or not placed:
                waiting.append(path)
                break
            with reading(path):
                state.apply(run)
    return state, sorted(waiting)


def _applied(state: merge.State, device: bytes) -> int:
    return state.vector[device].n if device in state.vector else 0


def _exceeds(vector: Vector, had: dict[bytes, int], revoked: dict[bytes, Point | None]) -> bool:
    """Nobody waits for a revoked device: who names ops of it vouches for them."""
    return any(entry.n > had.get(device, 0) for device, entry in vector.items() if device not in revoked)


def check_root_records(vault: Vault, state: merge.State) -> tuple[dict[bytes, snapshot.DeviceRecord], set[str]]:
    """The devices' records, and the paths of the slots' records."""
    devices, slots = {}, set()
    for (collection, key), slot in state.rows.items():
        current = merge.versions(collection, slot)
        if collection.kind != ROOT or not current or not isinstance(current[0].action, bytes):
            continue
        with reading(f"root record {key}"):
            if key.startswith("devices/"):
                record = snapshot.read_device_record(key, current[0].action)
                devices[crypto.device_id(record.public_key)] = record
            elif key.startswith("slots/"):
                snapshot.read_slot_record(key, current[0].action)
                slots.add(key)
    for device, runs in vault.runs.items():
        if device not in state.vector:
            continue  # nothing of it counts: it wrote nothing, or all of it waits, its record too
        path, run = runs[0]
        with reading(path):
            require(device in devices, "the device is not listed")
            if run.start == 1 and run.ops:
                first = run.ops[0]
                listed = (
                    isinstance(first, Op) and first.collection.kind == ROOT and first.key == f"devices/{device.hex()}"
                )
                require(listed, "a device's first op is not its own record")
    return devices, slots


def described(vault: Vault, state: merge.State, waiting: list[str]) -> dict[str, Any]:
    """The whole state in plain values."""
    devices, slot_records = check_root_records(vault, state)
    by_kind: dict[int, dict[str, Any]] = {MAP: {}, LOG: {}, PLACES: {}, DOCUMENTS: {}}
    for row, slot in merge.settled(state).items():
        if row.collection.kind != ROOT:
            by_kind[row.collection.kind].setdefault(row.collection.name, {})[row.key] = _slot(row.collection, slot)
    return {
        "vault": vault.id.hex(),
        "space": vault.ring.space.hex(),
        "epochs": [e.text() for e in sorted(vault.ring.secrets)],
        "opened_by": vault.opened_by,
        "slots": {
            s.path: {"opener": crypto.OPENERS[s.opener], "epoch": s.epoch, "listed": s.path in slot_records}
            for s in vault.slots
        },
        "devices": {
            device.hex(): {"name": r.name, "since_ms": r.since_ms, "public_key": r.public_key.hex()}
            for device, r in devices.items()
        },
        "beacon": {
            device.hex(): {
                "sequence": sequence,
                "hash": prefix.hex(),
                "current": _is_current(vault, device, sequence, prefix),
            }
            for device, (sequence, prefix) in vault.beacon.items()
        },
        "manifests": {
            device.hex(): {
                "sequence": m.sequence,
                "hash": m.hash.hex(),
                "previous": m.previous.hex(),
                "vector": _vector(m.vector),
                "segments": [{"id": s.object.id.hex(), "from": s.start, "to": s.end.n} for s in m.segments],
                "tail": {"from": m.tail.start, "ops": len(m.tail.ops)},
                "snapshot": m.snapshot.index.id.hex() if m.snapshot else None,
                "damaged": [{"device": d.hex(), "from": a, "to": b} for d, a, b in m.damaged],
                "revoked": {d.hex(): mark.n if mark else 0 for d, (mark, _) in m.revoked.items()},
            }
            for device, m in vault.manifests.items()
        },
        "snapshots": {
            s.path: {
                "device": s.index.device.hex(),
                "rows": len(s.rows),
                "chunks": len(s.index.chunks),
                "deletions": len(s.deletions),
                "vector": _vector(s.index.vector),
            }
            for s in vault.snapshots
        },
        "vector": _vector(state.vector),
        "maps": by_kind[MAP],
        "logs": by_kind[LOG],
        "places": by_kind[PLACES].get("", {}),
        "documents": {name: _documents(registers) for name, registers in by_kind[DOCUMENTS].items()},
        "deletions": sorted(d.hex() for d in state.deletions),
        "waiting": waiting,
        "unnamed": vault.unnamed,
    }


def _is_current(vault: Vault, device: bytes, sequence: int, prefix: bytes) -> bool:
    manifest = vault.manifests.get(device)
    return manifest is not None and (manifest.sequence, manifest.hash[:8]) == (sequence, prefix)


def _vector(vector: Vector) -> dict[str, Any]:
    return {device.hex(): _entry(entry) for device, entry in vector.items()}


def _entry(entry: Entry) -> dict[str, Any]:
    shown: dict[str, Any] = {"n": entry.n, "tag": entry.tag.hex()}
    if entry.further:
        shown["further"] = [{"n": f.point.n, "tag": f.point.tag.hex(), "fork": f.fork} for f in entry.further]
    return shown


def _documents(registers: dict[str, Any]) -> dict[str, Any]:
    """What registers make: a document is there if a put stands at any of them."""
    documents: dict[str, Any] = {}
    for key, slot in registers.items():
        name, field = split_key(key)
        if not slot["versions"]:
            continue
        shown = documents.setdefault(name, {"document": {}, "conflicts": [], "deleted_concurrently": True})
        if field is None:
            shown["deleted_concurrently"] = False
            continue
        shown["document"][field] = json.loads(base64.b64decode(slot["versions"][0]["value"]))
        if len(slot["versions"]) > 1:
            shown["conflicts"].append(field)
    return documents


def _slot(collection: Collection, slot: list[Standing]) -> dict[str, Any]:
    """The versions that the rules of conflict name, and all that stands, by rising dot."""
    return {
        "versions": [_standing(s) for s in merge.versions(collection, slot)],
        "standing": [_standing(s) for s in slot],
    }


def _standing(s: Standing) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "device": s.dot.device.hex(),
        "n": s.dot.n,
        "tag": s.dot.tag.hex(),
        "stamp": {"ms": s.stamp.ms, "counter": s.stamp.counter},
    }
    if isinstance(s.action, PutWith):
        shown["value"] = base64.b64encode(s.action.value).decode()
        shown["attached"] = [{"name": a.name, "id": a.id.hex(), "len": a.length} for a in s.action.attached]
    elif s.action is not None:
        shown["value"] = base64.b64encode(s.action).decode()
    if not s.context.is_empty():
        shown["context"] = {
            "vector": _vector(s.context.vector),
            "dots": [{"device": d.device.hex(), "n": d.n} for d in sorted(s.context.dots)],
        }
    return shown


def decode(bucket: Path, secret: str) -> dict[str, Any]:
    """Everything, or `Refused`."""
    vault = read_vault(Bucket(bucket), secret)
    return described(vault, *replay(vault))


def main() -> None:
    parser = argparse.ArgumentParser(description="Decodes a whole bucket and prints its state as JSON.")
    parser.add_argument("--bucket", type=Path, required=True, metavar="DIR")
    parser.add_argument("--secret-file", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    secret = arguments.secret_file.read_text().split("\n")[0]
    try:
        state = decode(arguments.bucket, secret)
    except Refused as refused:
        sys.exit(f"refused: {refused}")
    json.dump(state, sys.stdout, sort_keys=True, indent=1)
    print()


if __name__ == "__main__":
    main()
