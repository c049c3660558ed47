"""What stands after everything published is applied (docs/format/replica.md, "Maps", "Logs")."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import crypto
from parse import require, u64
from lines import Forks, Island, beyond, context_covers, covers, join_contexts, join_vectors
from replica import LOG, Collection, Context, Dot, Entry, Stamp, Vector
from run import Op, Run
from snapshot import Index, RowKey, Rows, Standing


def deletion_digest(digest_key: bytes, collection: Collection, key: str) -> bytes:
    """What stays of a deleted log entry."""
    name = collection.name.encode()
    return crypto.keyed(digest_key, u64(len(name)) + name + key.encode(), 16)


def place(key: str, stamp: Stamp) -> str:
    """Where a log's entry is listed."""
    if not re.fullmatch("i[0-9a-f]{32}", key):
        return key
    return f"{key[1:13]}{stamp.ms % 2**48:012x}{stamp.counter:08x}{key[13:]}"


def settle(slot: list[Standing], vector: Vector, forks: Forks) -> list[Standing]:
    """What a standing write's context covers goes, and its context joins that one's. Contexts shrink by the vector."""
    gone: set[Dot] = set()
    contexts = {s.dot: s.context for s in slot}
    for replaced in slot:
        for other in slot:
            seen = other.dot != replaced.dot and context_covers(contexts[other.dot], replaced.dot, forks)
            if seen and other.dot not in gone:
                gone.add(replaced.dot)
                contexts[other.dot] = join_contexts(contexts[other.dot], contexts[replaced.dot], forks)
    rest = [Standing(s.dot, s.stamp, s.action, beyond(contexts[s.dot], vector, forks)) for s in slot if s.dot not in gone]
    return sorted(rest, key=lambda s: s.dot)


@dataclass
class State:
    """What one holder has: its vector, what stands at each key, and the digests of deleted log entries."""

    digest_key: bytes
    vector: Vector = field(default_factory=dict)
    rows: dict[RowKey, list[Standing]] = field(default_factory=dict)
    deletions: set[bytes] = field(default_factory=set)
    forks: Forks = field(default_factory=dict)
    islands: set[tuple[bytes, Island]] = field(default_factory=set)
    """Applied beyond the vector."""

    def has(self, dot: Dot) -> bool:
        return covers(self.vector, dot, self.forks) or any(dot in i.dots(d) for d, i in self.islands if d == dot.device)

    def merge(self, index: Index, rows: Rows, deletions: list[bytes]) -> None:
        """Takes in a snapshot."""
        joined = join_vectors(self.vector, index.vector, self.forks)
        beyond_theirs = index.beyond()
        their_has = lambda dot: covers(index.vector, dot, self.forks) or dot in beyond_theirs  # noqa: E731
        theirs = dict(rows)
        self.deletions |= set(deletions)
        for key in self.rows.keys() | theirs.keys():
            mine_here, theirs_here = self.rows.get(key, []), theirs.get(key, [])
            if key.collection.kind == LOG:
                slot: list[Standing] = []
                for entry in mine_here + theirs_here:
                    slot = self._unless_deleted(key, with_entry(slot, entry))
            else:
                slot = settle(merged(mine_here, self.has, theirs_here, their_has, self.forks), joined, self.forks)
            self._put_slot(key, slot)
        self.vector = joined
        self.islands |= {(device, island) for device, islands in index.islands.items() for island in islands}
        self._absorb_islands()

    def _absorb_islands(self) -> None:
        """Islands that the vector has reached become part of it."""
        follow = lambda d, i: covers(self.vector, Dot(d, i.start - 1, i.before), self.forks)  # noqa: E731
        while reached := {(d, i) for d, i in self.islands if follow(d, i)}:
            self.islands -= reached
            for device, island in reached:
                self._raise(island.dots(device)[-1])

    def _raise(self, dot: Dot) -> None:
        self.vector = join_vectors(self.vector, {dot.device: Entry(dot.n, dot.tag)}, self.forks)

    def apply(self, run: Run) -> None:
        """Applies the ops of a run that are above the vector, each on its author's vector."""
        author = dict(run.base)
        if run.start > 1:
            author[run.device] = Entry(run.start - 1, run.before)
        before = Dot(run.device, run.start - 1, run.before)
        for op in run.ops:
            author = join_vectors(author, op.seen, self.forks)
            if not self.has(op.dot):
                if isinstance(op, Op):
                    self._apply_op(op, author)
                follows = op.dot.n == 1 or covers(self.vector, before, self.forks)
                require(follows, "ops are missing before this run")
                self._raise(op.dot)
                self._absorb_islands()
            author[run.device] = Entry(op.dot.n, op.dot.tag)
            before = op.dot

    def _apply_op(self, op: Op, author: Vector) -> None:
        key = RowKey(op.collection, op.key)
        slot = self.rows.get(key, [])
        if op.collection.kind != LOG:
            write = Standing(op.dot, op.stamp, op.action, op.context)
            holder = join_vectors(self.vector, {op.dot.device: Entry(op.dot.n, op.dot.tag)}, self.forks)
            self._put_slot(key, applied_write(slot, write, author, holder, self.forks))
        elif op.action is None:
            self.deletions.add(deletion_digest(self.digest_key, op.collection, op.key))
            self._put_slot(key, [])
        else:
            entry = Standing(op.dot, op.stamp, op.action, Context())
            self._put_slot(key, self._unless_deleted(key, with_entry(slot, entry)))

    def _unless_deleted(self, key: RowKey, slot: list[Standing]) -> list[Standing]:
        """Deletion wins, whatever comes later."""
        return [] if deletion_digest(self.digest_key, key.collection, key.key) in self.deletions else slot

    def _put_slot(self, key: RowKey, slot: list[Standing]) -> None:
        if slot:
            self.rows[key] = slot
        else:
            self.rows.pop(key, None)


def with_entry(slot: list[Standing], entry: Standing) -> list[Standing]:
    """A log's key with one more entry: of each value the lowest (stamp, dot) stands."""
    same = [s for s in slot if s.action == entry.action] + [entry]
    others = [s for s in slot if s.action != entry.action]
    return sorted(others + [min(same, key=by_stamp)], key=lambda s: s.dot)


def merged(
    mine: list[Standing],
    mine_has: Callable[[Dot], bool],
    theirs: list[Standing],
    theirs_has: Callable[[Dot], bool],
    forks: Forks,
) -> list[Standing]:
    """A write held by one side stays iff the other has not applied its dot; of one held by both the contexts join."""
    slot: dict[Dot, Standing] = {}
    my_dots, their_dots = {s.dot for s in mine}, {s.dot for s in theirs}
    for standing in mine:
        if standing.dot in their_dots or not theirs_has(standing.dot):
            slot[standing.dot] = standing
    for standing in theirs:
        if standing.dot in slot:
            joined = join_contexts(slot[standing.dot].context, standing.context, forks)
            slot[standing.dot] = Standing(standing.dot, standing.stamp, standing.action, joined)
        elif standing.dot in my_dots or not mine_has(standing.dot):
            slot[standing.dot] = standing
    return list(slot.values())


def applied_write(
    slot: list[Standing], write: Standing, author: Vector, holder: Vector, forks: Forks
) -> list[Standing]:
    """A map's key after one write more, whose author had applied `author`."""
    seen = context = join_contexts(write.context, Context(dict(author), frozenset()), forks)
    others = []
    for standing in slot:
        # A snapshot may have brought this very write already.
        if standing.dot == write.dot or context_covers(seen, standing.dot, forks):
            context = join_contexts(context, standing.context, forks)
        else:
            others.append(standing)
    return settle([*others, replace(write, context=context)], holder, forks)


def settled(state: State) -> dict[RowKey, list[Standing]]:
    """All rows, their contexts less what the final vector covers."""
    return {
        key: [Standing(s.dot, s.stamp, s.action, beyond(s.context, state.vector, state.forks)) for s in slot]
        for key, slot in state.rows.items()
    }


def by_stamp(standing: Standing) -> tuple[Stamp, Dot]:
    return standing.stamp, standing.dot


def versions(collection: Collection, slot: list[Standing]) -> list[Standing]:
    """The puts that stand: the one that counts, then those with other values. Greatest first; in a log lowest first."""
    puts = [s for s in slot if s.action is not None]
    puts.sort(key=by_stamp, reverse=collection.kind != LOG)
    return puts[:1] + [s for s in puts[1:] if s.action != puts[0].action]
