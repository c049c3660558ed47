"""What goes on until it is closed, for asyncio: a watch's reports, a collection's changes, a live query."""

from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .. import _tidelock
from .._records import E, Range, Records
from .._types import Changes, SyncReport
from ..errors import ClosedError, TidelockError
from ._finish import finish

if TYPE_CHECKING:
    from .._tidelock import _Row

__all__ = ["ChangeStream", "Live", "Watch"]

T = TypeVar("T")


class _Stream(Generic[T]):
    """An async iterator, and a context manager that ends it."""

    def __init__(self, stream: _tidelock.Stream[T]) -> None:
        self._stream = stream

    async def close(self) -> None:
        """Ends it; again is no error."""
        self._stream.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        item = await finish(self._stream.next())
        if item is None:
            raise StopAsyncIteration
        return item

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Watch(_Stream[SyncReport | TidelockError]):
    """The reports of a vault that keeps syncing."""


class ChangeStream(_Stream[Changes]):
    """The changes of a collection."""


class Live(Generic[E]):
    """The entries of a range: now, and again whenever one of them changed. A context manager that ends it."""

    def __init__(
        self,
        changes: ChangeStream,
        records: Records[Any, E],
        range: Range,
        read: "Callable[[Range], AsyncIterator[_Row]]",
    ) -> None:
        self._changes = changes
        self._records = records
        self._range = range
        self._read = read
        self._rows: list[_Row] | None = None
        self._is_stale = True

    async def close(self) -> None:
        """Ends it; again is no error."""
        await self._changes.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[E]:
        before = self._rows
        while self._rows == before:
            # A wait that is cancelled while it reads reads again.
            self._is_stale = self._is_stale or self._range.has_any(await anext(self._changes))
            if self._is_stale:
                try:
                    self._rows = [row async for row in self._read(self._range)]
                except ClosedError:
                    raise StopAsyncIteration from None
                self._is_stale = False
        return [self._records.entry(row) for row in self._rows or []]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
