"""Lines of forked devices (docs/format/replica.md, "Lines"): what vectors and contexts cover."""

from collections.abc import Iterable
from dataclasses import dataclass

from parse import Reader, require
from replica import Context, Dot, Entry, Further, Point, Vector

UNKNOWN = bytes(8)
MAX_LINES = 256
Tags = tuple[bytes, ...]


def read_tags(r: Reader) -> Tags:
    return tuple(r.list(lambda r: r.fixed(8)))


@dataclass(frozen=True)
class Island:
    """Consecutive ops whose predecessor is not applied."""

    start: int
    before: bytes
    tags: Tags

    @classmethod
    def read(cls, r: Reader) -> "Island":
        island = cls(r.u64(), r.fixed(8), read_tags(r))
        require(island.start >= 2, "an island starts before op 2")
        require(bool(island.tags), "an island is empty")
        require(island.start + len(island.tags) < 1 << 64, "an island's numbers overflow")
        return island

    def dots(self, device: bytes) -> list[Dot]:
        return [Dot(device, n, tag) for n, tag in enumerate(self.tags, self.start)]


@dataclass(frozen=True)
class Fork:
    """All lines of a device beyond the op `trunk`, whose tag is `before`."""

    trunk: int
    before: bytes
    lines: tuple[Tags, ...]

    @classmethod
    def read(cls, r: Reader) -> "Fork":
        fork = cls(r.u64(), r.fixed(8), tuple(r.list(read_tags)))
        require(1 <= len(fork.lines) <= MAX_LINES, "a fork does not have 1 to 256 lines")
        for at, line in enumerate(fork.lines):
            require(not any(_begins(line, other) for other in fork.lines[:at]), "a line is the beginning of another")
        require(fork.trunk + 1 + max(map(len, fork.lines)) < 1 << 64, "a line's numbers overflow")
        return fork

    def lines_with(self, op: Point) -> set[int]:
        """A tag that is not known stands for any that no other line has."""
        if op.n <= self.trunk:
            return set(range(len(self.lines)))
        at = op.n - self.trunk - 1
        by_tag = {i for i, line in enumerate(self.lines) if line[at : at + 1] == (op.tag,)}
        return by_tag or {i for i, line in enumerate(self.lines) if line[at : at + 1] == (UNKNOWN,)}

    def tags_to(self, op: Point) -> Tags | None:
        """The tags beyond the trunk of a line that the op is on, up to it."""
        on = self.lines_with(op)
        return self.lines[min(on)][: max(op.n - self.trunk, 0)] if on else None

    def with_line(self, tags: Tags) -> "Fork":
        """With a line more; one that begins another is the longer of both."""
        for at, line in enumerate(self.lines):
            if _begins(line, tags):
                both = tuple(a if a != UNKNOWN else b for a, b in zip(line, tags))
                joined = both + line[len(both) :] + tags[len(both) :]
                return Fork(self.trunk, self.before, (*self.lines[:at], joined, *self.lines[at + 1 :]))
        return Fork(self.trunk, self.before, (*self.lines, tags))

    def shared(self, one: Point, other: Point) -> int:
        """How many ops the histories of two points have in common."""
        count = self.trunk
        for a, b in zip(self.tags_to(one) or (), self.tags_to(other) or ()):
            if a != b or a == UNKNOWN:
                break
            count += 1
        return min(count, one.n, other.n)


def _begins(one: Tags, other: Tags) -> bool:
    return all(a == b or UNKNOWN in (a, b) for a, b in zip(one, other))


Forks = dict[bytes, Fork]


def reaches(device: bytes, point: Point, op: Point, forks: Forks) -> bool:
    """Whether a line up to the point has the op. With one line the number decides."""
    if op.n > point.n:
        return False
    fork = forks.get(device)
    return fork is None or op.n <= fork.trunk or bool(fork.lines_with(point) & fork.lines_with(op))


def covers(vector: Vector, dot: Dot, forks: Forks) -> bool:
    entry = vector.get(dot.device)
    op = Point(dot.n, dot.tag)
    return entry is not None and any(reaches(dot.device, point, op, forks) for point in entry.points())


def entry_of(device: bytes, points: Iterable[Point], forks: Forks) -> Entry:
    """The points that no other reaches."""
    rising = sorted(set(points))
    ends = [p for at, p in enumerate(rising) if not any(reaches(device, q, p, forks) for q in rising[at + 1 :])]
    first = ends.pop()
    fork = forks.get(device)
    return Entry(*first, tuple(Further(p, fork.shared(first, p) if fork else 0) for p in ends))


def join_vectors(a: Vector, b: Vector, forks: Forks) -> Vector:
    joined = dict(a)
    for device, entry in b.items():
        points = joined[device].points() if device in joined else []
        joined[device] = entry_of(device, points + entry.points(), forks)
    return joined


def context_covers(context: Context, dot: Dot, forks: Forks) -> bool:
    return covers(context.vector, dot, forks) or dot in context.dots


def join_contexts(a: Context, b: Context, forks: Forks) -> Context:
    return Context(join_vectors(a.vector, b.vector, forks), a.dots | b.dots)


def beyond(context: Context, vector: Vector, forks: Forks) -> Context:
    """Less what `vector` covers, and less the dots that its own vector covers."""
    rest: Vector = {}
    for device, entry in context.vector.items():
        points = [p for p in entry.points() if not covers(vector, Dot(device, *p), forks)]
        if points:
            rest[device] = entry_of(device, points, forks)
    dots = {d for d in context.dots if not covers(vector, d, forks) and not covers(rest, d, forks)}
    return Context(rest, frozenset(dots))
