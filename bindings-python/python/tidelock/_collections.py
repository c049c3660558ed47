"""Maps and logs for blocking code."""

from collections.abc import ItemsView, Iterable, Iterator, MutableMapping, Sequence, ValuesView
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._records import BATCH, Change, Values, after, imported, key_range
from ._streams import ChangeStream
from ._types import Conflict, Entry

if TYPE_CHECKING:
    import pandas
    import pyarrow

__all__ = ["Log", "Map"]

T = TypeVar("T")


class Map(MutableMapping[str, T]):
    """A map of a vault: keys (1 to 512 bytes) with values (at most 256 KiB), in the order of their keys.

    Concurrent values of a key are kept: reads give the winner, `conflicts` the others, until a later put or `resolve`
    replaces them. Writes are durable on return.
    """

    def __init__(self, values: Values[T]) -> None:
        self._values = values

    @property
    def name(self) -> str:
        """The map's name."""
        return self._values.name

    def put(self, key: str, value: T) -> None:
        """Sets a record: `map[key] = value`."""
        self._write("put", key, self._values.encode(value, key))

    def entry(self, key: str) -> Entry[T] | None:
        """A record with what is known of it."""
        record = self._values.native.get("map", self.name, key).wait()
        return None if record is None else self._values.entry_at(key, record)

    def delete(self, key: str) -> None:
        """Removes a record; one that is not there is no error."""
        self._write("delete", key, None)

    def list(self, *, start: str = "", end: str | None = None, prefix: str | None = None) -> Iterator[Entry[T]]:
        """The records of a range by ascending key: from `start` to before `end`, or with a prefix."""
        for row in self._rows(*key_range(start, end, prefix)):
            yield self._values.entry(row)

    def resolve(self, key: str, value: T | None) -> None:
        """Ends a conflict with the value to keep, or with none.

        Raises NotFoundError where there is no conflict.
        """
        self._write("resolve", key, None if value is None else self._values.encode(value, key))

    def conflicts(self) -> Iterator[Conflict[T]]:
        """The keys with concurrent values."""
        position = "map", self.name, ""
        while page := self._values.native.conflicts(position, BATCH).wait():
            for conflict in page:
                if (conflict.kind, conflict.collection) != ("map", self.name):
                    return
                yield self._values.conflict(conflict)
            position = "map", self.name, page[-1].key

    def changes(self, *, timeout: float | None = None) -> ChangeStream:
        """Yields whenever a sync or this vault changed the map, from now on.

        It ends when the vault closes, or when nothing changed for `timeout` seconds.
        """
        return ChangeStream(self._values.native.changes("map", self.name), timeout)

    def to_pandas(self, *, start: str = "", end: str | None = None, prefix: str | None = None) -> "pandas.DataFrame":
        """The records of a range as a DataFrame indexed by key. Needs `tidelock[pandas]`."""
        from ._frames import to_pandas

        return to_pandas(self.list(start=start, end=end, prefix=prefix))

    def to_arrow(self, *, start: str = "", end: str | None = None, prefix: str | None = None) -> "pyarrow.Table":
        """The records of a range as a table with a column `key`. Needs `tidelock[arrow]`."""
        from ._frames import to_arrow

        return to_arrow(self.list(start=start, end=end, prefix=prefix))

    def __getitem__(self, key: str) -> T:
        record = self._values.native.get("map", self.name, key).wait()
        if record is None:
            raise KeyError(key)
        return self._values.decode(key, record[0])

    def __setitem__(self, key: str, value: T) -> None:
        self.put(key, value)

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self.delete(key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._values.native.get("map", self.name, key).wait() is not None

    def __iter__(self) -> Iterator[str]:
        return (row[0] for row in self._rows("", None))

    def __len__(self) -> int:
        return sum(1 for _ in self._rows("", None))

    def items(self) -> ItemsView[str, T]:
        """Keys and values, read in pages."""
        return _Items(self)

    def values(self) -> ValuesView[T]:
        """Values, read in pages."""
        return _Values(self)

    def update(self, *others: Any, **more: T) -> None:
        """Sets many records, 1,000 at once: what comes before an error stays written."""
        values: dict[str, T] = dict(*others, **more)
        self._write_all([("put", self.name, key, self._values.encode(value, key)) for key, value in values.items()])

    def clear(self) -> None:
        """Removes every record, 1,000 at once."""
        self._write_all([("delete", self.name, key, None) for key in self])

    def __bool__(self) -> bool:
        return next(iter(self), None) is not None

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<tidelock.Map {self.name!r}>"

    def _rows(self, start: str, end: str | None) -> Iterator[Any]:
        while page := self._values.page(start, end).wait():
            yield from page
            start = after(page[-1][0])

    def _write(self, what: str, key: str, value: bytes | None) -> None:
        self._values.native.write([(what, self.name, key, value)]).wait()

    def _write_all(self, changes: Sequence[Change]) -> None:
        for first in range(0, len(changes), BATCH):
            self._values.native.write(changes[first : first + BATCH]).wait()


class _Items(ItemsView[str, T]):
    """Reads pages, where the standard one reads key by key."""

    _mapping: Map[T]

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return ((entry.key, entry.value) for entry in self._mapping.list())


class _Values(ValuesView[T]):
    _mapping: Map[T]

    def __iter__(self) -> Iterator[T]:
        return (entry.value for entry in self._mapping.list())


class Log(Generic[T]):
    """A log of a vault: entries (at most 256 KiB) in the order of their time. A deleted entry never comes back."""

    def __init__(self, values: Values[T]) -> None:
        self._values = values

    @property
    def name(self) -> str:
        """The log's name."""
        return self._values.name

    def append(self, value: T) -> str:
        """Adds an entry; gives its key. Durable on return."""
        change = ("append", self.name, None, self._values.encode(value))
        key: str = self._values.native.write([change]).wait()[0]
        return key

    def import_(self, source: str, entries: Iterable[tuple[int, T]]) -> None:
        """Adds entries that were made elsewhere, such as the lines of a file: pairs of their time in unix ms and value.

        The time is 0 where it is unknown, since it must be the same at each import. Importing twice, or a source that
        lost entries, changes nothing.
        """
        self._values.native.import_log(self.name, source, imported(self._values, entries)).wait()

    def get(self, key: str) -> T | None:
        """An entry by its key."""
        entry = self.entry(key)
        return None if entry is None else entry.value

    def entry(self, key: str) -> Entry[T] | None:
        """An entry with what is known of it."""
        record = self._values.native.get("log", self.name, key).wait()
        return None if record is None else self._values.entry_at(key, record)

    def delete(self, key: str) -> None:
        """Removes an entry for ever, from every device; one that is not there is no error."""
        self._values.native.write([("delete-entry", self.name, key, None)]).wait()

    def list(self, *, start: str = "", end: str | None = None) -> Iterator[Entry[T]]:
        """The entries of a range of keys, oldest first."""
        while page := self._values.page(start, end).wait():
            for row in page:
                yield self._values.entry(row)
            start = after(page[-1][0])

    def changes(self, *, timeout: float | None = None) -> ChangeStream:
        """Yields whenever a sync or this vault changed the log, as `Map.changes` does."""
        return ChangeStream(self._values.native.changes("log", self.name), timeout)

    def __iter__(self) -> Iterator[T]:
        """The values, oldest first."""
        return (entry.value for entry in self.list())

    def __repr__(self) -> str:
        return f"<tidelock.Log {self.name!r}>"
