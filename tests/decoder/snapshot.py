"""Snapshots and root records (docs/format/replica.md)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import crypto
from lines import Forks, Fork, Island
from manifest import ObjectRef
from parse import Reader, read_frame, require, require_rising
from replica import (
    LOG,
    Action,
    Collection,
    Context,
    Dot,
    Stamp,
    Vector,
    read_action,
    read_key,
    read_place,
    read_vector,
    require_action,
)


class RowKey(NamedTuple):
    collection: Collection
    key: str

    @classmethod
    def read(cls, r: Reader) -> "RowKey":
        return cls(Collection.read(r), read_key(r))


@dataclass(frozen=True)
class Standing:
    """A write that stands at a key. What the holder's vector covers of its context says nothing."""

    dot: Dot
    stamp: Stamp
    action: Action
    context: Context

    @classmethod
    def read(cls, r: Reader) -> "Standing":
        return cls(Dot.read(r), Stamp.read(r), read_action(r), Context.read(r))


@dataclass(frozen=True)
class ChunkRef:
    object: ObjectRef
    first: RowKey
    content: bytes

    @classmethod
    def read(cls, r: Reader) -> "ChunkRef":
        return cls(ObjectRef.read(r), RowKey.read(r), r.fixed(32))


@dataclass(frozen=True)
class DeletionsRef:
    object: ObjectRef
    content: bytes

    @classmethod
    def read(cls, r: Reader) -> "DeletionsRef":
        return cls(ObjectRef.read(r), r.fixed(32))


@dataclass(frozen=True)
class Index:
    device: bytes
    vector: Vector
    islands: dict[bytes, list[Island]]
    """Ops beyond the vector that the rows hold too."""
    forks: Forks
    tags: dict[bytes, list[bytes]]
    """Of other devices: of the ops right before the vector's point."""
    chunks: list[ChunkRef]
    deletions: list[DeletionsRef]

    def beyond(self) -> set[Dot]:
        """All ops of its islands."""
        return {dot for device, islands in self.islands.items() for island in islands for dot in island.dots(device)}

    def ends(self) -> set[Dot]:
        """The last op of each."""
        return {island.dots(device)[-1] for device, islands in self.islands.items() for island in islands}


MAX_TAGS = 1_024


def read_index(vault: bytes, space: bytes) -> Callable[[Reader], Index]:
    def read(r: Reader) -> Index:
        read_place(r, vault, space)
        device, vector = r.fixed(16), read_vector(r)
        islands = r.map(lambda r: r.fixed(16), lambda r: r.list(Island.read))
        forks = r.map(lambda r: r.fixed(16), Fork.read)
        tags = r.map(lambda r: r.fixed(16), lambda r: r.list(lambda r: r.fixed(8)))
        for of, told in tags.items():
            require(of in vector and not vector[of].further and of not in forks, "tags of a device without one line")
            require(1 <= len(told) <= MAX_TAGS, "no tags of a device, or too many")
            require(len(told) < vector[of].n, "tags of ops before the first")
        chunks, deletions = r.list(ChunkRef.read), r.list(DeletionsRef.read)
        require_rising([c.first for c in chunks], "the chunks' first keys")
        return Index(device, vector, islands, forks, tags, chunks, deletions)

    return read


FULL_FRAME = 1_048_576
Rows = list[tuple[RowKey, list[Standing]]]


def require_as_named(index: Index, vector: Vector, beyond: frozenset[Dot]) -> None:
    """Vector and islands are those of the manifest that names it."""
    require(index.vector == vector, "the vector is not the one that names it")
    require(index.ends() == beyond, "the ends of its islands are not those that name it")


def read_chunk(r: Reader) -> Rows:
    rows: Rows = []
    before, before_bytes = None, 0
    for collection, frame in r.list(lambda r: (Collection.read(r), read_frame(r))):
        slots = Reader.whole(frame, lambda r: r.list(lambda r: (read_key(r), r.list(Standing.read))))
        require(bool(slots), "a frame of a chunk has no rows")
        require(collection != before or before_bytes >= FULL_FRAME, "a collection goes on though its frame is not full")
        before, before_bytes = collection, len(frame)
        for key, slot in slots:
            _check_slot(collection, slot)
            for write in slot:
                require_action(collection.kind, key, write.action)
            rows.append((RowKey(collection, key), slot))
    require(bool(rows), "a chunk has no rows")
    require_rising([key for key, _ in rows], "a chunk's rows")
    return rows


def require_range(rows: Rows, first: RowKey, following: RowKey | None) -> None:
    """A chunk begins with the row that its index names, and ends before the next chunk's."""
    require(rows[0][0] == first, "the chunk's first row is another")
    require(following is None or rows[-1][0] < following, "a row is in the next chunk's range")


def _check_slot(collection: Collection, slot: list[Standing]) -> None:
    require(bool(slot), "a row has nothing standing")
    require_rising([s.dot for s in slot], "the writes of a row")
    if collection.kind == LOG:
        require(all(s.action is not None and s.context.is_empty() for s in slot), "a log's row is not of plain entries")
        require(len({s.action for s in slot}) == len(slot), "a log's row has a value twice")


def read_deletions(r: Reader) -> list[bytes]:
    digests = r.list(lambda r: r.fixed(16))
    require(bool(digests), "a deletions object is empty")
    require_rising(digests, "the digests")
    return digests


# Root records


@dataclass(frozen=True)
class DeviceRecord:
    public_key: bytes
    name: str
    since_ms: int


def read_device_record(key: str, value: bytes) -> DeviceRecord:
    record = Reader.whole(value, lambda r: DeviceRecord(r.fixed(32), r.text(), r.u64()))
    require(key == "devices/" + crypto.device_id(record.public_key).hex(), "a device's record has another device's key")
    return record


@dataclass(frozen=True)
class SlotRecord:
    """What seals a slot again. The pre-shared key is not kept here: it would be printed."""

    opener: int
    name: bytes
    public_key: bytes


def read_slot_record(key: str, value: bytes) -> SlotRecord:
    def read(r: Reader) -> SlotRecord:
        opener = r.u8()
        require(opener in crypto.OPENERS, "a slot's record has no known opener")
        name, public_key = r.fixed(28 if opener == 2 else 16), r.fixed(32)
        r.fixed(32)
        return SlotRecord(opener, name, public_key)

    record = Reader.whole(value, read)
    place = "passphrase" if record.opener == 2 else record.name.hex()
    require(key == "slots/" + place, "a slot's record has another slot's key")
    return record
