"""What goes on until it is closed, for blocking code: a watch's reports, a collection's changes."""

from types import TracebackType
from typing import Generic, Self, TypeVar

from . import _tidelock
from ._types import Changes, SyncReport
from .errors import TidelockError, TimeoutError

__all__ = ["ChangeStream", "Watch"]

T = TypeVar("T")


class _Stream(Generic[T]):
    """An iterator, and a context manager that ends it."""

    def __init__(self, stream: _tidelock.Stream, timeout: float | None = None) -> None:
        self._stream = stream
        self._timeout = timeout

    def close(self) -> None:
        """Ends it; again is no error."""
        self._stream.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            item: T | None = self._stream.next().wait(self._timeout)
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
