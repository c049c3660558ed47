"""What blocking and asyncio collections share: ranges of keys, pages, and values through codecs."""

import dataclasses
from collections.abc import Iterable
from typing import Any, Generic, Literal, TypeVar

from . import _tidelock
from ._types import Conflict, Entry, Version
from .codecs import BYTES, Codec, model
from .errors import ClosedError

T = TypeVar("T")

PAGE = 256
"""Entries fetched at once."""
BATCH = 1_000
"""Changes written at once by calls that take any number."""

Row = tuple[str, bytes, int, str, int]
Change = tuple[str, str, str | None, bytes | None]


def codec_of(given: Codec[T] | type[T] | None) -> Codec[Any]:
    """A codec from what callers may give in its place."""
    if given is None:
        return BYTES
    if isinstance(given, type):
        return model(given)
    if hasattr(given, "encode") and hasattr(given, "decode"):
        return given
    raise TypeError(f"a codec has `encode` and `decode`; this is a {type(given).__name__}")


def key_range(start: str, end: str | None, prefix: str | None) -> tuple[str, str | None]:
    """First key and the end (excluded) of a range; a prefix is narrowed by start and end."""
    if prefix is None:
        return start, end
    after = _after_prefix(prefix)
    start = max(start, prefix)
    return start, after if end is None else end if after is None else min(end, after)


def _after_prefix(prefix: str) -> str | None:
    """The least text above every text that begins with the prefix; keys are ordered by code points."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            # No text has a surrogate.
            following = 0xE000 if last == 0xD7FF else last + 1
            return prefix[:-1] + chr(following)
        prefix = prefix[:-1]
    return None


def after(key: str) -> str:
    """The least key above a key."""
    return key + "\0"


class Values(Generic[T]):
    """A collection's values through its codec."""

    native: _tidelock.Vault
    kind: Literal["map", "log"]
    name: str
    codec: Codec[T]

    def __init__(self, native: _tidelock.Vault, kind: Literal["map", "log"], name: str, codec: Codec[T]) -> None:
        self.native = native
        self.kind = kind
        self.name = name
        self.codec = codec

    def encode(self, value: T, key: str | None = None) -> bytes:
        try:
            data = self.codec.encode(value)
        except Exception as error:
            error.add_note(f"while encoding a value for {self._place(key)}")
            raise
        if not isinstance(data, bytes):
            raise TypeError(f"the codec of {self._place(key)} gave {type(data).__name__} in place of bytes")
        return data

    def decode(self, key: str, data: bytes) -> T:
        try:
            return self.codec.decode(data)
        except Exception as error:
            error.add_note(f"while decoding {self._place(key)}")
            raise

    def entry(self, row: Row) -> Entry[T]:
        key, data, unix_ms, device, siblings = row
        return Entry(key, self.decode(key, data), unix_ms, device, siblings)

    def entry_at(self, key: str, record: tuple[bytes, int, str, int]) -> Entry[T]:
        return self.entry((key, *record))

    def conflict(self, conflict: Conflict[bytes]) -> Conflict[T]:
        versions = tuple(
            Version(None if one.value is None else self.decode(conflict.key, one.value), one.unix_ms, one.device)
            for one in conflict.versions
        )
        return Conflict(conflict.kind, conflict.collection, conflict.key, versions)

    def page(self, start: str, end: str | None) -> _tidelock.Work:
        return self.native.page(self.kind, self.name, start, end, PAGE)

    def _place(self, key: str | None) -> str:
        return f"{self.kind} `{self.name}`" if key is None else f"`{key}` of {self.kind} `{self.name}`"


def imported(values: Values[T], entries: Iterable[tuple[int, T]]) -> list[tuple[int, bytes]]:
    """Entries for an import: unix ms and encoded value."""
    return [(unix_ms, values.encode(value)) for unix_ms, value in entries]


def row_of(value: object) -> dict[str, object]:
    """A value as columns: a dict's items, a dataclass's or a model's fields, else one column `value`."""
    if isinstance(value, dict):
        return {str(name): item for name, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "model_dump"):
        dumped: dict[str, object] = value.model_dump()
        return dumped
    return {"value": value}


def check_open(native: _tidelock.Vault) -> None:
    if not native.is_open():
        raise ClosedError("the vault was closed", next_step="open it again")

