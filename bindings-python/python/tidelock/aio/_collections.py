"""Maps, documents and logs for asyncio."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._records import E, Range, Records, imported, public_name
from .._types import Conflict, Document, Entry
from ._finish import finish
from ._streams import ChangeStream, Live

if TYPE_CHECKING:
    from .._tidelock import _Change, _Row

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

    async def get(self, key: str) -> T | None:
        """A value; `None` where there is none."""
        row = await finish(self._records.get(key))
        return None if row is None else self._records.decode(*row[:2])

    async def entry(self, key: str) -> E | None:
        """A value with what is known of it."""
        row = await finish(self._records.get(key))
        return None if row is None else self._records.entry(row)

    async def delete(self, key: str) -> None:
        """Removes a record, a document, or an entry of a log for ever; one that is not there is no error."""
        await self._write(self._records.delete(key))

    async def list(self, *, start: str = "", end: str | None = None, prefix: str | None = None) -> AsyncIterator[E]:
        """What is in a range by ascending key: from `start` to before `end`, or with a prefix."""
        async for row in self._rows(Range(start, end, prefix)):
            yield self._records.entry(row)

    def changes(self) -> ChangeStream:
        """Yields whenever a sync or this vault changed the collection, from now on, until the vault closes.

        Changes that wait to be taken are taken together.
        """
        return ChangeStream(self._records.changes())

    def live(self, *, start: str = "", end: str | None = None, prefix: str | None = None) -> Live[E]:
        """Yields the list of a range now, and again whenever it changed, until the vault closes."""
        # The changes are listened to before the first list is read: none is lost between.
        return Live(self.changes(), self._records, Range(start, end, prefix), self._rows)

    def __aiter__(self) -> AsyncIterator[E]:
        return self.list()

    def __repr__(self) -> str:
        return f"<{public_name(type(self))} {self.name!r}>"

    async def _rows(self, range: Range) -> "AsyncIterator[_Row]":
        start = range.start
        while page := await finish(self._records.page(start, range.end)):
            for row in page:
                yield row
            start = self._records.after(page)

    async def _write(self, change: "_Change") -> str:
        """Gives the key."""
        return (await finish(self._records.write(change)))[0]


class _Keyed(_Collection[T, E]):
    """A collection of values under keys of the caller's."""

    async def put(self, key: str, value: T) -> None:
        """Sets a record of a map, or a whole document. Durable on return."""
        await self._write(self._records.put(key, value))

    async def update(self, values: Mapping[str, T]) -> None:
        """Sets many values, 1,000 records or one document at once: what comes before an error stays written."""
        for write in self._records.batches([self._records.put(key, value) for key, value in values.items()]):
            await finish(write)

    async def _conflicts(self) -> AsyncIterator[Conflict[Any]]:
        position = self._records.first_position()
        while page := await finish(self._records.conflicts(position)):
            for conflict in page:
                if (conflict.kind, conflict.collection) != position[:2]:
                    return
                yield self._records.conflict(conflict)
            position = (*position[:2], page[-1].key, page[-1].field)


class Map(_Keyed[T, Entry[T]]):
    """A map of a vault: keys (1 to 512 bytes) with values (at most 256 KiB), in the order of their keys."""

    def conflicts(self) -> AsyncIterator[Conflict[T]]:
        """The keys with concurrent values."""
        return self._conflicts()

    async def resolve(self, key: str, value: T | None) -> None:
        """Ends a conflict with the value to keep, or with none.

        Raises NotFoundError where there is no conflict.
        """
        await self._write(self._records.resolve(key, value))


class Documents(_Keyed[T, Document[T]]):
    """Documents of a vault: JSON objects whose fields merge one by one, as `tidelock.Documents`."""

    async def patch(self, id: str, fields: Mapping[str, object]) -> None:
        """Sets these fields, and removes those that are `None`; the others stay. Durable on return.

        What is within a field is not merged. A document that does not exist comes to exist.
        """
        await self._write(self._records.patch(id, fields))

    async def conflicts(self) -> AsyncIterator[Conflict[Any]]:
        """The fields with concurrent values."""
        async for conflict in self._conflicts():
            if conflict.field is not None:
                yield conflict

    async def resolve(self, id: str, field: str, value: object) -> None:
        """Ends the conflict of a field with the value to keep; `None` removes the field.

        Raises NotFoundError where there is no conflict.
        """
        await self._write(self._records.resolve_field(id, field, value))


class Log(_Collection[T, Entry[T]]):
    """A log of a vault: entries (at most 256 KiB) in the order of their time. A deleted entry never comes back."""

    async def append(self, value: T) -> str:
        """Adds an entry; gives its key. Durable on return."""
        return await self._write(self._records.append(value))

    async def import_(self, source: str, entries: Iterable[tuple[int, T]]) -> None:
        """Adds entries that were made elsewhere, as `tidelock.Log.import_` does."""
        await finish(self._records.native.import_log(self.name, source, imported(self._records, entries)))
