"""Whole packs of the shared vectors, read once more piece by piece."""

import json
from itertools import pairwise
from typing import Any

import pytest

import packs
from parse import Refused
from test_vectors import FOLDER, h, pack_at, plaintext_value

CASES = [
    case for case in json.loads((FOLDER / "packs.json").read_text())["cases"] if case["check"] == "pack" and "value" in case
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_pack_vectors_are_read_by_the_python_decoder(case: dict[str, Any]) -> None:
    """Each piece by a range of the sealed bytes, as a server would answer it."""
    at, keys = pack_at(case["given"])
    sealed = h(case["given"], "sealed")
    _, held = at.read(sealed)
    assert len(held) == len(case["value"]["pieces"]) > 3
    for no, (piece, value) in enumerate(zip(held, case["value"]["pieces"], strict=True)):
        spot = packs.Spot(piece.kind, no, piece.at, piece.stored, piece.inflated)
        first, last = spot.sealed_range()
        plaintext = spot.open_range(at, sealed[first : last + 1])
        assert keys.piece_id(plaintext) == piece.id
        assert plaintext_value(plaintext) == value["plaintext"]
        with pytest.raises(Refused):
            spot.open_range(at, sealed[first : min(last, len(sealed) - 1)])
    assert all(a.at + a.stored == b.at for a, b in pairwise(held))


def test_every_cut_of_a_directory_is_refused() -> None:
    at, _ = pack_at(CASES[0]["given"])
    body, _ = at.read(h(CASES[0]["given"], "sealed"))
    length = int.from_bytes(body[-4:], "little")
    pieces, directory = body[: -4 - length], body[-4 - length : -4]
    assert packs.read_directory(pieces + directory + length.to_bytes(4, "little"))
    for cut in range(length):
        for left in (directory[:cut], directory[length - cut :]):
            with pytest.raises(Refused):
                packs.read_directory(pieces + left + len(left).to_bytes(4, "little"))
