"""What goes on until it is closed, for blocking code: a watch's reports, a collection's changes, a live query."""

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from . import _tidelock
from ._records import E, Range, Records
from ._types import Changes, SyncReport
from .errors import ClosedError, TidelockError, TimeoutError

if TYPE_CHECKING:
    from ._tidelock import _Row

__all__ = ["ChangeStream", "Live", "Watch"]

T = TypeVar("T")


class _Stream(Generic[T]):
    """An iterator, and a context manager that ends it."""

    def __init__(self, stream: _tidelock.Stream[T], timeout: float | None = None) -> None:
        self._stream = stream
        self._timeout = timeout

    def close(self) -> None:
        """Ends it; again is no error."""
        self._stream.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            item = self._stream.next().wait(self._timeout)
        except TimeoutError:
            raise StopIteration from None
        if item is None:
            raise StopIteration
        return item

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Watch(_Stream[SyncReport | TidelockError]):
    """The reports of a vault that keeps syncing."""


class ChangeStream(_Stream[Changes]):
    """The changes of a collection."""


class Live(Generic[E]):
    """The entries of a range: now, and again whenever one of them changed. A context manager that ends it."""

    def __init__(
        self, changes: ChangeStream, records: Records[Any, E], range: Range, read: "Callable[[Range], Iterable[_Row]]"
    ) -> None:
        self._changes = changes
        self._records = records
        self._range = range
        self._read = read
        self._rows: list[_Row] | None = None
        self._is_stale = True

    def close(self) -> None:
        """Ends it; again is no error."""
        self._changes.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> list[E]:
        before = self._rows
        while self._rows == before:
            # A read that Ctrl-C ended is done again.
            self._is_stale = self._is_stale or self._range.has_any(next(self._changes))
            if self._is_stale:
                try:
                    self._rows = list(self._read(self._range))
                except ClosedError:
                    raise StopIteration from None
                self._is_stale = False
        return [self._records.entry(row) for row in self._rows or []]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
