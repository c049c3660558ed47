"""A vault for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from os import PathLike
from types import TracebackType
from typing import Any, BinaryIO, Generic, NamedTuple, Protocol, Self, TypedDict, TypeVar, Unpack, overload

from .. import _options, _tidelock
from .._handle import Handle, private
from .._options import BotocoreSession
from .._progress import ProgressTo, told
from .._records import PAGE, Gathered, Records, codec_of
from .._types import (
    Conflict,
    Credentials,
    Device,
    Diagnosis,
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
from ..codecs import JSON, Codec
from ..errors import TidelockError, TimeoutError
from ._collections import Documents, Log, Map
from ._finish import finish
from ._streams import Watch

__all__ = ["Batch", "Created", "Opening", "Options", "Vault"]

T = TypeVar("T")


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


class Vault(Handle):
    """A vault on this device, as `tidelock.Vault`."""

    @classmethod
    def create(
        cls, store: str, local: str | PathLike[str], *, passphrase: str | None = None, **options: Unpack[Options]
    ) -> "Opening[Created]":
        """Makes a new vault at the store, with this as its first device; gives it with its recovery code."""

        async def create() -> Created:
            given = _given(store, local, passphrase, options)
            native, code = await finish(_tidelock.Vault.create(given))
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
            return cls._of(await finish(_tidelock.Vault.join(given, *_options.secret(secret))))

        return Opening(join)

    @classmethod
    def open(cls, store: str, local: str | PathLike[str], **options: Unpack[Options]) -> Opening[Self]:
        """Opens what this device has. No request is made."""

        async def open() -> Self:
            return cls._of(await finish(_tidelock.Vault.open(_given(store, local, None, options))))

        return Opening(open)

    async def close(self) -> None:
        """Cancels what runs and closes everything; again is no error."""
        if self._native.is_open():
            await finish(self._native.close())

    # Collections

    @overload
    def collection(self, name: str, codec: None = None) -> Map[bytes]: ...
    @overload
    def collection(self, name: str, codec: Codec[T] | type[T]) -> Map[T]: ...
    def collection(self, name: str, codec: Codec[Any] | type[Any] | None = None) -> Map[Any]:
        """A map: keys with values. It is made by its first write. A pydantic model or a dataclass is a codec, too."""
        return Map(Records(self._native, "map", name, codec_of(codec)))

    def __getitem__(self, name: str) -> Map[bytes]:
        """A map of bytes."""
        return self.collection(name)

    @overload
    def documents(self, name: str, codec: None = None) -> Documents[dict[str, Any]]: ...
    @overload
    def documents(self, name: str, codec: Codec[T] | type[T]) -> Documents[T]: ...
    def documents(self, name: str, codec: Codec[Any] | type[Any] | None = None) -> Documents[Any]:
        """Documents: JSON objects whose fields merge one by one. They are made by their first write."""
        return Documents(Records(self._native, "documents", name, codec_of(codec, JSON)))

    @overload
    def log(self, name: str, codec: None = None) -> Log[bytes]: ...
    @overload
    def log(self, name: str, codec: Codec[T] | type[T]) -> Log[T]: ...
    def log(self, name: str, codec: Codec[Any] | type[Any] | None = None) -> Log[Any]:
        """A log: entries that are added and removed, never changed. It is made by its first entry."""
        return Log(Records(self._native, "log", name, codec_of(codec)))

    def batch(self) -> "Batch":
        """Writes to any number of collections, all or nothing, when its `async with` block ends without an exception."""
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
        with told(progress) as tell:
            try:
                async with asyncio.timeout(timeout) as limit:
                    return await finish(self._native.operate(name, tell))
            except asyncio.TimeoutError as error:
                if isinstance(error, TidelockError) or not limit.expired():
                    raise
                raise TimeoutError("it took longer than the given time", retryable=True) from None

    def watch(self) -> Watch:
        """Keeps syncing; yields each sync's report, or the TidelockError it failed with, until it is closed."""
        return Watch(self._native.watch())

    async def conflicts(self) -> AsyncIterator[Conflict[bytes]]:
        """Every key with concurrent values, and every field of a document."""
        position = None
        while page := await finish(self._native.conflicts(position, PAGE)):
            for conflict in page:
                yield conflict
            position = page[-1].kind, page[-1].collection, page[-1].key, page[-1].field

    async def status(self) -> Status:
        """The state of the vault on this device. No request is made."""
        return await finish(self._native.status())

    async def doctor(self, *, origin: str | None = None) -> Diagnosis:
        """Finds out, in at most twelve requests, what is wrong with the store; for web pages of `origin`, too."""
        return await finish(self._native.doctor(origin))

    # Who may open it

    async def devices(self) -> list[Device]:
        """Every known device, this one included."""
        return list((await self.status()).devices)

    async def retire_device(self, id: str) -> SyncReport:
        """Nobody waits for another device any more. It is expected again once it publishes."""
        return await finish(self._native.change_device("retire", id))

    async def revoke_device(self, id: str) -> SyncReport:
        """Shuts another device out: keys are rotated, and what it publishes from now on does not count."""
        return await finish(self._native.change_device("revoke", id))

    async def adopt_device(self, id: str) -> SyncReport:
        """Takes what a revoked device published after it was revoked."""
        return await finish(self._native.change_device("adopt", id))

    async def set_passphrase(self, passphrase: str | None) -> None:
        """Sets, changes or (with `None`) removes the passphrase. Keys are rotated."""
        await finish(self._native.set_passphrase(passphrase))

    async def replace_recovery_code(self) -> RecoveryCode:
        """Replaces the recovery code; gives the new one. Keys are rotated."""
        return RecoveryCode(await finish(self._native.replace_recovery_code()))

    # Archives

    async def export_archive(self, file: str | PathLike[str] | BinaryIO) -> int:
        """Writes everything into an archive, in clear; gives the number of records. A path is a new file."""
        if isinstance(file, (str, PathLike)):
            with open(file, "xb", opener=private) as opened:
                return await self.export_archive(opened)
        return await finish(self._native.export_archive(file))

    async def import_archive(self, file: str | PathLike[str] | BinaryIO) -> ImportReport:
        """Takes in what an archive holds and this device has not; importing twice changes nothing."""
        if isinstance(file, (str, PathLike)):
            with open(file, "rb") as opened:
                return await self.import_archive(opened)
        return await finish(self._native.import_archive(file))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


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


class Batch(Gathered):
    """Changes that are written together: all or nothing, at most 5,000; each field of a document is one."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if write := self._write(error):
            await finish(write)
