"""A vault turned to its second epoch in Python, right or wrong in one way: who joins and the decoder take the same."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import crypto
import household
from crypto import Epoch, KeyRing
from decode import decode
from forge import seal
from forge_keys import listed_epochs, seal_keys, seal_slot
from household import Device
from parse import Refused
from stage import Stage


@dataclass
class Turn:
    """The content of `keys/{epoch}` and of the slot, where they are not the right ones."""

    name: str
    right: bool = False
    keys: Callable[[KeyRing], bytes] | None = None
    slot: Callable[[KeyRing, bytes], bytes] | None = None
    without_keys: bool = False


def earlier(ring: KeyRing) -> list[tuple[Epoch, bytes]]:
    *older, _ = sorted(ring.secrets)
    return [(epoch, ring.secrets[epoch]) for epoch in older]


def payload(ring: KeyRing, header: bytes, **other: bytes) -> bytes:
    newest = max(ring.secrets)
    parts = {
        "epoch": newest.encoded(),
        "secret": ring.secrets[newest],
        "vault": ring.vault,
        "header": crypto.blake(header),
    }
    return b"".join((parts | other).values())


SECRET = b"\x11" * 32
TURNS = [
    Turn("second epoch", right=True),
    Turn("no object of keys", without_keys=True),
    Turn("no earlier epoch", keys=lambda ring: listed_epochs([])),
    Turn("none of number 1", keys=lambda ring: listed_epochs([(Epoch(2, bytes(8)), SECRET)])),
    Turn("two of number 1", keys=lambda ring: listed_epochs([(Epoch(1, bytes(8)), SECRET), *earlier(ring)])),
    Turn("number 0", keys=lambda ring: listed_epochs([(Epoch(0, bytes(8)), SECRET), *earlier(ring)])),
    Turn("one twice", keys=lambda ring: listed_epochs(earlier(ring) * 2)),
    Turn("falling", keys=lambda ring: listed_epochs([(Epoch(2, bytes(8)), SECRET), *earlier(ring)])),
    Turn(
        "a second one of number 2",
        right=True,
        keys=lambda r: listed_epochs([*earlier(r), (Epoch(2, bytes(8)), SECRET)]),
    ),
    Turn("itself", keys=lambda r: listed_epochs([*earlier(r), (max(r.secrets), r.secrets[max(r.secrets)])])),
    Turn("a later one", keys=lambda ring: listed_epochs([*earlier(ring), (Epoch(3, bytes(8)), SECRET)])),
    Turn("a byte after the keys", keys=lambda ring: listed_epochs(earlier(ring)) + b"\0"),
    Turn("keys cut short", keys=lambda ring: listed_epochs(earlier(ring))[:-1]),
    Turn("slot of another vault", slot=lambda ring, header: payload(ring, header, vault=bytes(16))),
    Turn("slot of another header", slot=lambda ring, header: payload(ring, header + b"\n")),
    Turn("slot of another epoch", slot=lambda ring, header: payload(ring, header, epoch=Epoch(2, bytes(8)).encoded())),
    Turn("a byte after the slot", slot=lambda ring, header: payload(ring, header) + b"\0"),
    Turn("slot cut short", slot=lambda ring, header: payload(ring, header)[:-1]),
]


@pytest.mark.parametrize("turn", TURNS, ids=lambda t: t.name)
def test_the_second_epoch(stage: Stage, turn: Turn) -> None:
    stage.restore()
    home, header = stage.home, (stage.home.bucket / "tidelock").read_bytes()
    newest = Epoch(2, b"\x80" + os.urandom(7))
    ring = KeyRing(stage.ring.vault, stage.ring.secrets | {newest: os.urandom(32)})
    code = crypto.read_recovery_code(home.code)
    keys_path, keys = seal_keys(ring, turn.keys(ring) if turn.keys else None)
    slot_path, slot = seal_slot(ring, header, code, turn.slot(ring, header) if turn.slot else None)
    (home.bucket / slot_path).write_bytes(slot)
    if not turn.without_keys:
        (home.bucket / "keys").mkdir()
        (home.bucket / keys_path).write_bytes(keys)
    for file in home.bucket.glob("spaces/*/manifests/*"):
        # Who has the newest keys is listed by itself; under older ones it would need another that lists it.
        path = file.relative_to(home.bucket).as_posix()
        file.write_bytes(seal(ring, path, crypto.MANIFEST, ring.open(path, crypto.MANIFEST, file.read_bytes())))
    try:
        assert decode(home.bucket, home.code)["epochs"][-1] == newest.text()
        decoded = True
    except Refused as refused:
        assert refused.object_path in (keys_path, slot_path)
        decoded = False
    assert decoded == turn.right
    joining = stage.folder / "joining"
    shutil.rmtree(joining, ignore_errors=True)
    words: list[str | Path] = [
        household.command(),
        "--local",
        joining,
        "join",
        "--store",
        f"file://{home.bucket}",
        "--name",
        "new",
    ]
    joined = subprocess.run([*words, "--secret-file", home.code_file], capture_output=True, text=True, check=False)
    assert (joined.returncode == 0) == turn.right, joined.stderr
    if turn.right:
        device = Device(joining)
        device.put("todo", "eggs", "under the second epoch")
        device.run("sync")
        state = decode(home.bucket, home.code)
        assert state["maps"]["todo"].keys() == {"milk", "eggs"}
        epochs = {
            crypto.read_clear_header(f.read_bytes(), crypto.MANIFEST) for f in home.bucket.glob("spaces/*/manifests/*")
        }
        assert newest in epochs
