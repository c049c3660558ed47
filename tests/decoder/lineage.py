"""Which lines the devices of a bucket have, as far as snapshots, manifests and logs tell (docs/format/replica.md, "Lines")."""

from dataclasses import dataclass, field

from lines import UNKNOWN, Fork, Forks, Tags
from replica import Point, Vector
from run import Run
from snapshot import Index


@dataclass(frozen=True)
class Chain:
    """A device's log: the tags of consecutive ops, behind the op `before`."""

    before: Point
    tags: Tags

    def tag(self, n: int) -> bytes | None:
        if n == self.before.n:
            return self.before.tag
        at = n - self.before.n - 1
        return self.tags[at] if 0 <= at < len(self.tags) else None

    def has(self, point: Point) -> bool:
        return self.tag(point.n) == point.tag

    def beyond(self, n: int) -> Tags:
        return self.tags[n - self.before.n :]


@dataclass
class Known:
    """Forked devices' lines, and single tags of the others."""

    forks: Forks = field(default_factory=dict)
    tags: dict[bytes, dict[int, bytes]] = field(default_factory=dict)
    unplaced: dict[bytes, Chain] = field(default_factory=dict)
    """Devices whose log is on a line of which nothing tells where it parts."""
    stated: dict[bytes, Vector] = field(default_factory=dict)
    """What devices' manifests say that they have."""

    def places(self, vector: Vector) -> bool:
        """Whether every point is on a line known here."""
        return all(
            self._places(device, point) and (device in self.forks or not entry.further)
            for device, entry in vector.items()
            for point in entry.points()
        )

    def _places(self, device: bytes, point: Point) -> bool:
        if device in self.forks:
            return bool(self.forks[device].lines_with(point))
        return self.tags.get(device, {}).get(point.n, point.tag) == point.tag

    def tells(self, run: Run) -> bool:
        """Whether the numbers that a run names tell of which ops it speaks: not where there may be lines."""
        vectors = [run.base, *(op.seen for op in run.ops)]
        return all(self._tells(device, entry.n) for vector in vectors for device, entry in vector.items())

    def _tells(self, device: bytes, n: int) -> bool:
        if device in self.forks or n in self.tags.get(device, {}):
            return True
        if device in self.unplaced and self.unplaced[device].tag(n) is not None:
            return False
        others = [vector[device] for by, vector in self.stated.items() if by != device and device in vector]
        return all(further.fork >= n for entry in others for further in entry.further)


def learn(indexes: list[Index], stated: dict[bytes, Vector], logs: dict[bytes, list[Run]]) -> Known:
    """From snapshots' indexes, from the vectors of manifests, and from the logs."""
    known = Known(stated=stated)
    for index in indexes:
        for device, fork in index.forks.items():
            here = known.forks.get(device)
            known.forks[device] = _joined(here, fork) if here else fork
        for device, entry in index.vector.items():
            known.tags.setdefault(device, {}).update(entry.points())
        for dot in index.beyond():
            known.tags.setdefault(dot.device, {})[dot.n] = dot.tag
    for device, runs in logs.items():
        tags = tuple(op.dot.tag for run in runs for op in run.ops)
        chain = Chain(Point(runs[0].start - 1, runs[0].before), tags)
        fork = known.forks.get(device)
        placed = _among(fork, chain) if fork else _beside(device, chain, known)
        if placed is None:
            known.unplaced[device] = chain
        elif placed.lines:
            known.forks[device] = placed
        else:
            known.tags.setdefault(device, {}).update(enumerate(tags, runs[0].start))
    return known


def _joined(one: Fork, other: Fork) -> Fork:
    low, high = sorted((one, other), key=lambda fork: fork.trunk)
    shared = low.tags_to(Point(high.trunk, high.before))
    if shared is None:
        shared = (UNKNOWN,) * (high.trunk - low.trunk - 1) + (high.before,)
    for line in high.lines:
        low = low.with_line(shared + line)
    return low


def _among(fork: Fork, chain: Chain) -> Fork | None:
    """The lines, with what a log adds to one of them, or as a further one."""
    if chain.before.n > fork.trunk:
        shared = fork.tags_to(chain.before)
        return None if shared is None else fork.with_line(shared + chain.tags)
    if chain.tag(fork.trunk) is None:
        return fork  # it ends below the trunk
    return fork.with_line(chain.beyond(fork.trunk)) if chain.has(Point(fork.trunk, fork.before)) else None


def _beside(device: bytes, chain: Chain, known: Known) -> Fork | None:
    """A fork without lines if the log is on the one line that is known."""
    single = known.tags.get(device, {})
    differ = [n for n, tag in single.items() if chain.tag(n) not in (None, tag)]
    if not differ:
        return Fork(0, b"", ())
    first = min(differ)
    same = [n for n, tag in single.items() if n < first and chain.tag(n) == tag] + [0] * (chain.before.n == 0)
    trunk = max(same, default=None)
    if trunk is None or trunk + 1 != first:
        told = [fork for fork in _stated(device, chain, known) if (trunk or 0) <= fork < first]
        if not told:
            return None
        trunk = told[0]
    before = chain.tag(trunk)
    if before is None:
        return None
    other = tuple(single.get(n, UNKNOWN) for n in range(trunk + 1, max(single) + 1))
    return Fork(trunk, before, (other, chain.beyond(trunk)))


def _stated(device: bytes, chain: Chain, known: Known) -> list[int]:
    """Where manifests that name this log's line and another say that they part."""
    entries = [vector[device] for vector in known.stated.values() if device in vector]
    return [
        further.fork
        for entry in entries
        for further in entry.further
        if chain.has(Point(entry.n, entry.tag)) or chain.has(further.point)
    ]
