"""Runs: a device's consecutive ops, put together from columns, with their tags (docs/format/replica.md, "Ops", "Runs")."""

from collections.abc import Callable
from dataclasses import dataclass

import crypto
from lines import Forks, join_vectors
from parse import Reader, counted, read_frame, require, require_rising
from replica import (
    LOG,
    Action,
    Collection,
    Context,
    Dot,
    Entry,
    Point,
    Stamp,
    Vector,
    encode_action,
    encode_vector,
    read_action,
    read_key,
    read_place,
    read_vector,
    require_action,
)


@dataclass(frozen=True)
class Op:
    """A put or a delete. `seen` is only what its author had newly applied."""

    dot: Dot
    seen: Vector
    stamp: Stamp
    collection: Collection
    key: str
    action: Action
    context: Context


@dataclass(frozen=True)
class Void:
    """`by`: how far on in its line what replaced it is."""

    dot: Dot
    seen: Vector
    by: int


Logged = Op | Void


@dataclass(frozen=True)
class Run:
    """Consecutive ops of one device. `base`: the author's vector before the first, without its own line."""

    device: bytes
    start: int
    before: bytes
    base: Vector
    ops: list[Logged]

    def end(self) -> Point:
        return Point(self.start - 1 + len(self.ops), self.ops[-1].dot.tag if self.ops else self.before)

    def author_vector(self, forks: Forks) -> Vector:
        """The author's vector after the last op, its own line included."""
        vector = self.base
        for op in self.ops:
            vector = join_vectors(vector, op.seen, forks)
        own = self.end()
        return vector | {self.device: Entry(*own)} if own.n else vector


def tag_zero(device: bytes) -> bytes:
    return crypto.blake(device)[:8]


def next_tag(
    tag: bytes, seen: Vector, stamp: Stamp, collection: Collection, key: str, action: Action, context: Context
) -> bytes:
    op = encode_vector(seen) + stamp.encoded() + collection.encoded()
    op += counted(key.encode()) + encode_action(action) + context.encoded()
    return crypto.blake(tag + op)[:8]


@dataclass(frozen=True)
class _Seen:
    """An entry of a head. `whole`: a forked device's; else a number is that much further, and has this tag."""

    index: int
    ahead: int
    tag: bytes
    whole: Entry | None

    @classmethod
    def read(cls, r: Reader) -> "_Seen":
        index, ahead = r.varint(), r.varint()
        if ahead:
            return cls(index, ahead, r.fixed(8), None)
        whole = Entry.read(r)
        require(bool(whole.further), "a whole entry has one line")
        return cls(index, 0, b"", whole)

    def entry(self, said: int) -> Entry:
        """Given what the run said of the device before."""
        entry = self.whole or Entry(said + self.ahead, self.tag)
        require(entry.n >= said, "a whole entry falls behind what was said")
        require(entry.n < 1 << 64, "a seen number overflows")
        return entry


@dataclass(frozen=True)
class _Head:
    seen: list[_Seen]
    void: tuple[bytes, int] | None
    """Of a void its tag, and how far on what replaced it is."""
    stamp: Stamp
    collection: int
    context: Context

    @classmethod
    def read(cls, r: Reader) -> "_Head":
        form = r.u8()
        require(form in (1, 2), "a head is neither an op's nor a void's")
        seen = r.list(_Seen.read)
        if form == 2:
            tag, by = r.fixed(8), r.varint()
            require(by > 0, "a void was replaced by itself")
            return cls(seen, (tag, by), Stamp(0, 0), 0, Context())
        return cls(seen, None, Stamp.read(r), r.u16(), Context.read(r))


Heads = tuple[Vector, list[bytes], list[Collection], list[_Head]]
Payloads = list[tuple[str, Action]]


def _read_heads(r: Reader) -> Heads:
    return read_vector(r), r.list(lambda r: r.fixed(16)), r.list(Collection.read), r.list(_Head.read)


def _read_payloads(r: Reader) -> Payloads:
    return r.list(lambda r: (read_key(r), read_action(r)))


def read_tail(device: bytes) -> Callable[[Reader], Run]:
    def read(r: Reader) -> Run:
        start, before, heads = r.u64(), r.fixed(8), _read_heads(r)
        return _run(device, start, before, heads, r.list(_read_payloads))

    return read


def read_segment(vault: bytes, space: bytes, device: bytes) -> Callable[[Reader], Run]:
    def read(r: Reader) -> Run:
        read_place(r, vault, space)
        require(r.fixed(16) == device, "the device is not the place's")
        start, before = r.u64(), r.fixed(8)
        heads = Reader.whole(read_frame(r), _read_heads)
        run = _run(device, start, before, heads, [Reader.whole(f, _read_payloads) for f in r.list(read_frame)])
        require(bool(run.ops), "a segment has no op")
        return run

    return read


def _run(device: bytes, start: int, before: bytes, heads: Heads, payloads: list[Payloads]) -> Run:
    """Ops from columns, each tag computed."""
    base, others, collections, head_list = heads
    require(start >= 1, "a run starts at 0")
    require(start + len(head_list) < 1 << 64, "a run's numbers overflow")
    require(start > 1 or before == tag_zero(device), "before is not tag(0)")
    require(device not in base and device not in others, "a run names its own device as seen")
    require(not set(others) & set(base), "a run's device is in base too")
    require(len(set(others)) == len(others), "a run's devices repeat")
    require(len(set(collections)) == len(collections), "a run's collections repeat")
    require(len(payloads) == len(collections), "not one list of payloads a collection")
    table, mentioned, opened = sorted(base) + others, len(base), 0
    known = {d: p.n for d, p in base.items()}
    taken, tag = [0] * len(payloads), before
    ops: list[Logged] = []
    for n, head in enumerate(head_list, start):
        seen: Vector = {}
        for said in head.seen:
            index = said.index
            require(index < len(table), "a head names a device outside the table")
            if index >= mentioned:
                # New ones of one head rise by id like its other entries: the table's order is that of reading.
                require(index == mentioned, "a run's devices are not in the order of their first mention")
                mentioned += 1
            device_seen = table[index]
            seen[device_seen] = said.entry(known.get(device_seen, 0))
            known[device_seen] = seen[device_seen].n
        require_rising([table[said.index] for said in head.seen], "the entries of one head")
        if head.void is not None:
            tag, by = head.void
            ops.append(Void(Dot(device, n, tag), seen, by))
            continue
        require(head.collection <= opened, "a run's collections are not in the order of their first op")
        require(head.collection < len(collections), "a head names a collection outside the table")
        opened = max(opened, head.collection + 1)
        collection = collections[head.collection]
        require(taken[head.collection] < len(payloads[head.collection]), "fewer payloads than op heads")
        key, action = payloads[head.collection][taken[head.collection]]
        taken[head.collection] += 1
        require_action(collection.kind, key, action)
        require(collection.kind != LOG or head.context.is_empty(), "an op of a log has a context")
        tag = next_tag(tag, seen, head.stamp, collection, key, action, head.context)
        ops.append(Op(Dot(device, n, tag), seen, head.stamp, collection, key, action, head.context))
    require(taken == [len(p) for p in payloads], "more payloads than op heads")
    require(opened == len(collections), "a run's collection has no op")
    require(mentioned == len(table), "a run's device is never named")
    return Run(device, start, before, base, ops)
