"""Manifests and the beacon (docs/format/replica.md)."""

from collections.abc import Callable
from dataclasses import dataclass

import crypto
from parse import Reader, require, require_rising
from replica import Dot, Entry, Point, Vector, read_place, read_vector
from run import Run, read_tail, tag_zero

MAX_SEGMENTS = 64
MAX_REVOKED = 1000


@dataclass(frozen=True)
class ObjectRef:
    """An object by the hash and length of its sealed bytes."""

    id: bytes
    hash: bytes
    length: int

    @classmethod
    def read(cls, r: Reader) -> "ObjectRef":
        return cls(r.fixed(16), r.fixed(32), r.u64())


@dataclass(frozen=True)
class SegmentRef:
    object: ObjectRef
    start: int
    end: Point

    @classmethod
    def read(cls, r: Reader) -> "SegmentRef":
        return cls(ObjectRef.read(r), r.u64(), Point.read(r))


@dataclass(frozen=True)
class SnapshotRef:
    index: ObjectRef
    bytes: int
    vector: Vector
    beyond: frozenset[Dot]
    """The ends of its islands."""

    @classmethod
    def read(cls, r: Reader) -> "SnapshotRef":
        return cls(ObjectRef.read(r), r.u64(), read_vector(r), r.set(Dot.read))


@dataclass(frozen=True)
class Manifest:
    device: bytes
    sequence: int
    previous: bytes
    hash: bytes
    public_key: bytes
    vector: Vector
    segments: list[SegmentRef]
    tail: Run
    snapshot: SnapshotRef | None
    damaged: list[tuple[bytes, int, int]]
    revoked: dict[bytes, tuple[Point | None, int]]
    """Each one's mark, and when."""


def read_manifest(vault: bytes, space: bytes, device: bytes, signed: bytes) -> Manifest:
    """A manifest that counts, by all that it can be judged by itself."""
    require(len(signed) >= 64, "no room for a signature")
    body, signature = signed[:-64], signed[-64:]
    r = Reader(body)
    read_place(r, vault, space)
    require(r.fixed(16) == device, "the device is not the place's")
    public_key = r.fixed(32)
    require(crypto.device_id(public_key) == device, "the public key is not the device's")
    crypto.verify(public_key, "manifest", body, signature)
    sequence, previous, vector = r.u64(), r.fixed(32), read_vector(r)
    segments, tail_bytes = r.list(SegmentRef.read), r.bytes()
    snapshot = r.option(SnapshotRef.read)
    damaged = r.list(lambda r: (r.fixed(16), r.u64(), r.u64()))
    revoked = r.list(lambda r: (r.fixed(16), r.option(Point.read), r.u64()))
    r.end()

    require(sequence >= 1, "the sequence is 0")
    require((previous == bytes(32)) == (sequence == 1), "previous is zero for the first manifest and for no other")
    require(len(segments) <= MAX_SEGMENTS, "more than 64 segments")
    tail = Reader.whole(tail_bytes, read_tail(device))
    for here, following in zip(segments, [s.start for s in segments[1:]] + [tail.start]):
        require(1 <= here.start <= here.end.n < (1 << 64) - 1, "a segment's range is empty or overflows")
        require(following == here.end.n + 1, "the segments and the tail do not join")
    require(not segments or tail.before == segments[-1].end.tag, "the tail does not join the last segment's tag")
    own = vector.get(device, Entry(0, tag_zero(device)))
    require(own == Entry(*tail.end()), "the vector does not end where the tail ends")
    require_rising(damaged, "damaged ranges")
    require_rising([d for d, _, _ in revoked], "revoked devices")
    require(len(revoked) <= MAX_REVOKED, "more than 1,000 revoked devices")
    gone = {d: (mark, at_ms) for d, mark, at_ms in revoked}
    require(device not in gone, "it names itself as revoked")
    return Manifest(
        device, sequence, previous, crypto.blake(body), public_key, vector, segments, tail, snapshot, damaged, gone
    )


def read_beacon(vault: bytes, space: bytes) -> Callable[[Reader], dict[bytes, tuple[int, bytes]]]:
    def read(r: Reader) -> dict[bytes, tuple[int, bytes]]:
        read_place(r, vault, space)
        return r.map(lambda r: r.fixed(16), _read_sighting)

    return read


def _read_sighting(r: Reader) -> tuple[int, bytes]:
    sequence, prefix = r.u64(), r.fixed(8)
    require(sequence >= 1, "a beacon's sequence is 0")
    return sequence, prefix
