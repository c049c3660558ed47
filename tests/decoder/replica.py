"""Names, points, contexts and actions: what everything inside sealed objects is made of (docs/format/replica.md)."""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import NamedTuple

from json_form import json_form
from packs import BLOB_BYTES, require_laid
from parse import Reader, counted, require, require_rising, u32, u64

ROOT, MAP, LOG, PLACES, DOCUMENTS = 0, 1, 2, 4, 5
KINDS = {ROOT: "root", MAP: "map", LOG: "log", PLACES: "places", DOCUMENTS: "documents"}
MAX_KEY, MAX_NAME, MAX_VALUE = 512, 128, 262_144
MAX_ID, MAX_FIELD = 256, 200
MAX_ATTACHED, MAX_ATTACHMENT_NAME = 64, 255
EXISTS = b"{}"


class Dot(NamedTuple):
    """The name of an op; dots compare by device, n, tag."""

    device: bytes
    n: int
    tag: bytes

    @classmethod
    def read(cls, r: Reader) -> "Dot":
        dot = cls(r.fixed(16), r.u64(), r.fixed(8))
        require(dot.n >= 1, "a dot's n is 0")
        return dot

    def encoded(self) -> bytes:
        return self.device + u64(self.n) + self.tag


class Point(NamedTuple):
    """An op, and all before it on its line."""

    n: int
    tag: bytes

    @classmethod
    def read(cls, r: Reader) -> "Point":
        point = cls(r.u64(), r.fixed(8))
        require(point.n >= 1, "a point's n is 0")
        return point

    def encoded(self) -> bytes:
        return u64(self.n) + self.tag


class Further(NamedTuple):
    """Another line of a forked device; it shares the ops up to `fork` with the first."""

    point: Point
    fork: int

    @classmethod
    def read(cls, r: Reader) -> "Further":
        return cls(Point.read(r), r.u64())


class Entry(NamedTuple):
    """A device's greatest point, and its further lines."""

    n: int
    tag: bytes
    further: tuple[Further, ...] = ()

    @classmethod
    def read(cls, r: Reader) -> "Entry":
        first = Point.read(r)
        further = tuple(Further.read(r) for _ in range(r.u8()))
        require_rising([f.point for f in further] + [first], "a device's lines")
        require(all(f.fork < f.point.n for f in further), "a line does not part")
        return cls(*first, further)

    def points(self) -> list[Point]:
        """Rising."""
        return [f.point for f in self.further] + [Point(self.n, self.tag)]

    def encoded(self) -> bytes:
        further = b"".join(f.point.encoded() + u64(f.fork) for f in self.further)
        return Point(self.n, self.tag).encoded() + bytes([len(self.further)]) + further


Vector = dict[bytes, Entry]


def read_vector(r: Reader) -> Vector:
    return r.map(lambda r: r.fixed(16), Entry.read)


def encode_vector(vector: Vector) -> bytes:
    return u32(len(vector)) + b"".join(device + vector[device].encoded() for device in sorted(vector))


class Stamp(NamedTuple):
    ms: int
    counter: int

    @classmethod
    def read(cls, r: Reader) -> "Stamp":
        return cls(r.u64(), r.u32())

    def encoded(self) -> bytes:
        return u64(self.ms) + u32(self.counter)


class Collection(NamedTuple):
    """Kind and name; collections compare by both, in this order."""

    kind: int
    name: str

    @classmethod
    def read(cls, r: Reader) -> "Collection":
        kind, name = r.u8(), r.text()
        require(kind in KINDS, "a collection's kind is none of 0, 1, 2, 4, 5")
        if kind in (ROOT, PLACES):
            require(name == "", "a collection of Tidelock's own has a name")
        else:
            require(1 <= len(name.encode()) <= MAX_NAME, "a collection's name does not have 1 to 128 bytes")
            require(all(unicodedata.category(c) != "Cc" for c in name), "a collection's name has a control character")
        return cls(kind, name)

    def encoded(self) -> bytes:
        return bytes([self.kind]) + counted(self.name.encode())


@dataclass(frozen=True)
class Context:
    vector: Vector = field(default_factory=dict)
    dots: frozenset[Dot] = frozenset()

    @classmethod
    def read(cls, r: Reader) -> "Context":
        return cls(read_vector(r), r.set(Dot.read))

    def encoded(self) -> bytes:
        return encode_vector(self.vector) + u32(len(self.dots)) + b"".join(d.encoded() for d in sorted(self.dots))

    def is_empty(self) -> bool:
        return not self.vector and not self.dots


class Attached(NamedTuple):
    """An attachment of a record: its name, the blob's id, and its bytes."""

    name: str
    id: bytes
    length: int

    @classmethod
    def read(cls, r: Reader) -> "Attached":
        attached = cls(r.text(), r.fixed(32), r.u64())
        require(
            1 <= len(attached.name.encode()) <= MAX_ATTACHMENT_NAME, "an attachment's name does not have 1 to 255 bytes"
        )
        require(attached.length <= BLOB_BYTES, "an attachment is longer than its packs hold")
        return attached

    def encoded(self) -> bytes:
        return counted(self.name.encode()) + self.id + u64(self.length)


class PutWith(NamedTuple):
    """A put with attachments."""

    value: bytes
    attached: tuple[Attached, ...]


Action = bytes | PutWith | None
"""A put's value, alone or with attachments, or None: a delete."""


def read_action(r: Reader) -> Action:
    action = r.u8()
    require(action in (1, 2, 3), "an action is none of 1, 2, 3")
    if action == 2:
        return None
    value = r.bytes()
    require(len(value) <= MAX_VALUE, "a value is longer than 262,144 bytes")
    if action == 1:
        return value
    attached = r.list(Attached.read)
    require(1 <= len(attached) <= MAX_ATTACHED, "a put with no attachments, or with more than 64")
    require_rising([a.name for a in attached], "the attachments' names")
    return PutWith(value, tuple(attached))


def encode_action(action: Action) -> bytes:
    if action is None:
        return b"\2"
    if isinstance(action, PutWith):
        return b"\3" + counted(action.value) + u32(len(action.attached)) + b"".join(a.encoded() for a in action.attached)
    return b"\1" + counted(action)


def read_key(r: Reader) -> str:
    key = r.text()
    require(1 <= len(key.encode()) <= MAX_KEY, "a key does not have 1 to 512 bytes")
    return key


def split_key(key: str) -> tuple[str, str | None]:
    """A document's id in a register's key, and the field; none where the register says that the document exists."""
    document, nul, field_name = key.partition("\0")
    return document, field_name if nul else None


def require_action(kind: int, key: str, action: Action) -> None:
    """A collection of this kind may have the action at the key."""
    if isinstance(action, PutWith):
        require(kind == MAP, "a put with attachments is in no map")
    elif kind == DOCUMENTS:
        require_register(key, action)
    elif kind == PLACES:
        require(re.fullmatch("[0-9a-f]{64}", key) is not None, "a place is at no blob's id")
        if action is not None:
            Reader.whole(action, require_laid)


def require_register(key: str, action: bytes | None) -> None:
    """A document's register has such a key, and a value in canonical form."""
    document, field_name = split_key(key)
    require(1 <= len(document.encode()) <= MAX_ID, "a document's id does not have 1 to 256 bytes")
    require(len((field_name or "").encode()) <= MAX_FIELD, "a field's name is longer than 200 bytes")
    if action is not None and field_name is None:
        require(action == EXISTS, "a document exists with another value than {}")
    elif action is not None:
        require(json_form(action, depth=1) == action, "a field's value is not in canonical form")


def read_place(r: Reader, vault: bytes, space: bytes) -> None:
    require(r.fixed(16) == vault, "the vault is another")
    require(r.fixed(16) == space, "the space is another")
