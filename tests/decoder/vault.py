"""A whole bucket, opened and checked: from the header to every object that a manifest names."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import crypto
import snapshot
from manifest import Manifest, ObjectRef, SnapshotRef, read_beacon, read_manifest
from parse import Reader, Refused, reading, require, require_rising
from run import Run, read_segment
from snapshot import Index, Rows

T = TypeVar("T")

MIB = 1 << 20
# The most sealed bytes that a reader takes of each kind.
BOUNDS = {
    crypto.MANIFEST: MIB,
    crypto.BEACON: MIB,
    crypto.SEGMENT: 16 * MIB,
    crypto.INDEX: 16 * MIB,
    crypto.CHUNK: 16 * MIB,
}

HEADER = re.compile(rb"tidelock 1\nvault ([0-9a-f]{32})\n")
HEX = r"[0-9a-f]"
LAYOUT = re.compile(
    rf"tidelock|slots/(passphrase|{HEX}{{32}})|keys/{HEX}{{8}}-{HEX}{{16}}|probes/{HEX}{{32}}|spaces/{HEX}{{32}}/"
    rf"(beacon|manifests/{HEX}{{32}}|segments/{HEX}{{32}}/{HEX}{{32}}|snapshots/{HEX}{{32}}|blobs/(att|data|tree)/{HEX}{{32}}/{HEX}{{32}})"
)


class Bucket:
    """A folder whose files' relative paths are the objects' keys. A folder store's own `.tidelock` is no object."""

    def __init__(self, root: Path) -> None:
        self.root = root
        found = (Path(folder, name).relative_to(root) for folder, _, names in os.walk(root) for name in names)
        self.paths = sorted(p.as_posix() for p in found if p.parts[0] != ".tidelock")
        for path in self.paths:
            require(LAYOUT.fullmatch(path) is not None, f"{path}: no object has this name")

    def under(self, prefix: str) -> list[str]:
        """The last parts of the keys under a prefix."""
        return [p.removeprefix(prefix) for p in self.paths if p.startswith(prefix)]

    def get(self, path: str) -> bytes:
        with reading(path):
            require(path in self.paths, "the object is missing")
            return (self.root / path).read_bytes()


@dataclass(frozen=True)
class Snapshot:
    path: str
    index: Index
    rows: Rows
    deletions: list[bytes]


@dataclass(frozen=True)
class SlotSeen:
    path: str
    opener: int
    epoch: str


@dataclass(frozen=True)
class Vault:
    id: bytes
    ring: crypto.KeyRing
    opened_by: str
    slots: list[SlotSeen]
    beacon: dict[bytes, tuple[int, bytes]]
    manifests: dict[bytes, Manifest]
    epochs: dict[bytes, crypto.Epoch]
    """The epoch that each manifest is sealed under."""
    runs: dict[bytes, list[tuple[str, Run]]]
    """Each device's segments and tail, by rising n, with the object each was read from."""
    snapshots: list[Snapshot]
    unnamed: list[str]
    """Objects of the space that no manifest names."""


def read_vault(bucket: Bucket, secret: str) -> Vault:
    """Everything in the bucket, or the first refusal."""
    header = bucket.get("tidelock")
    with reading("tidelock"):
        match = HEADER.fullmatch(header)
        require(match is not None, "not the header of a vault")
        assert match is not None
    vault = bytes.fromhex(match[1].decode())
    opened_by, ring = _open_ring(bucket, vault, header, secret)
    objects = _Objects(bucket, ring)
    objects.named |= {"tidelock", f"{objects.space}/beacon"}
    slots = [_look_at_slot(bucket, name) for name in bucket.under("slots/")]

    manifests, epochs, runs = {}, {}, {}
    for name in bucket.under(f"{objects.space}/manifests/"):
        path = f"{objects.space}/manifests/{name}"
        device = bytes.fromhex(name)
        manifests[device] = objects.manifest(device)
        epochs[device] = crypto.read_clear_header(bucket.get(path), crypto.MANIFEST)
        runs[device] = objects.runs(manifests[device])
    with reading(f"{objects.space}/beacon"):
        beacon = objects.open(f"{objects.space}/beacon", crypto.BEACON, read_beacon(vault, ring.space))
    named = {m.snapshot.index.id: m.snapshot for _, m in sorted(manifests.items()) if m.snapshot}
    snapshots = [objects.snapshot(ref) for _, ref in sorted(named.items())]
    unnamed = [p for p in bucket.paths if p.startswith("spaces/") and p not in objects.named]
    return Vault(vault, ring, opened_by, slots, beacon, manifests, epochs, runs, snapshots, unnamed)


def _open_ring(bucket: Bucket, vault: bytes, header: bytes, secret: str) -> tuple[str, crypto.KeyRing]:
    """By a recovery code if the secret is one, else by the passphrase."""
    try:
        opener, opening = 1, crypto.read_recovery_code(secret)
        path = crypto.recovery_slot_path(opening)
    except Refused:
        opener, opening, path = 2, secret.encode(), "slots/passphrase"
    with reading(path):
        epoch, root_secret = crypto.open_slot(vault, header, path, bucket.get(path), opening, opener)
    keys_path = f"keys/{epoch.text()}"
    with reading(keys_path):
        if epoch.number == 1:
            ring = crypto.KeyRing(vault, {epoch: root_secret})
        else:
            ring = crypto.open_keys(vault, epoch, root_secret, bucket.get(keys_path))
    for earlier in ring.secrets:
        path = f"keys/{earlier.text()}"
        if earlier < epoch and path in bucket.paths:
            with reading(path):
                old = crypto.open_keys(vault, earlier, ring.secrets[earlier], bucket.get(path))
                require(old.secrets.items() <= ring.secrets.items(), "its epochs are not in the newest ring")
    return crypto.OPENERS[opener], ring


def _look_at_slot(bucket: Bucket, name: str) -> SlotSeen:
    """A slot as anybody can read it; only its own opener can open it."""
    path = f"slots/{name}"
    with reading(path):
        slot = crypto.SealedSlot.read(bucket.get(path))
        require((slot.opener == 2) == (name == "passphrase"), "the opener is not the place's")
    return SlotSeen(path, slot.opener, slot.epoch.text())


class _Objects:
    """Opens the space's objects and remembers which were named."""

    def __init__(self, bucket: Bucket, ring: crypto.KeyRing) -> None:
        self.bucket = bucket
        self.ring = ring
        self.space = f"spaces/{ring.space.hex()}"
        self.named: set[str] = set()

    def open(self, path: str, kind: int, value: Callable[[Reader], T], ref: ObjectRef | None = None) -> T:
        """One object: its length, its hash where something names it, its seal, its content."""
        return Reader.whole(self.content(path, kind, ref), value)

    def content(self, path: str, kind: int, ref: ObjectRef | None = None) -> bytes:
        sealed = self.bucket.get(path)
        self.named.add(path)
        require(len(sealed) <= BOUNDS[kind], "the object is longer than a reader takes")
        if ref is not None:
            require(len(sealed) == ref.length, "the length is not the one that names it")
            require(crypto.blake(sealed) == ref.hash, "the hash is not the one that names it")
        return self.ring.open(path, kind, sealed)

    def manifest(self, device: bytes) -> Manifest:
        path = f"{self.space}/manifests/{device.hex()}"
        with reading(path):
            signed = self.content(path, crypto.MANIFEST)
            return read_manifest(self.ring.vault, self.ring.space, device, signed)

    def runs(self, manifest: Manifest) -> list[tuple[str, Run]]:
        """The segments, then the tail, joined by number and tag."""
        runs, device = [], manifest.device
        before: bytes | None = None
        for ref in manifest.segments:
            path = f"{self.space}/segments/{device.hex()}/{ref.object.id.hex()}"
            with reading(path):
                read = read_segment(self.ring.vault, self.ring.space, device)
                run = self.open(path, crypto.SEGMENT, read, ref.object)
                require(run.start == ref.start, "from is not the one that names it")
                require(run.end() == ref.end, "its end is not the one that names it")
                require(before is None or run.before == before, "before is not the tag of the segment before")
                before = run.end().tag
            runs.append((path, run))
        runs.append((f"{self.space}/manifests/{device.hex()}", manifest.tail))
        return runs

    def snapshot(self, ref: SnapshotRef) -> Snapshot:
        path = f"{self.space}/snapshots/{ref.index.id.hex()}"
        with reading(path):
            read = snapshot.read_index(self.ring.vault, self.ring.space)
            index = self.open(path, crypto.INDEX, read, ref.index)
            snapshot.require_as_named(index, ref.vector, ref.beyond)
        rows: Rows = []
        for here, following in zip(index.chunks, [c.first for c in index.chunks[1:]] + [None]):
            chunk_path = f"{self.space}/snapshots/{here.object.id.hex()}"
            with reading(chunk_path):
                content = self.content(chunk_path, crypto.CHUNK, here.object)
                require(crypto.blake(content) == here.content, "the content's hash is not the one that names it")
                chunk = Reader.whole(content, snapshot.read_chunk)
                snapshot.require_range(chunk, here.first, following)
                rows += chunk
        deletions: list[bytes] = []
        for deleted in index.deletions:
            deletions_path = f"{self.space}/snapshots/{deleted.object.id.hex()}"
            with reading(deletions_path):
                content = self.content(deletions_path, crypto.CHUNK, deleted.object)
                require(crypto.blake(content) == deleted.content, "the content's hash is not the one that names it")
                deletions += Reader.whole(content, snapshot.read_deletions)
                require_rising(deletions, "the digests from object to object")
        return Snapshot(path, index, rows, deletions)
