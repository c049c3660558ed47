"""Snapshots written in Python, right or wrong in one way: the engine and the decoder take the same."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from forge import PROBE, Columns, Forger, Points, Snapshot, Write, listed, row, seal_snapshot, standing
from parse import u32, u64
from replica import LOG, MAP, ROOT, Collection, Context, Dot, Entry, Point
from stage import Case, Files, Stage

CASES: list[Case] = []
LOGS = Collection(LOG, "l")
ANOTHER = b"\xaa" * 16


def case(name: str, change: Callable[[Forger, Snapshot, Point], Snapshot] | None = None, right: bool = False) -> None:
    """The forged device's first two ops are trimmed: the snapshot alone has its record and the probe."""

    def make(f: Forger, real: Points) -> Files:
        first, put = f.own_record(), Write(PROBE, b"k")
        _, first_end = f.tail(f.columns())
        _, end = f.tail(f.columns(put))
        rows = [
            (Collection(ROOT, ""), listed([row(first.key, standing(f, 1, first_end.tag, first.action))])),
            (PROBE, listed([row(b"k", standing(f, 2, end.tag, b"value"))])),
        ]
        snapshot = Snapshot({f.device: end}, [rows], [(Collection(ROOT, ""), first.key)])
        snapshot = change(f, snapshot, end) if change else snapshot
        files, ref = seal_snapshot(f, snapshot)
        tail, _ = f.tail(Columns([], start=3, before=end.tag))
        return files | {f.path: f.manifest(f.body(tail, {f.device: end}, snapshot=ref))}

    CASES.append(Case(name, right, make))


def with_rows(s: Snapshot, *collections: tuple[Collection, bytes]) -> Snapshot:
    """More collections at the end of the only chunk."""
    return replace(s, chunks=[[*s.chunks[0], *collections]])


def with_probe(s: Snapshot, rows: bytes) -> Snapshot:
    return replace(s, chunks=[[s.chunks[0][0], (PROBE, rows)]])


def value(f: Forger, end: Point, n: int = 2, action: bytes | None = b"value", context: bytes = u64(0)) -> bytes:
    return standing(f, n, end.tag, action, context)


def two_chunks(f: Forger, s: Snapshot, first: bytes) -> Snapshot:
    (root, probe), (start,) = s.chunks[0], s.firsts
    return replace(s, chunks=[[root], [probe]], firsts=[start, (PROBE, first)])


AHEAD = Context({ANOTHER: Entry(9, bytes(8))}, frozenset([Dot(b"\xbb" * 16, 3, bytes(8))])).encoded()

case("a snapshot", right=True)
case("two chunks", lambda f, s, e: two_chunks(f, s, b"k"), right=True)
case("a chunk's first before its rows", lambda f, s, e: two_chunks(f, s, b"a"))
case("a chunk's first after its rows", lambda f, s, e: two_chunks(f, s, b"z"))
case(
    "chunks in another order",
    lambda f, s, e: replace(
        two_chunks(f, s, b"k"), chunks=two_chunks(f, s, b"k").chunks[::-1], firsts=two_chunks(f, s, b"k").firsts[::-1]
    ),
)
case(
    "a row in the next chunk's range",
    lambda f, s, e: replace(two_chunks(f, s, b"k"), chunks=[s.chunks[0], [(PROBE, listed([row(b"l", value(f, e))]))]]),
)
case("a content's hash of something else", lambda f, s, e: replace(s, spoilt_content=True))
case("a byte after a chunk", lambda f, s, e: replace(s, after=b"\0"))
case("bytes that are another number", lambda f, s, e: replace(s, more_bytes=1), right=True)
case("a vector that is not the index's", lambda f, s, e: replace(s, ref_vector={f.device: Point(1, e.tag)}))
case("another author", lambda f, s, e: replace(s, author=ANOTHER), right=True)


def tags(*values: int) -> bytes:
    return listed([bytes([value] * 8) for value in values])


def islands(*each: tuple[int, bytes]) -> bytes:
    """Of a device that nobody knows."""
    return u32(1) + ANOTHER + listed([u64(start) + bytes(8) + its for start, its in each])


def fork(trunk: int, *each: bytes) -> bytes:
    return u32(1) + ANOTHER + u64(trunk) + bytes(8) + listed(list(each))


def island_case(name: str, island: bytes, ends: list[Dot], right: bool = False) -> None:
    case(name, lambda f, s, e: replace(s, islands=island, beyond=ends), right)


END = Dot(ANOTHER, 6, b"\6" * 8)
island_case("an island", islands((5, tags(5, 6))), [END], right=True)
island_case("two islands", islands((3, tags(3)), (5, tags(5, 6))), [Dot(ANOTHER, 3, b"\3" * 8), END], right=True)
island_case("an island from 1", islands((1, tags(5, 6))), [Dot(ANOTHER, 2, b"\6" * 8)])
island_case("an empty island", islands((5, tags())), [])
island_case("an island that overflows", islands(((1 << 64) - 2, tags(5, 6))), [Dot(ANOTHER, (1 << 64) - 1, b"\6" * 8)])
island_case("an island that its manifest does not name", islands((5, tags(5, 6))), [])
island_case("an island of another end", islands((5, tags(5, 6))), [Dot(ANOTHER, 5, b"\5" * 8)])
island_case("an end without an island", u32(0), [END])
case("a fork", lambda f, s, e: replace(s, forks=fork(5, tags(6, 7), tags(8))), right=True)
case("a fork of lines partly known", lambda f, s, e: replace(s, forks=fork(5, tags(0, 7), tags(8, 9))), right=True)
case("a fork of one line", lambda f, s, e: replace(s, forks=fork(5, tags(6, 7))), right=True)
case("a fork of no line", lambda f, s, e: replace(s, forks=fork(5)))
case("a fork of a line that begins another", lambda f, s, e: replace(s, forks=fork(5, tags(6, 7), tags(6))))
case("a fork that overflows", lambda f, s, e: replace(s, forks=fork((1 << 64) - 3, tags(6, 7), tags(8))))
case("a fork up to the greatest number", lambda f, s, e: replace(s, forks=fork((1 << 64) - 4, tags(6, 7), tags(8))), right=True)
case("a fork of 257 lines", lambda f, s, e: replace(s, forks=fork(5, *(listed([n.to_bytes(8)]) for n in range(1, 258)))))
case("a vector beyond what is published", lambda f, s, e: replace(s, vector={f.device: Point(9, e.tag)}), right=True)
case("rows that fall", lambda f, s, e: with_probe(s, listed([row(b"k", value(f, e)), row(b"a", value(f, e))])))
case("a row twice", lambda f, s, e: with_probe(s, listed([row(b"k", value(f, e))] * 2)))
case("a row with nothing standing", lambda f, s, e: with_probe(s, listed([row(b"k", value(f, e)), row(b"l")])))
case("a write twice in a row", lambda f, s, e: with_probe(s, listed([row(b"k", *[value(f, e)] * 2)])))
case(
    "writes that fall in a row",
    lambda f, s, e: with_probe(s, listed([row(b"k", value(f, e, n=2), value(f, e, n=1, action=b"other"))])),
)
case("a collection of no rows", lambda f, s, e: with_rows(s, (Collection(MAP, "z"), listed([]))))
case("a collection twice", lambda f, s, e: with_rows(s, (PROBE, listed([row(b"l", value(f, e))]))))
case("collections that fall", lambda f, s, e: with_rows(s, (Collection(MAP, "a"), listed([row(b"l", value(f, e))]))))
case(
    "a context beyond the vector",
    lambda f, s, e: with_probe(s, listed([row(b"k", value(f, e, context=AHEAD))])),
    right=True,
)
case(
    "a context that the vector covers",
    lambda f, s, e: with_probe(
        s, listed([row(b"k", value(f, e, context=Context({f.device: Entry(*e)}, frozenset()).encoded()))])
    ),
    right=True,
)
case("a log's entry", lambda f, s, e: with_rows(s, (LOGS, listed([row(b"l", value(f, e))]))), right=True)
case(
    "a log's entry with a context",
    lambda f, s, e: with_rows(s, (LOGS, listed([row(b"l", value(f, e, context=AHEAD))]))),
)
case("a delete in a log's row", lambda f, s, e: with_rows(s, (LOGS, listed([row(b"l", value(f, e, action=None))]))))
case(
    "a log's value twice", lambda f, s, e: with_rows(s, (LOGS, listed([row(b"l", value(f, e, n=1), value(f, e, n=2))])))
)
case("a row of an unknown kind", lambda f, s, e: with_rows(s, (Collection(3, "z"), listed([row(b"l", value(f, e))]))))
case("deletions", lambda f, s, e: replace(s, digests=[[b"\1" * 16, b"\2" * 16]]), right=True)
case("deletions in two objects", lambda f, s, e: replace(s, digests=[[b"\1" * 16], [b"\2" * 16]]), right=True)
case("deletions that fall", lambda f, s, e: replace(s, digests=[[b"\2" * 16, b"\1" * 16]]))
case("a deletion twice", lambda f, s, e: replace(s, digests=[[b"\1" * 16] * 2]))
case(
    "deletions that fall from object to object",
    lambda f, s, e: replace(s, digests=[[b"\2" * 16], [b"\1" * 16]]),
)
case("a deletion in two objects", lambda f, s, e: replace(s, digests=[[b"\1" * 16], [b"\1" * 16]]))
case("an empty deletions object", lambda f, s, e: replace(s, digests=[[]]))


def long_line(count: int) -> bytes:
    return fork(5, u32(count) + b"\1" * 8 * count, tags(8))


case("an index of 15 MiB", lambda f, s, e: replace(s, forks=long_line(15 << 17)), right=True)
case("an index of 17 MiB", lambda f, s, e: replace(s, forks=long_line(17 << 17)))
case(
    "a chunk of no rows",
    lambda f, s, e: replace(s, chunks=[s.chunks[0], []], firsts=[*s.firsts, (PROBE, b"z")]),
)
case("no chunks, and the probe with them", lambda f, s, e: replace(s, chunks=[], firsts=[]))


@pytest.mark.parametrize("one", CASES, ids=lambda c: c.name)
def test_the_decoder_takes_what_is_right(stage: Stage, one: Case) -> None:
    stage.check_decoder(one)


@pytest.mark.parametrize("one", CASES, ids=lambda c: c.name)
def test_the_engine_takes_what_is_right(stage: Stage, one: Case) -> None:
    stage.check_engine(one)
