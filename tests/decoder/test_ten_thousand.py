"""A random bucket of ten thousand objects, written by nobody's engine: the decoder and the command hold the same."""

import random
from dataclasses import dataclass, field
from pathlib import Path

from decode import decode
from forge import PROBE, Columns, Forger, Points, Write, segment_ref
from household import Device
from replica import LOG, MAP, Collection, Point, Stamp
from run import tag_zero
from stage import Stage
from test_decoder import assert_agrees

DEVICES = 165
SEGMENTS = 60
"""A device's; a manifest names 64 at most."""
COLLECTIONS = [PROBE, Collection(MAP, "todo"), Collection(LOG, "shell")]


@dataclass
class Author:
    """A device, what it has seen of the others, and its log so far."""

    forger: Forger
    end: Point
    seen: Points
    news: Points = field(default_factory=dict)
    """What it has seen since its last op."""
    refs: list[bytes] = field(default_factory=list)

    def pull(self, other: "Author") -> None:
        for device, point in [*other.seen.items(), *other.news.items(), (other.forger.device, other.end)]:
            known = self.news.get(device) or self.seen.get(device)
            if device != self.forger.device and point.n and (known is None or known.n < point.n):
                self.news[device] = point

    def write(self, writes: list[Write]) -> dict[str, bytes]:
        """A segment of these."""
        if not self.end.n:
            writes = [self.forger.own_record(), *writes]
        base, table = dict(self.seen), sorted(self.seen)
        others = sorted(device for device in self.news if device not in base)
        table += others
        writes[0].seen = [
            (table.index(device), point.n - (base[device].n if device in base else 0), point.tag)
            for device, point in sorted(self.news.items())
        ]
        columns = Columns(writes, start=self.end.n + 1, before=self.end.tag, base=base, others=others)
        path, sealed, end = self.forger.segment(columns)
        self.refs.append(segment_ref(path, sealed, columns.start, end))
        self.seen, self.news, self.end = self.seen | self.news, {}, end
        return {path: sealed}

    def manifest(self) -> dict[str, bytes]:
        tail, _ = self.forger.tail(Columns([], start=self.end.n + 1, before=self.end.tag, base=self.seen))
        body = self.forger.body(tail, self.seen | {self.forger.device: self.end}, segments=self.refs)
        return {self.forger.path: self.forger.manifest(body)}


def random_write(rng: random.Random) -> Write:
    collection = rng.choice(COLLECTIONS)
    key = b"%032x" % rng.randrange(3_000) if collection.kind == LOG else b"key %d" % rng.randrange(3_000)
    action = None if rng.random() < 0.2 else rng.randbytes(rng.randrange(200))
    stamp = Stamp(1_700_000_000_000 + rng.randrange(10**9), rng.randrange(3))
    return Write(collection, key, action, stamp=stamp)


def test_ten_thousand_objects(stage: Stage, tmp_path: Path) -> None:
    rng = random.Random(10_000)
    stage.restore()
    authors = []
    for _ in range(DEVICES):
        forger = Forger(stage.ring)
        authors.append(Author(forger, Point(0, tag_zero(forger.device)), {}))
    files: dict[str, bytes] = {}
    turns = [author for author in authors for _ in range(SEGMENTS)]
    rng.shuffle(turns)
    for author in turns:
        if rng.random() < 0.15:
            author.pull(rng.choice(authors))
        files |= author.write([random_write(rng) for _ in range(rng.randint(1, 3))])
    for author in authors:
        files |= author.manifest()
    for path, data in files.items():
        file = stage.home.bucket / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    assert sum(file.is_file() for file in stage.home.bucket.rglob("*")) >= 10_000

    old, new = stage.home.devices[0], Device(tmp_path / "new")
    old.run("sync", "--force")
    store = f"file://{stage.home.bucket}"
    new.run("join", "--store", store, "--name", "new", "--secret-file", str(stage.home.code_file))
    old.run("sync")
    state = decode(stage.home.bucket, stage.home.code)
    assert state["waiting"] == [] and len(state["devices"]) == DEVICES + 2
    assert any(len(row["versions"]) > 1 for rows in state["maps"].values() for row in rows.values())
    assert any(row["versions"] == [] for rows in state["maps"].values() for row in rows.values())
    for device in (old, new):
        assert_agrees(device, state)
