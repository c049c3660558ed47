"""The same for asyncio: every call that takes time is awaited, and cancelling its task cancels it.

    async with tidelock.aio.Vault.open("s3://my-bucket/notes?region=eu-central-1", "~/.local/share/notes") as vault:
        todo = vault.collection("todo", tidelock.JSON)
        await todo.put("milk", {"litres": 2})
        await vault.sync()

Callables for credentials, signed URLs and transports may be coroutine functions: they run on the event loop that opened
the vault.
"""

import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable
from os import PathLike
from types import TracebackType
from typing import Any, BinaryIO, Generic, NamedTuple, NoReturn, Protocol, Self, TypedDict, TypeVar, Unpack, overload

from . import _options, _progress, _tidelock
from ._exit import close_at_exit
from ._options import BotocoreSession
from ._records import BATCH, PAGE, Change, Values, after, check_open, codec_of, imported, key_range
from ._types import (
    Changes,
    Conflict,
    Credentials,
    Device,
    Diagnosis,
    Entry,
    ImportReport,
    Passphrase,
    Profile,
    RecoveryCode,
    Request,
    Response,
    SignedUrl,
    Signer,
    Status,
    SyncReport,
    UnsignedRequest,
)
from ._vault import ProgressTo, private
from .codecs import Codec
from .errors import TidelockError, TimeoutError

__all__ = ["Batch", "ChangeStream", "Created", "Log", "Map", "Opening", "Options", "Vault", "Watch"]

T = TypeVar("T")


async def _finish(work: _tidelock.Work) -> Any:
    """Waits for work on the running loop."""
    loop = asyncio.get_running_loop()
    try:
        while True:
            woken = loop.create_future()
            done = work.poll(_waker(loop, woken))
            if done is not None:
                return done[0]
            await woken
    finally:
        work.cancel()


def _waker(loop: asyncio.AbstractEventLoop, woken: "asyncio.Future[None]") -> Callable[[], None]:
    def set_woken() -> None:
        if not woken.done():
            woken.set_result(None)

    def wake() -> None:
        if not loop.is_closed():
            try:
                loop.call_soon_threadsafe(set_woken)
            except RuntimeError:
                pass  # it was closed this very moment

    return wake


class Options(TypedDict, total=False):
    """What `create`, `join` and `open` take beside the store and the local folder: those of `tidelock.Options`."""

    device: str | None
    credentials: (
        Credentials | Profile | BotocoreSession | Callable[[], Credentials] | Callable[[], Awaitable[Credentials]] | None
    )
    presign: Signer | Callable[[UnsignedRequest], SignedUrl] | Callable[[UnsignedRequest], Awaitable[SignedUrl]] | None
    transport: Callable[[Request], Response] | Callable[[Request], Awaitable[Response]] | None
    timeout: float
    retries: int
    concurrency: int
    compression: bool


class _Closes(Protocol):
    async def close(self) -> None: ...


V = TypeVar("V", bound=_Closes)


class Opening(Generic[V]):
    """A vault that opens when it is awaited, or for an `async with` block, which closes it."""

    def __init__(self, opening: Callable[[], Awaitable[V]]) -> None:
        self._opening = opening
        self._opened: V | None = None

    def __await__(self) -> Generator[Any, Any, V]:
        return self._opening().__await__()

    async def __aenter__(self) -> V:
        self._opened = await self._opening()
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.close()


class Vault:
    """A vault on this device, as `tidelock.Vault`."""

    _native: _tidelock.Vault

    def __init__(self) -> None:
        raise TypeError("a vault is made by Vault.create, Vault.join or Vault.open")

    @classmethod
    def create(
        cls, store: str, local: str | PathLike[str], *, passphrase: str | None = None, **options: Unpack[Options]
    ) -> "Opening[Created]":
        """Makes a new vault at the store, with this as its first device; gives it with its recovery code."""

        async def create() -> Created:
            given = _given(store, local, passphrase, options)
            native, code = await _finish(_tidelock.Vault.create(given))
            return Created(cls._of(native), RecoveryCode(code))

        return Opening(create)

    @classmethod
    def join(
        cls,
        store: str,
        local: str | PathLike[str],
        secret: RecoveryCode | Passphrase | str,
        **options: Unpack[Options],
    ) -> Opening[Self]:
        """Adds this device to the vault at the store, and brings it up to date."""

        async def join() -> Self:
            given = _given(store, local, None, options)
            return cls._of(await _finish(_tidelock.Vault.join(given, *_options.secret(secret))))

        return Opening(join)

    @classmethod
    def open(cls, store: str, local: str | PathLike[str], **options: Unpack[Options]) -> Opening[Self]:
        """Opens what this device has. No request is made."""

        async def open() -> Self:
            return cls._of(await _finish(_tidelock.Vault.open(_given(store, local, None, options))))

        return Opening(open)

    @classmethod
    def _of(cls, native: _tidelock.Vault) -> Self:
        vault = object.__new__(cls)
        vault._native = native
        close_at_exit(native)
        return vault

    async def close(self) -> None:
        """Cancels what runs and closes everything; again is no error."""
        if self._native.is_open():
            await _finish(self._native.close())

    @property
    def closed(self) -> bool:
        """Whether it was closed, or belongs to the process that forked this one."""
        return not self._native.is_open()

    # Collections

    @overload
    def collection(self, name: str, codec: None = None) -> "Map[bytes]": ...
    @overload
    def collection(self, name: str, codec: Codec[T] | type[T]) -> "Map[T]": ...
    def collection(self, name: str, codec: Codec[Any] | type[Any] | None = None) -> "Map[Any]":
        """A map: keys with values. It is made by its first write. A pydantic model or a dataclass is a codec, too."""
        return Map(Values(self._native, "map", name, codec_of(codec)))

    def __getitem__(self, name: str) -> "Map[bytes]":
        """A map of bytes."""
        return self.collection(name)

    @overload
    def log(self, name: str, codec: None = None) -> "Log[bytes]": ...
    @overload
    def log(self, name: str, codec: Codec[T] | type[T]) -> "Log[T]": ...
    def log(self, name: str, codec: Codec[Any] | type[Any] | None = None) -> "Log[Any]":
        """A log: entries that are added and removed, never changed. It is made by its first entry."""
        return Log(Values(self._native, "log", name, codec_of(codec)))

    def batch(self) -> "Batch":
        """Writes to any number of maps and logs, all or nothing, when its `async with` block ends without an exception."""
        check_open(self._native)
        return Batch(self._native)

    # Between this device and the bucket

    async def sync(self, *, progress: ProgressTo | None = None, timeout: float | None = None) -> SyncReport:
        """Pulls and pushes. `timeout` is for the whole, in seconds: TimeoutError cancels it."""
        return await self._operate("sync", progress, timeout)

    async def pull(self, *, progress: ProgressTo | None = None, timeout: float | None = None) -> SyncReport:
        """Takes what other devices published."""
        return await self._operate("pull", progress, timeout)

    async def push(self, *, progress: ProgressTo | None = None, timeout: float | None = None) -> SyncReport:
        """Publishes what is pending."""
        return await self._operate("push", progress, timeout)

    async def check(self, *, progress: ProgressTo | None = None, timeout: float | None = None) -> SyncReport:
        """A sync that looks at everything again, in place of trusting hints."""
        return await self._operate("check", progress, timeout)

    async def republish(self, *, progress: ProgressTo | None = None, timeout: float | None = None) -> SyncReport:
        """Publishes everything this device has, after a rollback or a wiped bucket was reported."""
        return await self._operate("republish", progress, timeout)

    async def _operate(self, name: str, progress: ProgressTo | None, timeout: float | None) -> SyncReport:
        with _progress.told(progress) as tell:
            try:
                async with asyncio.timeout(timeout) as limit:
                    report: SyncReport = await _finish(self._native.operate(name, tell))
                    return report
            except asyncio.TimeoutError as error:
                if isinstance(error, TidelockError) or not limit.expired():
                    raise
                raise TimeoutError("it took longer than the given time", retryable=True) from None

    def watch(self) -> "Watch":
        """Keeps syncing; yields each sync's report, or the TidelockError it failed with, until it is closed."""
        return Watch(self._native.watch())

    async def conflicts(self) -> AsyncIterator[Conflict[bytes]]:
        """Every key with concurrent values."""
        position: tuple[str, str, str] | None = None
        while page := await _finish(self._native.conflicts(position, PAGE)):
            for conflict in page:
                yield conflict
            position = page[-1].kind, page[-1].collection, page[-1].key

    async def status(self) -> Status:
        """The state of the vault on this device. No request is made."""
        status: Status = await _finish(self._native.status())
        return status

    async def doctor(self, *, origin: str | None = None) -> Diagnosis:
        """Finds out, in at most twelve requests, what is wrong with the store; for web pages of `origin`, too."""
        diagnosis: Diagnosis = await _finish(self._native.doctor(origin))
        return diagnosis

    # Who may open it

    async def devices(self) -> list[Device]:
        """Every known device, this one included."""
        return list((await self.status()).devices)

    async def retire_device(self, id: str) -> SyncReport:
        """Nobody waits for another device any more. It is expected again once it publishes."""
        return await self._change_device("retire", id)

    async def revoke_device(self, id: str) -> SyncReport:
        """Shuts another device out: keys are rotated, and what it publishes from now on does not count."""
        return await self._change_device("revoke", id)

    async def adopt_device(self, id: str) -> SyncReport:
        """Takes what a revoked device published after it was revoked."""
        return await self._change_device("adopt", id)

    async def _change_device(self, what: str, id: str) -> SyncReport:
        report: SyncReport = await _finish(self._native.change_device(what, id))
        return report

    async def set_passphrase(self, passphrase: str | None) -> None:
        """Sets, changes or (with `None`) removes the passphrase. Keys are rotated."""
        await _finish(self._native.set_passphrase(passphrase))

    async def replace_recovery_code(self) -> RecoveryCode:
        """Replaces the recovery code; gives the new one. Keys are rotated."""
        return RecoveryCode(await _finish(self._native.replace_recovery_code()))

    # Archives

    async def export_archive(self, file: str | PathLike[str] | BinaryIO) -> int:
        """Writes everything into an archive, in clear; gives the number of records. A path is a new file."""
        if isinstance(file, (str, PathLike)):
            with open(file, "xb", opener=private) as opened:
                return await self.export_archive(opened)
        records: int = await _finish(self._native.export_archive(file))
        return records

    async def import_archive(self, file: str | PathLike[str] | BinaryIO) -> ImportReport:
        """Takes in what an archive holds and this device has not; importing twice changes nothing."""
        if isinstance(file, (str, PathLike)):
            with open(file, "rb") as opened:
                return await self.import_archive(opened)
        report: ImportReport = await _finish(self._native.import_archive(file))
        return report

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        native = getattr(self, "_native", None)
        if native is not None and native.is_open():
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        state = " (closed)" if self.closed else ""
        return f"<tidelock.aio.Vault {self._native.store!r} in {str(self._native.local)!r}{state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a vault can't be pickled: open it where it is used, several processes may share a local store")


def _given(store: str, local: str | PathLike[str], passphrase: str | None, options: Options) -> dict[str, object]:
    # Apart from coroutine functions, which `on_loop` runs, the options are those of a blocking vault.
    return _options.given(store, local, passphrase, options, _options.on_loop)  # type: ignore[arg-type]


class Created(NamedTuple):
    """A new vault and, this once, its recovery code."""

    vault: Vault
    recovery_code: RecoveryCode

    async def close(self) -> None:
        """Closes the vault."""
        await self.vault.close()


class Map(Generic[T]):
    """A map of a vault: keys (1 to 512 bytes) with values (at most 256 KiB), in the order of their keys."""

    def __init__(self, values: Values[T]) -> None:
        self._values = values

    @property
    def name(self) -> str:
        """The map's name."""
        return self._values.name

    async def get(self, key: str) -> T | None:
        """A record's value; `None` where there is none."""
        record = await _finish(self._values.native.get("map", self.name, key))
        return None if record is None else self._values.decode(key, record[0])

    async def entry(self, key: str) -> Entry[T] | None:
        """A record with what is known of it."""
        record = await _finish(self._values.native.get("map", self.name, key))
        return None if record is None else self._values.entry_at(key, record)

    async def put(self, key: str, value: T) -> None:
        """Sets a record. Durable on return."""
        await self._write("put", key, self._values.encode(value, key))

    async def update(self, values: dict[str, T]) -> None:
        """Sets many records, 1,000 at once: what comes before an error stays written."""
        changes: list[Change] = [
            ("put", self.name, key, self._values.encode(value, key)) for key, value in values.items()
        ]
        for first in range(0, len(changes), BATCH):
            await _finish(self._values.native.write(changes[first : first + BATCH]))

    async def delete(self, key: str) -> None:
        """Removes a record; one that is not there is no error."""
        await self._write("delete", key, None)

    async def list(
        self, *, start: str = "", end: str | None = None, prefix: str | None = None
    ) -> AsyncIterator[Entry[T]]:
        """The records of a range by ascending key: from `start` to before `end`, or with a prefix."""
        start, end = key_range(start, end, prefix)
        async for entry in _entries(self._values, start, end):
            yield entry

    async def resolve(self, key: str, value: T | None) -> None:
        """Ends a conflict with the value to keep, or with none.

        Raises NotFoundError where there is no conflict.
        """
        await self._write("resolve", key, None if value is None else self._values.encode(value, key))

    async def conflicts(self) -> AsyncIterator[Conflict[T]]:
        """The keys with concurrent values."""
        position = "map", self.name, ""
        while page := await _finish(self._values.native.conflicts(position, BATCH)):
            for conflict in page:
                if (conflict.kind, conflict.collection) != ("map", self.name):
                    return
                yield self._values.conflict(conflict)
            position = "map", self.name, page[-1].key

    def changes(self) -> "ChangeStream":
        """Yields whenever a sync or this vault changed the map, from now on, until the vault closes."""
        return ChangeStream(self._values.native.changes("map", self.name))

    def __aiter__(self) -> AsyncIterator[Entry[T]]:
        return self.list()

    def __repr__(self) -> str:
        return f"<tidelock.aio.Map {self.name!r}>"

    async def _write(self, what: str, key: str, value: bytes | None) -> None:
        await _finish(self._values.native.write([(what, self.name, key, value)]))


class Log(Generic[T]):
    """A log of a vault: entries (at most 256 KiB) in the order of their time. A deleted entry never comes back."""

    def __init__(self, values: Values[T]) -> None:
        self._values = values

    @property
    def name(self) -> str:
        """The log's name."""
        return self._values.name

    async def append(self, value: T) -> str:
        """Adds an entry; gives its key. Durable on return."""
        change: Change = ("append", self.name, None, self._values.encode(value))
        key: str = (await _finish(self._values.native.write([change])))[0]
        return key

    async def import_(self, source: str, entries: Iterable[tuple[int, T]]) -> None:
        """Adds entries that were made elsewhere, as `tidelock.Log.import_` does."""
        await _finish(self._values.native.import_log(self.name, source, imported(self._values, entries)))

    async def get(self, key: str) -> T | None:
        """An entry by its key."""
        entry = await self.entry(key)
        return None if entry is None else entry.value

    async def entry(self, key: str) -> Entry[T] | None:
        """An entry with what is known of it."""
        record = await _finish(self._values.native.get("log", self.name, key))
        return None if record is None else self._values.entry_at(key, record)

    async def delete(self, key: str) -> None:
        """Removes an entry for ever, from every device; one that is not there is no error."""
        await _finish(self._values.native.write([("delete-entry", self.name, key, None)]))

    async def list(self, *, start: str = "", end: str | None = None) -> AsyncIterator[Entry[T]]:
        """The entries of a range of keys, oldest first."""
        async for entry in _entries(self._values, start, end):
            yield entry

    def changes(self) -> "ChangeStream":
        """Yields whenever a sync or this vault changed the log, from now on, until the vault closes."""
        return ChangeStream(self._values.native.changes("log", self.name))

    def __aiter__(self) -> AsyncIterator[Entry[T]]:
        return self.list()

    def __repr__(self) -> str:
        return f"<tidelock.aio.Log {self.name!r}>"


async def _entries(values: Values[T], start: str, end: str | None) -> AsyncIterator[Entry[T]]:
    while page := await _finish(values.page(start, end)):
        for row in page:
            yield values.entry(row)
        start = after(page[-1][0])


class Batch:
    """Changes that are written together: all or nothing, at most 5,000."""

    def __init__(self, native: _tidelock.Vault) -> None:
        self._native = native
        self._changes: list[Change] = []

    def put(self, map: Map[T], key: str, value: T) -> None:
        """Sets a record of a map."""
        self._changes.append(("put", map.name, key, map._values.encode(value, key)))

    def delete(self, collection: Map[Any] | Log[Any], key: str) -> None:
        """Removes a record of a map, or an entry of a log for ever."""
        what = "delete" if isinstance(collection, Map) else "delete-entry"
        self._changes.append((what, collection.name, key, None))

    def append(self, log: Log[T], value: T) -> None:
        """Adds an entry to a log."""
        self._changes.append(("append", log.name, None, log._values.encode(value)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        changes, self._changes = self._changes, []
        if kind is None and changes:
            await _finish(self._native.write(changes))


class _Stream(Generic[T]):
    """An async iterator, and a context manager that ends it."""

    def __init__(self, stream: _tidelock.Stream) -> None:
        self._stream = stream

    async def close(self) -> None:
        """Ends it; again is no error."""
        self._stream.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        item: T | None = await _finish(self._stream.next())
        if item is None:
            raise StopAsyncIteration
        return item

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()


class Watch(_Stream[SyncReport | TidelockError]):
    """The reports of a vault that keeps syncing."""


class ChangeStream(_Stream[Changes]):
    """The changes of a collection."""
