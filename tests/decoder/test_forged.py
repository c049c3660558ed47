"""What a device written in Python publishes, right or wrong in one way: the engine and the decoder take the same."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import zstandard

from forge import PROBE, Columns, Forger, Points, Write, listed, plain_frame, segment_ref, varint
from parse import counted, u32, u64
from replica import LOG, MAP, ROOT, Collection, Context, Dot, Entry, Further, Point, encode_vector
from stage import Case, Files, Stage

CASES: list[Case] = []
# What the engine takes though the format does not have it (docs/decisions/0004-decoder-questions.md).
ENGINE_TAKES = {
    "first op is no own record",
    "first op is another's record",
}


def case(name: str, right: bool = False) -> Callable[[Callable[[Forger, Points], Files]], None]:
    """A case from a function of the forging device and the real device's vector."""

    def add(make: Callable[[Forger, Points], Files]) -> None:
        CASES.append(Case(name, right, make))

    return add


PUT = Write(PROBE, b"k")


def published(f: Forger, columns: Columns, **body: object) -> Files:
    """A manifest whose tail is this run."""
    tail, end = f.tail(columns)
    return {f.path: f.manifest(f.body(tail, {f.device: end} | columns.base, **body))}  # type: ignore[arg-type]


def with_columns(name: str, change: Callable[[Forger, Columns], Columns], right: bool = False) -> None:
    case(name, right)(lambda f, _: published(f, change(f, f.columns(PUT))))


def with_write(name: str, right: bool = False, **changes: object) -> None:
    write = replace(PUT, **changes)  # type: ignore[arg-type]
    # What is asked for in the end is a write of its own: `probe` has a right key beside the wrong one.
    case(name, right)(lambda f, _: published(f, f.columns(PUT, write)))


case("plain", right=True)(lambda f, _: published(f, f.columns(PUT)))
case("an unknown root record", right=True)(
    lambda f, _: published(f, f.columns(PUT, Write(Collection(ROOT, ""), b"settings/x")))
)
with_write("a void", right=True, key=b"gone", void=1)
with_write("a void that nothing replaced", key=b"gone", void=0)
with_write("a longest key and value", right=True, key=b"k" * 512, action=bytes(262_144))
with_write("a key of 513 bytes", key=b"k" * 513)
with_write("an empty key", key=b"")
with_write("a key that is not UTF-8", key=b"\xff")
with_write("an overlong form of UTF-8", key=b"\xc0\xaf")
with_write("a surrogate in UTF-8", key=b"\xed\xa0\x80")
with_write("a value of 262,145 bytes", key=b"big", action=bytes(262_145))
with_write("a name of 128 bytes", right=True, collection=Collection(MAP, "n" * 128))
with_write("a name of 129 bytes", collection=Collection(MAP, "n" * 129))
with_write("an empty name", collection=Collection(MAP, ""))
with_write("a name with U+0085", collection=Collection(MAP, "a\u0085"))
with_write("a name with U+200B", right=True, collection=Collection(MAP, "a\u200b"))
with_write("a root collection with a name", collection=Collection(ROOT, "x"))
with_write("a kind of 3", collection=Collection(3, "x"))
with_write("an action of 3", raw_action=b"\3")
with_write("an action of 0", raw_action=b"\0")
with_write("a head of form 0", head_form=0)
with_write("a head of form 3", head_form=3)
with_write("a head's collection outside the table", index=7)

ANOTHER = b"\xaa" * 16
SOME_DOT = Dot(ANOTHER, 3, bytes(8))
with_write("a log's entry", right=True, collection=Collection(LOG, "l"))
with_write(
    "a log's entry with a context", collection=Collection(LOG, "l"), context=u32(0) + listed([SOME_DOT.encoded()])
)
with_write("a context's dot of n 0", context=u32(0) + listed([Dot(ANOTHER, 0, bytes(8)).encoded()]))
with_write("a context with a dot twice", context=u32(0) + listed([SOME_DOT.encoded()] * 2))
with_write(
    "a context's dots in falling order", context=u32(0) + listed([Dot(ANOTHER, n, bytes(8)).encoded() for n in (3, 2)])
)
with_write(
    "a context's dots by number, not bytes",
    right=True,
    context=u32(0) + listed([Dot(ANOTHER, n, bytes(8)).encoded() for n in (2, 256)]),
)
with_write(
    "a context's dot that its vector covers",
    right=True,
    context=Context({ANOTHER: Entry(3, bytes(8))}, frozenset([SOME_DOT])).encoded(),
)
case("a context that the author's vector covers", right=True)(
    lambda f, _: published(
        f, f.columns(PUT, replace(PUT, context=Context({}, frozenset([Dot(f.device, 1, bytes(8))])).encoded()))
    )
)

with_columns("before is not tag(0)", lambda f, c: replace(c, before=bytes(8)))
with_columns("from 0", lambda f, c: replace(c, start=0))
with_columns("a collection without ops", lambda f, c: replace(c, collections=[*c.tables(), Collection(MAP, "z")]))
with_columns("a collection twice", lambda f, c: replace(c, collections=[*c.tables(), PROBE]))
with_columns("collections in another order", lambda f, c: replace(c, collections=c.tables()[::-1]))
with_columns("a device that no head names", lambda f, c: replace(c, others=[ANOTHER]))
with_columns("a payload too many", lambda f, c: replace(c, extra_payload=counted(b"x") + b"\2"))
with_columns("base names the own device", lambda f, c: replace(c, base={f.device: Point(1, bytes(8))}))
with_columns("base not rising", lambda f, c: replace(c, raw_base=listed([ANOTHER + Entry(1, bytes(8)).encoded()] * 2)))
with_columns(
    "a further line less than it says", lambda f, c: replace(c, raw_base=listed([ANOTHER + u64(1) + bytes(8) + b"\1"]))
)
with_columns("a point of n 0", lambda f, c: replace(c, raw_base=listed([ANOTHER + u64(0) + bytes(8) + b"\0"])))
with_columns("first op is no own record", lambda f, c: replace(c, ops=c.ops[1:]))
with_columns(
    "first op is another's record", lambda f, c: replace(c, ops=[replace(c.ops[0], key=b"devices/" + b"0" * 32), PUT])
)


def seen_case(name: str, raw: Callable[[bytes], bytes] | None, right: bool = False, times: int = 1) -> None:
    """The probe's head says something new of the real device."""

    def make(f: Forger, real: Points) -> Files:
        (device, point), *_ = real.items()
        columns = f.columns(replace(PUT, seen=[(0, point.n, point.tag)]))
        columns = replace(columns, others=[device] * times, raw_seen=raw(point.tag) if raw else None)
        tail, end = f.tail(columns)
        return {f.path: f.manifest(f.body(tail, {f.device: end, device: point}))}

    case(name, right)(make)


seen_case("something seen", None, right=True)
seen_case("seen by an index in two bytes", lambda tag: u32(1) + b"\x80\x00" + varint(9) + tag)
seen_case("seen nothing further", lambda tag: u32(1) + b"\0\0" + tag)
seen_case("seen twice in one head", lambda tag: u32(2) + (b"\0\1" + tag) * 2)
seen_case("seen outside the table", lambda tag: u32(1) + b"\5\1" + tag)
seen_case("seen by 2^64", lambda tag: u32(1) + b"\0" + b"\xff" * 9 + b"\2" + tag)
seen_case("a device twice in the table", None, times=2)


@case("base and a further device in its order", right=True)
def _(f: Forger, real: Points) -> Files:
    (device, point), *_ = real.items()
    columns = replace(f.columns(replace(PUT, seen=[(0, point.n - 1, point.tag)])), base=f.firsts)
    tail, end = f.tail(columns)
    return {f.path: f.manifest(f.body(tail, {f.device: end, device: point}))}


@case("a table's device is in base too")
def _(f: Forger, real: Points) -> Files:
    (device, point), *_ = real.items()
    columns = replace(f.columns(replace(PUT, seen=[(1, point.n, point.tag)])), base=f.firsts)
    tail, end = f.tail(replace(columns, others=[device]))
    return {f.path: f.manifest(f.body(tail, {f.device: end, device: point}))}


def body_case(name: str, right: bool = False, **body: object) -> None:
    case(name, right)(lambda f, _: published(f, f.columns(PUT), **body))


def damaged(*ranges: tuple[int, int]) -> bytes:
    return listed([ANOTHER + u64(a) + u64(b) for a, b in ranges])


body_case("sequence 0", sequence=0)
body_case("a first manifest with one before", previous=b"\1" * 32)
body_case("a second manifest with none before", sequence=2)
body_case("a second manifest", right=True, sequence=2, previous=b"\1" * 32)
body_case("damaged", right=True, damaged=damaged((1, 1), (3, 4)))
body_case("damaged falls", damaged=damaged((3, 4), (1, 1)))
body_case("damaged twice", damaged=damaged((3, 4), (3, 4)))
body_case("damaged overlaps", right=True, damaged=damaged((1, 5), (3, 4)))
body_case("damaged from 0", right=True, damaged=damaged((0, 4)))
body_case("damaged to before from", right=True, damaged=damaged((4, 3)))
body_case("an option of 2", snapshot=b"\2")
body_case("a byte after the body", revoked=u32(0) + b"\0")
body_case("revoked", right=True, revoked=listed([ANOTHER + b"\0" + u64(7)]))
body_case("revoked with a mark", right=True, revoked=listed([ANOTHER + b"\1" + Point(3, bytes(8)).encoded() + u64(7)]))
body_case("revoked with a mark of 0", revoked=listed([ANOTHER + b"\1" + Point(0, bytes(8)).encoded() + u64(7)]))
body_case("revoked twice", revoked=listed([ANOTHER + b"\0" + u64(7)] * 2))


body_case("a manifest of half a MiB", right=True, damaged=damaged(*((n, n) for n in range(1, 12_000))))
body_case("a manifest of a MiB", damaged=damaged(*((n, n) for n in range(1, 24_000))))


def tail_case(name: str, change: Callable[[Forger, bytes, Point], tuple[bytes, Points]], right: bool = False) -> None:
    def make(f: Forger, real: Points) -> Files:
        tail, vector = change(f, *f.tail(f.columns(PUT)))
        return {f.path: f.manifest(f.body(tail, vector))}

    case(name, right)(make)


tail_case("a byte after the tail", lambda f, tail, end: (tail + b"\0", {f.device: end}))
tail_case("a vector short of the tail", lambda f, tail, end: (tail, {f.device: Point(end.n - 1, end.tag)}))
tail_case("a vector past the tail", lambda f, tail, end: (tail, {f.device: Point(end.n + 1, end.tag)}))
tail_case("a vector of another tag", lambda f, tail, end: (tail, {f.device: Point(end.n, bytes(8))}))


@case("a vector with a further line of its own")
def _(f: Forger, real: Points) -> Files:
    tail, end = f.tail(f.columns(PUT))
    entry = Entry(*end, (Further(Point(1, bytes(8)), 0),))
    return {f.path: f.manifest(f.body(tail, {}, raw_vector=encode_vector({f.device: entry})))}


tail_case("a vector without its own device", lambda f, tail, end: (tail, {}))


def signed_case(name: str, make: Callable[[Forger, bytes], bytes]) -> None:
    def files(f: Forger, _: Points) -> Files:
        tail, end = f.tail(f.columns(PUT))
        return {f.path: make(f, f.body(tail, {f.device: end}))}

    case(name)(files)


signed_case("another domain", lambda f, body: f.manifest(body, domain="tidelock/1/manifest"))
signed_case("padded twice as long", lambda f, body: f.manifest(body, padded=8192))
signed_case("a byte after the signature", lambda f, body: f.manifest(body, after=b"\0"))


def squeezed(content: bytes, **options: bool) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(content)  # type: ignore[arg-type]


def frame(content: bytes, inner: bytes, inflated: int | None = None) -> bytes:
    return b"\1" + u32(len(content) if inflated is None else inflated) + counted(inner)


def segment_case(name: str, frames: Callable[[bytes], bytes] | None, right: bool = False, empty: bool = False) -> None:
    """The ops in a segment; the probe's payloads in this frame."""

    def make(f: Forger, real: Points) -> Files:
        columns = f.columns(replace(PUT, action=b"text " * 99))
        contents = columns.payloads()
        made = None if frames is None else [plain_frame(contents[0]), frames(contents[1])]
        path, sealed, end = f.segment(columns, made)
        after = Columns([], start=end.n + 1, before=end.tag)
        refs = [segment_ref(path, sealed, 1, end)]
        files = {path: sealed}
        if empty:
            nothing_path, nothing, _ = f.segment(replace(after))
            refs.append(segment_ref(nothing_path, nothing, after.start, end))
            files[nothing_path] = nothing
        tail, _ = f.tail(after)
        return files | {f.path: f.manifest(f.body(tail, {f.device: end}, segments=refs))}

    case(name, right)(make)


NONSENSE = bytes(range(256)) * 2
segment_case("a segment of plain frames", None, right=True)
segment_case("an empty segment", None, empty=True)
segment_case("a zstd frame", lambda c: frame(c, squeezed(c)), right=True)
segment_case("a zstd frame with a checksum", lambda c: frame(c, squeezed(c, write_checksum=True)), right=True)
segment_case("a zstd frame without its length", lambda c: frame(c, squeezed(c, write_content_size=False)), right=True)
segment_case("a zstd frame declared longer", lambda c: frame(c, squeezed(c), len(c) + 1))
segment_case("a zstd frame declared shorter", lambda c: frame(c, squeezed(c), len(c) - 1))
segment_case("a zstd frame of more than 8 MiB", lambda c: frame(c, squeezed(c), 8_388_609))
segment_case("two zstd frames", lambda c: frame(c, squeezed(c[:9]) + squeezed(c[9:])))
segment_case("a byte after the zstd frame", lambda c: frame(c, squeezed(c) + b"\0"))
segment_case("a skippable frame after", lambda c: frame(c, squeezed(c) + b"\x50\x2a\x4d\x18" + u32(1) + b"x"))
segment_case("a skippable frame before", lambda c: frame(c, b"\x50\x2a\x4d\x18" + u32(1) + b"x" + squeezed(c)))
segment_case("a zstd frame cut short", lambda c: frame(c, squeezed(c)[:-1]))
segment_case("a frame of form 2", lambda c: b"\2" + counted(c))
segment_case("a byte after a frame's content", lambda c: plain_frame(c + b"\0"))


@case("a compressed frame that is longer than its content", right=True)
def _(f: Forger, real: Points) -> Files:
    columns = f.columns(PUT)
    contents = columns.payloads()
    path, sealed, end = f.segment(columns, [plain_frame(contents[0]), frame(contents[1], squeezed(contents[1]))])
    tail, _ = f.tail(Columns([], start=end.n + 1, before=end.tag))
    refs = [segment_ref(path, sealed, 1, end)]
    return {path: sealed, f.path: f.manifest(f.body(tail, {f.device: end}, segments=refs))}


def many_segments(count: int) -> None:
    """A manifest that names this many, of an op each."""

    def make(f: Forger, real: Points) -> Files:
        columns, files, refs = f.columns(PUT), {}, []
        for _ in range(count):
            path, sealed, end = f.segment(columns)
            files[path] = sealed
            refs.append(segment_ref(path, sealed, columns.start, end))
            columns = Columns([replace(PUT, key=b"other")], start=end.n + 1, before=end.tag)
        tail, _end = f.tail(Columns([], start=end.n + 1, before=end.tag))
        return files | {f.path: f.manifest(f.body(tail, {f.device: end}, segments=refs))}

    case(f"{count} segments", right=count <= 64)(make)


many_segments(64)
many_segments(65)


def large_segment(name: str, values: int, right: bool) -> None:
    """Payloads in a plain frame, of so many greatest values."""

    def make(f: Forger, real: Points) -> Files:
        writes = [replace(PUT, key=b"%05d" % n, action=bytes(262_144)) for n in range(values)]
        path, sealed, end = f.segment(f.columns(*writes, PUT))
        tail, _ = f.tail(Columns([], start=end.n + 1, before=end.tag))
        refs = [segment_ref(path, sealed, 1, end)]
        return {path: sealed, f.path: f.manifest(f.body(tail, {f.device: end}, segments=refs))}

    case(name, right)(make)


large_segment("a segment of 15 MiB", 59, right=True)
large_segment("a segment of 17 MiB", 67, right=False)


@pytest.mark.parametrize("one", CASES, ids=lambda c: c.name)
def test_the_decoder_takes_what_is_right(stage: Stage, one: Case) -> None:
    stage.check_decoder(one)


@pytest.mark.parametrize("one", CASES, ids=lambda c: c.name)
def test_the_engine_takes_what_is_right(request: pytest.FixtureRequest, stage: Stage, one: Case) -> None:
    if one.name in ENGINE_TAKES:
        request.applymarker(pytest.mark.xfail(strict=True, reason="the engine takes what the format does not have"))
    stage.check_engine(one)


def test_a_manifest_past_all_bounds_holds_up_nobody(stage: Stage) -> None:
    stage.restore()
    path = Forger(stage.ring).path
    (stage.home.bucket / path).write_bytes(bytes(2 << 20))
    stage.home.devices[0].run("sync", "--force")
