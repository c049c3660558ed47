"""Whatever is done to an object's bytes, the decoder refuses and names that object."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import crypto
from decode import replay
from household import PASSPHRASE, Household
from parse import Refused
from vault import Bucket, read_vault

Home = Callable[[str], Household]

HEADER_END = crypto.CLEAR_HEADER


class Altered(Bucket):
    """A bucket with one object's bytes replaced; None: the object is gone."""

    def __init__(self, root: Path, path: str, data: bytes | None) -> None:
        super().__init__(root)
        self.path, self.data = path, data
        if data is None:
            self.paths.remove(path)

    def get(self, path: str) -> bytes:
        return self.data if path == self.path and self.data is not None else super().get(path)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def altered(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The object in every wrong form."""
    rng = random.Random(len(data))
    places = [*range(min(HEADER_END, len(data))), HEADER_END, HEADER_END + 24, HEADER_END + 56, len(data) // 2]
    for at in [*places, *(rng.randrange(len(data)) for _ in range(12)), len(data) - 1]:
        if at < len(data):
            yield f"byte {at} changed", flipped(data, at)
    for length in (0, 1, HEADER_END, HEADER_END + 56, len(data) // 2, len(data) - 16, len(data) - 1):
        if length < len(data):
            yield f"cut to {length}", data[:length]
    yield "a zero byte after", data + b"\0"
    yield "twice", data + data
    body, step = HEADER_END + 56, crypto.CHUNK_BYTES + crypto.TAG_BYTES
    if len(data) > body + 2 * step:
        one, two, rest = data[body : body + step], data[body + step : body + 2 * step], data[body + 2 * step :]
        yield "a chunk left out", data[:body] + two + rest
        yield "a chunk twice", data[:body] + one + one + two + rest
        yield "chunks in another order", data[:body] + two + one + rest
        yield "the last chunk left out", data[: body + 2 * step]


def objects(home: Household) -> dict[str, list[str]]:
    """The paths of each kind of object that a manifest, the code or the passphrase leads to."""
    bucket = Bucket(home.bucket)
    vault = read_vault(bucket, home.code)
    space = f"spaces/{vault.ring.space.hex()}"
    snapshots = [s.index for s in vault.snapshots]
    return {
        "header": ["tidelock"],
        "recovery slot": [crypto.recovery_slot_path(crypto.read_recovery_code(home.code))],
        "passphrase slot": ["slots/passphrase"],
        "beacon": [f"{space}/beacon"],
        "manifest": [p for p in bucket.paths if "/manifests/" in p],
        "segment": [path for runs in vault.runs.values() for path, _ in runs if "/segments/" in path],
        "index": [s.path for s in vault.snapshots],
        "chunk": [f"{space}/snapshots/{c.object.id.hex()}" for i in snapshots for c in i.chunks],
        "deletions": [f"{space}/snapshots/{d.object.id.hex()}" for i in snapshots for d in i.deletions],
    }


KINDS = {
    "beacon": crypto.BEACON,
    "manifest": crypto.MANIFEST,
    "segment": crypto.SEGMENT,
    "index": crypto.INDEX,
    "chunk": crypto.CHUNK,
    "deletions": crypto.CHUNK,
}


def refusal(home: Household, kind: str, path: str, data: bytes | None) -> Refused | None:
    try:
        read_vault(Altered(home.bucket, path, data), PASSPHRASE if kind == "passphrase slot" else home.code)
    except Refused as refused:
        return refused
    return None


@pytest.mark.parametrize("kind", ["header", "recovery slot", "passphrase slot", *KINDS])
def test_every_alteration_is_refused_by_name(home: Home, kind: str) -> None:
    medium = home("medium")
    path = objects(medium)[kind][0]
    data = Bucket(medium.bucket).get(path)
    # Absence is no refusal for a manifest: the beacon names it, and who needs it waits (below).
    gone = [] if kind == "manifest" else [("gone", None)]
    for what, wrong in [*altered(data), *gone]:
        refused = refusal(medium, kind, path, wrong)
        assert refused is not None, f"{kind}: {what} was taken"
        # Another vault's id is a header like any other: it is the slot that refuses.
        names = {path, objects(medium)["recovery slot"][0]} if kind == "header" else {path}
        assert refused.object_path in names, f"{kind}: {what}: {refused}"


@pytest.mark.parametrize("kind", KINDS)
def test_the_seal_alone_refuses(home: Home, kind: str) -> None:
    """Without the hash that names an object."""
    medium = home("medium")
    path = objects(medium)[kind][0]
    data = Bucket(medium.bucket).get(path)
    ring = read_vault(Bucket(medium.bucket), medium.code).ring
    ring.open(path, KINDS[kind], data)
    for what, wrong in altered(data):
        with pytest.raises(Refused):
            ring.open(path, KINDS[kind], wrong)
            pytest.fail(f"{kind}: {what} was taken")
    with pytest.raises(Refused, match="commitment"):
        ring.open(path + "0", KINDS[kind], data)


def test_who_names_an_absent_manifest_waits(home: Home) -> None:
    medium = home("medium")
    whole = read_vault(Bucket(medium.bucket), medium.code)
    writes_snapshots = [device.hex() for device, manifest in whole.manifests.items() if manifest.snapshot]
    assert len(writes_snapshots) == 1
    for path in objects(medium)["manifest"]:
        _, waiting = replay(read_vault(Altered(medium.bucket, path, None), medium.code))
        assert path in waiting
        # Without the one snapshot the other's log is a rest that had seen more; with it nothing else is lacking.
        assert bool(set(waiting) - {path}) == path.endswith(writes_snapshots[0]), path


def test_no_object_opens_in_anothers_place(home: Home) -> None:
    medium = home("medium")
    bucket, places = Bucket(medium.bucket), objects(medium)
    for kind, (path, *_) in places.items():
        for other in (p for paths in places.values() for p in paths if p != path):
            refused = refusal(medium, kind, path, bucket.get(other))
            assert refused is not None and refused.object_path == path, f"{other} at {path}: {refused}"


def test_an_unknown_object_is_named(tmp_path: Path) -> None:
    for name in ("Tidelock", "slots/00", "spaces/ab/beacon", "tidelock.bak"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(Refused, match=name):
            Bucket(tmp_path)
        (tmp_path / name).unlink()


def test_wrong_secrets(home: Home) -> None:
    small = home("small")
    with pytest.raises(Refused, match="wrong key"):
        read_vault(Bucket(small.bucket), "another passphrase")
    with pytest.raises(Refused, match="missing"):
        # A well-formed code of no vault: its slot is not there.
        code = bytes(20)
        checksum = int.from_bytes(crypto.blake(crypto.labelled("recovery checksum", code))[:3], "big") >> 4
        symbols = "".join(crypto.CROCKFORD[checksum >> shift & 31] for shift in (15, 10, 5, 0))
        read_vault(Bucket(small.bucket), "0" * 32 + symbols)
