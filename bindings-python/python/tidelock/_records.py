"""What blocking and asyncio collections share: their calls into the extension module, with values through codecs."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from . import _tidelock
from ._types import Changes, Conflict, Document, Entry, Version
from .codecs import BYTES, JSON, Codec, model, plain
from .errors import ClosedError

if TYPE_CHECKING:
    from ._tidelock import _Change, _Kind, _Position, _Row

T = TypeVar("T")
E = TypeVar("E", bound=Entry[Any] | Document[Any])
"""What lists are of: `Entry[T]`, or `Document[T]`."""

PAGE = 256
"""Entries fetched at once."""
BATCH = 1_000
"""Changes written at once by calls that take any number."""

def codec_of(given: Codec[T] | type[T] | None, default: Codec[Any] = BYTES) -> Codec[Any]:
    """A codec from what callers may give in its place."""
    if given is None:
        return default
    if isinstance(given, type):
        return model(given)
    if hasattr(given, "encode") and hasattr(given, "decode"):
        return given
    raise TypeError(f"a codec has `encode` and `decode`; this is a {type(given).__name__}")


class Range:
    """The keys from `start` to before `end`, or with a prefix; a prefix is narrowed by start and end."""

    start: str
    end: str | None

    def __init__(self, start: str, end: str | None, prefix: str | None) -> None:
        self.start, self.end = start, end
        if prefix is not None:
            after = _after_prefix(prefix)
            self.start = max(start, prefix)
            self.end = after if end is None else end if after is None else min(end, after)

    def has_any(self, changes: Changes) -> bool:
        """Whether one of the keys that changed is in it, as far as that is known."""
        return changes.keys is None or any(
            self.start <= key and (self.end is None or key < self.end) for key in changes.keys
        )


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


class Records(Generic[T, E]):
    """The records of a collection."""

    native: _tidelock.Vault
    kind: "_Kind"
    name: str
    codec: Codec[T]

    def __init__(self, native: _tidelock.Vault, kind: "_Kind", name: str, codec: Codec[T]) -> None:
        self.native, self.kind, self.name, self.codec = native, kind, name, codec

    def get(self, key: str) -> "_tidelock.Work[_Row | None]":
        return self.native.get(self.kind, self.name, key)

    def page(self, start: str, end: str | None) -> "_tidelock.Work[list[_Row]]":
        return self.native.page(self.kind, self.name, start, end, PAGE)

    def after(self, page: "list[_Row]") -> str:
        """Where the next page starts: the least key above its last."""
        return page[-1][0] + "\0"

    def write(self, *changes: "_Change") -> "_tidelock.Work[list[str]]":
        return self.native.write(changes)

    def batches(self, changes: "list[_Change]") -> "Iterable[_tidelock.Work[list[str]]]":
        """Writes of any number of changes. Each field of a document is a change of its own, so it is written alone."""
        size = 1 if self.kind == "documents" else BATCH
        return (self.native.write(changes[first : first + size]) for first in range(0, len(changes), size))

    def conflicts(self, after: "_Position") -> "_tidelock.Work[list[Conflict[bytes]]]":
        return self.native.conflicts(after, PAGE)

    def first_position(self) -> "_Position":
        return self.kind, self.name, "", None

    def changes(self) -> _tidelock.Stream[Changes]:
        return self.native.changes(self.kind, self.name)

    # The changes of a write

    def put(self, key: str, value: T) -> "_Change":
        return "put", self.kind, self.name, key, None, self.encode(value, key)

    def patch(self, id: str, fields: Mapping[str, object]) -> "_Change":
        return "patch", self.kind, self.name, id, None, JSON.encode(plain(dict(fields)))

    def delete(self, key: str) -> "_Change":
        return "delete", self.kind, self.name, key, None, None

    def append(self, value: T) -> "_Change":
        return "append", self.kind, self.name, None, None, self.encode(value)

    def resolve(self, key: str, value: T | None) -> "_Change":
        return "resolve", self.kind, self.name, key, None, None if value is None else self.encode(value, key)

    def resolve_field(self, id: str, field: str, value: object) -> "_Change":
        return "resolve", self.kind, self.name, id, field, None if value is None else JSON.encode(plain(value))

    # Values through the codec

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

    def entry(self, row: "_Row") -> E:
        made: Any = Document if self.kind == "documents" else Entry
        return cast(E, made(row[0], self.decode(row[0], row[1]), *row[2:]))

    def conflict(self, conflict: Conflict[bytes]) -> Conflict[Any]:
        """With its values decoded: a document's field has a JSON value."""

        def version(one: Version[bytes]) -> Version[Any]:
            if one.value is None:
                return one
            value = self.decode(conflict.key, one.value) if conflict.field is None else JSON.decode(one.value)
            return Version(value, one.unix_ms, one.device)

        return dataclasses.replace(conflict, versions=tuple(version(one) for one in conflict.versions))

    def _place(self, key: str | None) -> str:
        return f"{self.kind} `{self.name}`" if key is None else f"`{key}` of {self.kind} `{self.name}`"


class Keyed(Protocol[T]):
    """A map, or documents."""

    @property
    def _records(self) -> Records[T, Any]: ...
    def put(self, key: str, value: T) -> Any: ...


class Patchable(Protocol):
    """Documents."""

    @property
    def _records(self) -> Records[Any, Any]: ...
    def patch(self, id: str, fields: Mapping[str, object]) -> Any: ...


class Appendable(Protocol[T]):
    """A log."""

    @property
    def _records(self) -> Records[T, Any]: ...
    def append(self, value: T) -> Any: ...


class Gathered:
    """What a batch gathers until it is written."""

    def __init__(self, native: _tidelock.Vault) -> None:
        check_open(native)
        self._native = native
        self._changes: list[_Change] = []

    def put(self, collection: Keyed[T], key: str, value: T) -> None:
        """Sets a record of a map, or a whole document."""
        self._changes.append(collection._records.put(key, value))

    def patch(self, documents: Patchable, id: str, fields: Mapping[str, object]) -> None:
        """Sets fields of a document; `None` removes one."""
        self._changes.append(documents._records.patch(id, fields))

    def append(self, log: Appendable[T], value: T) -> None:
        """Adds an entry to a log."""
        self._changes.append(log._records.append(value))

    def delete(self, collection: Keyed[Any] | Appendable[Any], key: str) -> None:
        """Removes a record of a map, a document, or an entry of a log for ever."""
        self._changes.append(collection._records.delete(key))

    def _write(self, error: BaseException | None) -> "_tidelock.Work[list[str]] | None":
        """The write of what was gathered; none after an error, or where nothing was."""
        changes, self._changes = self._changes, []
        return self._native.write(changes) if error is None and changes else None


def imported(records: Records[T, Any], entries: Iterable[tuple[int, T]]) -> list[tuple[int, bytes]]:
    """Entries for an import: unix ms and encoded value."""
    return [(unix_ms, records.encode(value)) for unix_ms, value in entries]


def check_open(native: _tidelock.Vault) -> None:
    if not native.is_open():
        raise ClosedError("the vault was closed", next_step="open it again")


def public_name(cls: type) -> str:
    """A class's name as callers import it: every public class is in its package."""
    return f"{cls.__module__.rpartition('.')[0]}.{cls.__qualname__}"
