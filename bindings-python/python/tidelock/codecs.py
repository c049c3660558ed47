"""How values become bytes and back: bytes, text, JSON, dataclasses, pydantic models, or any pair of functions."""

import dataclasses
import json
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar

__all__ = ["BYTES", "JSON", "TEXT", "Codec", "model"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """A pair of functions. What they raise reaches the caller, with a note that names the record."""

    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]


def _to_bytes(value: bytes) -> bytes:
    # `bytes(5)` would be five zeros.
    return bytes(memoryview(value))


def _to_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


BYTES: Codec[bytes] = Codec(encode=_to_bytes, decode=bytes)
"""Values as they are."""
TEXT: Codec[str] = Codec(encode=str.encode, decode=bytes.decode)
"""UTF-8."""
JSON: Codec[Any] = Codec(encode=_to_json, decode=json.loads)
"""JSON in UTF-8 without spaces."""


def model(type: type[T]) -> Codec[T]:
    """A codec for a pydantic (v2) model or a dataclass: JSON with the fields' names.

    A dataclass may have fields of str, int, float, bool, None, datetime, date, dataclasses, and of lists, tuples, dicts
    with str keys and unions of them. Unknown fields are ignored, so that a later version may add some.

    Raises TypeError for other classes and fields.
    """
    if hasattr(type, "model_validate_json") and hasattr(type, "model_dump_json"):
        pydantic: Any = type
        return Codec(encode=lambda value: value.model_dump_json().encode(), decode=pydantic.model_validate_json)
    if not dataclasses.is_dataclass(type):
        raise TypeError(f"{type.__qualname__} is neither a pydantic model nor a dataclass")
    read = _reader(type)
    return Codec(encode=lambda value: _to_json(plain(value)), decode=lambda data: read(json.loads(data)))


def plain(value: Any) -> Any:
    """A value as JSON has it, with the fields of dataclasses and models, and times in the form of ISO 8601."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return value


def _reader(annotation: Any, seen: dict[Any, Callable[[Any], Any]] | None = None) -> Callable[[Any], Any]:
    """What turns JSON into a value of a type. A class that holds itself is read by the reader in `seen`."""
    seen = {} if seen is None else seen
    if annotation in seen:
        return lambda data: seen[annotation](data)
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        seen[annotation] = lambda data: data  # replaced below
        hints = typing.get_type_hints(annotation)
        fields = {field.name: _reader(hints[field.name], seen) for field in dataclasses.fields(annotation) if field.init}

        def read_dataclass(data: Any) -> Any:
            if not isinstance(data, dict):
                raise TypeError(f"{annotation.__qualname__} is no JSON object here")
            return annotation(**{name: read(data[name]) for name, read in fields.items() if name in data})

        seen[annotation] = read_dataclass
        return read_dataclass
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _union_reader([_reader(one, seen) for one in arguments])
    if origin is list:
        item = _reader(arguments[0], seen)
        return lambda data: [item(one) for one in _checked(data, list)]
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        item = _reader(arguments[0], seen)
        return lambda data: tuple(item(one) for one in _checked(data, list))
    if origin is tuple:
        items = [_reader(one, seen) for one in arguments]
        return lambda data: tuple(read(one) for read, one in zip(items, _checked(data, list), strict=True))
    if origin is dict and arguments[0] is str:
        value = _reader(arguments[1], seen)
        return lambda data: {key: value(one) for key, one in _checked(data, dict).items()}
    if annotation in (datetime, date):
        return lambda data: annotation.fromisoformat(_checked(data, str))
    if annotation is float:
        return lambda data: float(_checked(data, (int, float)))
    if annotation is type(None):
        return lambda data: _checked(data, type(None))
    if annotation in (str, int, bool):
        return lambda data: _checked(data, annotation)
    if annotation in (list, dict, Any, object):
        return lambda data: data
    raise TypeError(f"a field of {annotation} has no form in JSON: use a codec of your own")


def _union_reader(readers: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def read_union(data: Any) -> Any:
        for read in readers:
            try:
                return read(data)
            except (TypeError, ValueError):
                continue
        raise TypeError(f"none of the union's types fits a JSON value of type {type(data).__name__}")

    return read_union


def _checked(data: Any, kind: Any) -> Any:
    if not isinstance(data, kind) or (isinstance(data, bool) and kind in (int, (int, float))):
        raise TypeError(f"a JSON value has another type: {type(data).__name__}")
    return data
