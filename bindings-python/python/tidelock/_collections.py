"""Maps, documents and logs for blocking code."""

from collections.abc import ItemsView, Iterable, Iterator, Mapping, MutableMapping, ValuesView
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._records import E, Range, Records, imported, public_name
from ._streams import ChangeStream, Live
from ._types import Conflict, Document, Entry

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from ._tidelock import _Row

__all__ = ["Documents", "Log", "Map"]

T = TypeVar("T")


class _Collection(Generic[T, E]):
    """What maps, documents and logs have in common; `E` is what their lists are of."""

    def __init__(self, records: Records[T, E]) -> None:
        self._records = records

    @property
    def name(self) -> str:
        """The collection's name."""
        return self._records.name

    def entry(self, key: str) -> E | None:
        """A value with what is known of it."""
        row = self._records.get(key).wait()
        return None if row is None else self._records.entry(row)

    def delete(self, key: str) -> None:
        """Removes a record, a document, or an entry of a log for ever; one that is not there is no error."""
        self._records.write(self._records.delete(key)).wait()

    def list(self, *, start: str = "", end: str | None = None, prefix: str | None = None) -> Iterator[E]:
        """What is in a range by ascending key: from `start` to before `end`, or with a prefix."""
        return (self._records.entry(row) for row in self._rows(Range(start, end, prefix)))

    def changes(self, *, timeout: float | None = None) -> ChangeStream:
        """Yields whenever a sync or this vault changed the collection, from now on.

        Changes that wait to be taken are taken together. It ends when the vault closes, or when nothing changed for
        `timeout` seconds.
        """
        return ChangeStream(self._records.changes(), timeout)

    def live(
        self,
        *,
        start: str = "",
        end: str | None = None,
        prefix: str | None = None,
        timeout: float | None = None,
    ) -> Live[E]:
        """Yields the list of a range now, and again whenever it changed; it ends as `changes` does."""
        # The changes are listened to before the first list is read: none is lost between.
        return Live(self.changes(timeout=timeout), self._records, Range(start, end, prefix), self._rows)

    def to_pandas(self, *, start: str = "", end: str | None = None, prefix: str | None = None) -> "pandas.DataFrame":
        """A range as a DataFrame indexed by key. Needs `tidelock[pandas]`."""
        from ._frames import to_pandas

        return to_pandas(self.list(start=start, end=end, prefix=prefix))

    def to_arrow(self, *, start: str = "", end: str | None = None, prefix: str | None = None) -> "pyarrow.Table":
        """A range as a table with a column `key`. Needs `tidelock[arrow]`."""
        from ._frames import to_arrow

        return to_arrow(self.list(start=start, end=end, prefix=prefix))

    def __repr__(self) -> str:
        return f"<{public_name(type(self))} {self.name!r}>"

    def _rows(self, range: Range) -> "Iterator[_Row]":
        start = range.start
        while page := self._records.page(start, range.end).wait():
            yield from page
            start = self._records.after(page)


class _Mapping(_Collection[T, E], MutableMapping[str, T]):
    """A collection as a dict, with its keys in ascending order."""

    def put(self, key: str, value: T) -> None:
        """Sets a record of a map, or a whole document: `collection[key] = value`. Durable on return."""
        self._records.write(self._records.put(key, value)).wait()

    def _conflicts(self) -> Iterator[Conflict[Any]]:
        position = self._records.first_position()
        while page := self._records.conflicts(position).wait():
            for conflict in page:
                if (conflict.kind, conflict.collection) != position[:2]:
                    return
                yield self._records.conflict(conflict)
            position = (*position[:2], page[-1].key, page[-1].field)

    def __getitem__(self, key: str) -> T:
        row = self._records.get(key).wait()
        if row is None:
            raise KeyError(key)
        return self._records.decode(*row[:2])

    def __setitem__(self, key: str, value: T) -> None:
        self.put(key, value)

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self.delete(key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._records.get(key).wait() is not None

    def __iter__(self) -> Iterator[str]:
        return (row[0] for row in self._rows(Range("", None, None)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def items(self) -> ItemsView[str, T]:
        """Keys and values, read in pages."""
        return _Items(self)

    def values(self) -> ValuesView[T]:
        """Values, read in pages."""
        return _Values(self)

    def update(self, *others: Any, **more: T) -> None:
        """Sets many values, 1,000 records or one document at once: what comes before an error stays written."""
        values: dict[str, T] = dict(*others, **more)
        for write in self._records.batches([self._records.put(key, value) for key, value in values.items()]):
            write.wait()

    def clear(self) -> None:
        """Removes everything, 1,000 records or one document at once."""
        for write in self._records.batches([self._records.delete(key) for key in self]):
            write.wait()

    def __bool__(self) -> bool:
        return next(iter(self), None) is not None

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def _pairs(self) -> Iterator[tuple[str, T]]:
        return ((row[0], self._records.decode(*row[:2])) for row in self._rows(Range("", None, None)))


class _Items(ItemsView[str, T]):
    """Reads pages, where the standard one reads key by key."""

    _mapping: _Mapping[T, Any]

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return self._mapping._pairs()


class _Values(ValuesView[T]):
    _mapping: _Mapping[T, Any]

    def __iter__(self) -> Iterator[T]:
        return (value for _, value in self._mapping._pairs())


class Map(_Mapping[T, Entry[T]]):
    """A map of a vault: keys (1 to 512 bytes) with values (at most 256 KiB), in the order of their keys.

    Concurrent values of a key are kept: reads give the winner, `conflicts` the others, until a later put or `resolve`
    replaces them. Writes are durable on return.
    """

    def conflicts(self) -> Iterator[Conflict[T]]:
        """The keys with concurrent values."""
        return self._conflicts()

    def resolve(self, key: str, value: T | None) -> None:
        """Ends a conflict with the value to keep, or with none.

        Raises NotFoundError where there is no conflict.
        """
        self._records.write(self._records.resolve(key, value)).wait()


class Documents(_Mapping[T, Document[T]]):
    """Documents of a vault: JSON objects under ids (1 to 256 bytes, no NUL) with at most 1,000 fields and 256 KiB each.

    Devices that change different fields of one document merge without a conflict. Where they change one field, reads give
    the newer value, and `conflicts` the others.
    """

    def patch(self, id: str, fields: Mapping[str, object]) -> None:
        """Sets these fields, and removes those that are `None`; the others stay. Durable on return.

        What is within a field is not merged. A document that does not exist comes to exist.
        """
        self._records.write(self._records.patch(id, fields)).wait()

    def conflicts(self) -> Iterator[Conflict[Any]]:
        """The fields with concurrent values."""
        return (conflict for conflict in self._conflicts() if conflict.field is not None)

    def resolve(self, id: str, field: str, value: object) -> None:
        """Ends the conflict of a field with the value to keep; `None` removes the field.

        Raises NotFoundError where there is no conflict.
        """
        self._records.write(self._records.resolve_field(id, field, value)).wait()


class Log(_Collection[T, Entry[T]]):
    """A log of a vault: entries (at most 256 KiB) in the order of their time. A deleted entry never comes back."""

    def append(self, value: T) -> str:
        """Adds an entry; gives its key. Durable on return."""
        return self._records.write(self._records.append(value)).wait()[0]

    def import_(self, source: str, entries: Iterable[tuple[int, T]]) -> None:
        """Adds entries that were made elsewhere, such as the lines of a file: pairs of their time in unix ms and value.

        The time is 0 where it is unknown, since it must be the same at each import. Importing twice, or a source that
        lost entries, changes nothing.
        """
        self._records.native.import_log(self.name, source, imported(self._records, entries)).wait()

    def get(self, key: str) -> T | None:
        """An entry by its key."""
        row = self._records.get(key).wait()
        return None if row is None else self._records.decode(*row[:2])

    def __iter__(self) -> Iterator[T]:
        """The values, oldest first."""
        return (entry.value for entry in self.list())
