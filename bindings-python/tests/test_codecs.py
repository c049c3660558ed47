"""Values through codecs."""

import dataclasses
import datetime
from typing import Any

import pytest

import tidelock
from tidelock import BYTES, JSON, TEXT, Codec, model


@dataclasses.dataclass
class Place:
    street: str
    number: int | None = None


@dataclasses.dataclass(frozen=True)
class Visit:
    name: str
    when: datetime.datetime
    place: Place
    weights: list[float] = dataclasses.field(default_factory=list)
    tags: dict[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    pair: tuple[str, bool] = ("", False)
    parent: "Visit | None" = None


VISIT = Visit(
    name="check-up",
    when=datetime.datetime(2026, 11, 24, 9, 30, tzinfo=datetime.timezone.utc),
    place=Place("Main Street", 5),
    weights=[1, 2.5],
    tags={"a": (1, 2)},
    pair=("x", True),
    parent=Visit("before", datetime.datetime(2025, 1, 1), Place("Elsewhere")),
)


@pytest.mark.parametrize(
    ("codec", "value", "data"),
    [
        (BYTES, b"\x00\xff", b"\x00\xff"),
        (TEXT, "grün", "grün".encode()),
        (JSON, {"b": [1, 2.5, None, True], "a": "grün"}, '{"b":[1,2.5,null,true],"a":"grün"}'.encode()),
        (Codec(encode=lambda value: b"%d" % value, decode=int), 17, b"17"),
        (model(Place), Place("Main Street"), b'{"street":"Main Street","number":null}'),
    ],
)
def test_values_and_their_bytes(vault: tidelock.Vault, codec: Codec[Any], value: object, data: bytes) -> None:
    typed = vault.collection("values", codec)
    typed["a"] = value
    assert vault["values"]["a"] == data and typed["a"] == value
    assert [entry.value for entry in typed.list()] == [value]


def test_a_dataclass(vault: tidelock.Vault) -> None:
    visits = vault.collection("visits", Visit)
    visits["a"] = VISIT
    assert visits["a"] == VISIT
    vault["visits"]["later"] = b'{"name":"b","when":"2026-01-01T00:00:00","place":{"street":"s"},"unknown":1}'
    assert visits["later"] == Visit("b", datetime.datetime(2026, 1, 1), Place("s"))
    for wrong in (b"[]", b'{"name":5,"when":"2026-01-01","place":{"street":"s"}}', b'{"name":"b"}', b"{"):
        vault["visits"]["wrong"] = wrong
        with pytest.raises((TypeError, ValueError)) as raised:
            visits["wrong"]
        assert raised.value.__notes__ == ["while decoding `wrong` of map `visits`"]


def test_what_is_no_model() -> None:
    @dataclasses.dataclass
    class Odd:
        field: set[int]

    for odd in (int, Odd):
        with pytest.raises(TypeError):
            model(odd)


def test_a_pydantic_model(vault: tidelock.Vault) -> None:
    pydantic = pytest.importorskip("pydantic")

    class Reading(pydantic.BaseModel):  # type: ignore[name-defined, misc]
        sensor: str
        value: float

    readings = vault.collection("readings", Reading)
    readings["a"] = Reading(sensor="s", value=1)
    assert vault["readings"]["a"] == b'{"sensor":"s","value":1.0}'
    assert readings["a"] == Reading(sensor="s", value=1)
    vault["readings"]["wrong"] = b"{}"
    with pytest.raises(pydantic.ValidationError):
        readings["wrong"]


def test_what_a_codec_refuses(vault: tidelock.Vault) -> None:
    numbers = vault.collection("numbers", JSON)
    for value in (float("nan"), object(), "\ud800"):
        with pytest.raises((TypeError, ValueError)) as raised:
            numbers["a"] = value
        assert raised.value.__notes__ == ["while encoding a value for `a` of map `numbers`"]
    text = vault.collection("numbers", Codec(encode=str, decode=str))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="in place of bytes"):
        text["a"] = "text"
    with pytest.raises(TypeError, match="codec"):
        vault.collection("numbers", "json")  # type: ignore[call-overload]
    assert "a" not in numbers


def test_tables(vault: tidelock.Vault) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    readings = vault.collection("readings", JSON)
    readings.update({"b": {"sensor": "s", "value": 2}, "a": {"sensor": "t", "more": True}})
    frame = readings.to_pandas()
    assert list(frame.index) == ["a", "b"] and frame.index.name == "key"
    assert frame.loc["b", "value"] == 2 and pandas.isna(frame.loc["a", "value"])
    table = readings.to_arrow(prefix="b")
    assert table.to_pylist() == [{"key": "b", "sensor": "s", "value": 2}]
    assert vault["readings"].to_arrow().column_names == ["key", "value"]
    places = vault.collection("places", Place)
    places["x"] = Place("s", 1)
    assert places.to_arrow().to_pylist() == [{"key": "x", "street": "s", "number": 1}]
    assert vault["none"].to_pandas().empty and vault["none"].to_arrow().num_rows == 0
