"""Documents: their fields merge one by one, in blocking code and in asyncio."""

import dataclasses
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tidelock
from tidelock import BYTES, InvalidError, NotFoundError, aio

from conftest import Pair


@dataclasses.dataclass
class Visit:
    place: str
    rating: int | None = None
    when: datetime.date | None = None


def test_fields_of_two_devices_merge(pair: Pair) -> None:
    here, there = pair.laptop.documents("visits"), pair.phone.documents("visits")
    here["brest"] = {"place": "Brest", "tags": ["sea"], "note": "rain"}
    pair.both_sync()
    first = there.entry("brest")
    assert first is not None and first.value == {"place": "Brest", "tags": ["sea"], "note": "rain"}
    assert first.device == pair.laptop.status().device
    here.patch("brest", {"rating": 5, "note": None})
    there.patch("brest", {"tags": ["sea", "bridge"]})
    pair.both_sync()
    expected = {"place": "Brest", "tags": ["sea", "bridge"], "rating": 5}
    assert here["brest"] == there["brest"] == expected
    assert list(here.conflicts()) == []
    entry = there.entry("brest")
    assert entry is not None and (entry.id, entry.value, entry.conflicts) == ("brest", expected, 0)
    assert not entry.deleted_concurrently and abs(entry.written_at.timestamp() - datetime.datetime.now().timestamp()) < 60
    assert ("documents", "visits") in pair.phone.status().collections


def test_a_field_with_concurrent_values_is_resolved(pair: Pair) -> None:
    here, there = pair.laptop.documents("visits"), pair.phone.documents("visits")
    here["brest"] = {"place": "Brest"}
    here["oslo"] = {"place": "Oslo"}
    pair.both_sync()
    for id in ("brest", "oslo"):
        here.patch(id, {"rating": 4})
        there.patch(id, {"rating": {"stars": 5}})
    pair.both_sync()
    first, second = here.conflicts()
    assert (first.kind, first.collection, first.key, first.field) == ("documents", "visits", "brest", "rating")
    assert {json.dumps(version.value) for version in first.versions} == {"4", '{"stars": 5}'}
    assert first.versions[0].value == here["brest"]["rating"] and second.key == "oslo"
    everywhere = [(conflict.key, conflict.field) for conflict in pair.laptop.conflicts()]
    assert everywhere == [("brest", "rating"), ("oslo", "rating")]
    here.resolve("brest", "rating", 4.5)
    here.resolve("oslo", "rating", None)
    pair.both_sync()
    assert there["brest"] == {"place": "Brest", "rating": 4.5} and there["oslo"] == {"place": "Oslo"}
    assert list(there.conflicts()) == []
    with pytest.raises(NotFoundError):
        here.resolve("brest", "rating", 1)


def test_a_delete_that_had_not_seen_a_patch(pair: Pair) -> None:
    here, there = pair.laptop.documents("visits"), pair.phone.documents("visits")
    here["brest"] = {"place": "Brest", "rating": 4}
    pair.both_sync()
    here.delete("brest")
    there.patch("brest", {"rating": 5})
    pair.both_sync()
    entry = here.entry("brest")
    assert entry is not None and entry.value["rating"] == 5 and entry.deleted_concurrently


def test_documents_are_a_mutable_mapping(vault: tidelock.Vault) -> None:
    visits = vault.documents("visits", Visit)
    assert not visits and len(visits) == 0
    visits["brest"] = Visit("Brest", when=datetime.date(2026, 5, 1))
    visits.update({"oslo": Visit("Oslo", 3), "bergen": Visit("Bergen")})
    assert list(visits) == ["bergen", "brest", "oslo"] and len(visits) == 3
    assert visits["brest"] == Visit("Brest", None, datetime.date(2026, 5, 1))
    assert dict(visits.items())["oslo"] == Visit("Oslo", 3)
    assert [visit.place for visit in visits.values()] == ["Bergen", "Brest", "Oslo"]
    assert [document.id for document in visits.list(prefix="b")] == ["bergen", "brest"]
    assert [document.id for document in visits.list(start="bf", end="p")] == ["brest", "oslo"]
    visits.patch("brest", {"when": datetime.date(2026, 5, 2), "rating": 5})
    assert visits["brest"] == Visit("Brest", 5, datetime.date(2026, 5, 2))
    assert visits.pop("oslo") == Visit("Oslo", 3) and "oslo" not in visits and visits.get("oslo") is None
    with pytest.raises(KeyError):
        visits["oslo"]
    visits.clear()
    assert dict(visits) == {} and repr(visits) == "<tidelock.Documents 'visits'>"


def test_more_than_a_page_of_documents(vault: tidelock.Vault) -> None:
    numbers = vault.documents("numbers")
    with vault.batch() as batch:
        for number in range(600):
            batch.put(numbers, f"{number:03}", {"number": number})
    assert [document.value["number"] for document in numbers.list()] == list(range(600))


def test_a_batch_of_all_kinds(vault: tidelock.Vault) -> None:
    visits, notes, history = vault.documents("visits"), vault["notes"], vault.log("history")
    with vault.batch() as batch:
        batch.put(visits, "brest", {"place": "Brest", "rating": 1})
        batch.patch(visits, "brest", {"rating": None})
        batch.put(visits, "gone", {})
        batch.delete(visits, "gone")
        batch.put(notes, "a", b"1")
        batch.append(history, b"x")
    assert dict(visits) == {"brest": {"place": "Brest"}} and notes["a"] == b"1" and list(history) == [b"x"]
    with pytest.raises(InvalidError), vault.batch() as batch:
        batch.patch(visits, "brest", {"rating": 2})
        batch.put(visits, "", {})
    assert visits["brest"] == {"place": "Brest"}


def test_what_is_no_document_is_refused(vault: tidelock.Vault) -> None:
    visits = vault.documents("visits")
    for value in ([1], "text", None, 5):
        with pytest.raises(InvalidError):
            visits["x"] = value  # type: ignore[assignment]
    with pytest.raises(InvalidError):
        vault.documents("visits", BYTES)["x"] = b"{"
    for id in ("", "a\0b", "i" * 257):
        with pytest.raises(InvalidError):
            visits[id] = {}
    with pytest.raises(InvalidError, match="1,000 fields"):
        visits["x"] = {str(number): number for number in range(1_001)}
    with pytest.raises(ValueError, match="JSON"):
        visits.patch("x", {"rating": float("nan")})
    with pytest.raises(TypeError):
        visits.patch("x", {"rating": object()})
    with pytest.raises(InvalidError):
        vault["visits\0"]["x"] = b""
    assert len(visits) == 0


def test_numbers_keep_all_their_digits(vault: tidelock.Vault) -> None:
    numbers = vault.documents("numbers")
    values = [0.1, 1e21, 5e-324, 1.7976931348623157e308, 2**53, -2.5e-7, 123456789.12345679, 0.30000000000000004]
    numbers["x"] = {"values": values}
    assert numbers["x"]["values"] == values


def test_a_value_that_does_not_fit_the_class_names_the_document(vault: tidelock.Vault) -> None:
    vault.documents("visits")["x"] = {"place": 5}
    with pytest.raises(TypeError) as raised:
        vault.documents("visits", Visit)["x"]
    assert "`x` of documents `visits`" in "".join(raised.value.__notes__)


def test_documents_are_shared_with_the_command(pair: Pair) -> None:
    def command(*words: str) -> str:
        words = (sys.executable, "-m", "tidelock", *words, "--local", str(pair.folder / "laptop"))
        environment = {**os.environ, "TIDELOCK_STORE": pair.store}
        return subprocess.run(words, capture_output=True, text=True, check=True, env=environment).stdout

    visits = pair.laptop.documents("visits")
    command("doc", "put", "visits", "42", '{"place":"Brest","rating":4}')
    visits.patch("42", {"rating": 5})
    assert json.loads(command("doc", "get", "visits", "42")) == visits["42"] == {"place": "Brest", "rating": 5}


def test_tables_of_documents(vault: tidelock.Vault) -> None:
    pytest.importorskip("pandas")
    visits = vault.documents("visits")
    visits.update({"brest": {"place": "Brest"}, "oslo": {"place": "Oslo"}})
    assert visits.to_pandas()["place"].to_dict() == {"brest": "Brest", "oslo": "Oslo"}


async def test_documents_in_asyncio(store: str, tmp_path: Path) -> None:
    async with (
        aio.Vault.create(store, tmp_path / "a") as (first, code),
        aio.Vault.join(store, tmp_path / "b", code) as second,
    ):
        here, there = first.documents("visits", Visit), second.documents("visits")
        await here.put("brest", Visit("Brest", 4))
        for vault in (first, second):
            await vault.sync()
        await here.patch("brest", {"rating": 5})
        await there.patch("brest", {"rating": 3, "note": "rain"})
        for vault in (first, second, first):
            await vault.sync()
        entry = await there.entry("brest")
        assert entry is not None and entry.conflicts == 1 and entry.value["note"] == "rain"
        found: list[tidelock.Conflict[Any]] = [conflict async for conflict in here.conflicts()]
        assert [(conflict.key, conflict.field) for conflict in found] == [("brest", "rating")]
        assert {version.value for version in found[0].versions} == {3, 5}
        await here.resolve("brest", "rating", 5)
        assert await here.get("brest") == Visit("Brest", 5)
        async with first.batch() as batch:
            batch.patch(here, "brest", {"note": None})
            batch.put(here, "oslo", Visit("Oslo"))
        assert [document.id async for document in here.list(prefix="o")] == ["oslo"]
        await here.update({"bergen": Visit("Bergen")})
        await here.delete("oslo")
        assert [document.id async for document in here] == ["bergen", "brest"] and await here.get("oslo") is None
        async with here.live() as live:
            assert [document.id for document in await anext(live)] == ["bergen", "brest"]
            await here.delete("bergen")
            assert [document.id for document in await anext(live)] == ["brest"]
