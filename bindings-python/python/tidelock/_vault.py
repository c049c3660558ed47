"""A vault for blocking code."""

from collections.abc import Iterator
from os import PathLike
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self, TypeVar, Unpack, overload

from . import _options, _tidelock
from ._collections import Documents, Log, Map
from ._handle import Handle, private
from ._options import Options
from ._progress import ProgressTo, told
from ._records import PAGE, Gathered, Records, codec_of
from ._streams import Watch
from ._types import (
    Conflict,
    Device,
    Diagnosis,
    ImportReport,
    Passphrase,
    RecoveryCode,
    Status,
    SyncReport,
)
from .codecs import JSON, Codec

__all__ = ["Batch", "Created", "Vault"]

T = TypeVar("T")


class Vault(Handle):
    """A vault on this device: its records, and what keeps them in step with the bucket.

    Reads and writes are local and need no network; `sync` and its kin bring both sides together. A vault is a context
    manager and may be used from any number of threads. After a fork it is closed in the child. Several processes may
    have one local store open at once.
    """

    @classmethod
    def create(
        cls, store: str, local: str | PathLike[str], *, passphrase: str | None = None, **options: Unpack[Options]
    ) -> "Created":
        """Makes a new vault at the store, with this as its first device; gives it with its recovery code.

        `store` is `s3://bucket/prefix?region=…` or `file:///folder`, `local` a folder of this device's own. A passphrase
        is a second way in. A `create` that broke off is resumed by calling it again.

        Raises AlreadyExistsError if the store has a vault.
        """
        given = _options.given(store, local, passphrase, options, _options.blocking)
        native, code = _tidelock.Vault.create(given).wait()
        return Created(cls._of(native), RecoveryCode(code))

    @classmethod
    def join(
        cls,
        store: str,
        local: str | PathLike[str],
        secret: RecoveryCode | Passphrase | str,
        **options: Unpack[Options],
    ) -> Self:
        """Adds this device to the vault at the store, and brings it up to date.

        A str is taken for a recovery code if it reads as one, else for a passphrase.

        Raises WrongKeyError if the secret does not open the vault, NotFoundError if the store has none.
        """
        given = _options.given(store, local, None, options, _options.blocking)
        return cls._of(_tidelock.Vault.join(given, *_options.secret(secret)).wait())

    @classmethod
    def open(cls, store: str, local: str | PathLike[str], **options: Unpack[Options]) -> Self:
        """Opens what this device has. No request is made.

        Raises NotFoundError if this device has created or joined no vault in this folder.
        """
        given = _options.given(store, local, None, options, _options.blocking)
        return cls._of(_tidelock.Vault.open(given).wait())

    def close(self) -> None:
        """Cancels what runs and closes everything; again is no error."""
        if self._native.is_open():
            self._native.close().wait()

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
        """Documents: JSON objects whose fields merge one by one. They are made by their first write.

        A pydantic model or a dataclass is a codec, too; any other gives the bytes of a JSON object.
        """
        return Documents(Records(self._native, "documents", name, codec_of(codec, JSON)))

    @overload
    def log(self, name: str, codec: None = None) -> Log[bytes]: ...
    @overload
    def log(self, name: str, codec: Codec[T] | type[T]) -> Log[T]: ...
    def log(self, name: str, codec: Codec[Any] | type[Any] | None = None) -> Log[Any]:
        """A log: entries that are added and removed, never changed. It is made by its first entry."""
        return Log(Records(self._native, "log", name, codec_of(codec)))

    def batch(self) -> "Batch":
        """Writes to any number of collections, all or nothing, when its `with` block ends without an exception."""
        return Batch(self._native)

    # Between this device and the bucket

    def sync(self, *, progress: ProgressTo | None = None, timeout: float | None = None) -> SyncReport:
        """Pulls and pushes. While another process of this device syncs, it waits for its turn, as all of these do.

        `timeout` is for the whole, in seconds: TimeoutError cancels it, and a later sync goes on.
        """
        return self._operate("sync", progress, timeout)

    def pull(self, *, progress: ProgressTo | None = None, timeout: float | None = None) -> SyncReport:
        """Takes what other devices published."""
        return self._operate("pull", progress, timeout)

    def push(self, *, progress: ProgressTo | None = None, timeout: float | None = None) -> SyncReport:
        """Publishes what is pending."""
        return self._operate("push", progress, timeout)

    def check(self, *, progress: ProgressTo | None = None, timeout: float | None = None) -> SyncReport:
        """A sync that looks at everything again, in place of trusting hints."""
        return self._operate("check", progress, timeout)

    def republish(self, *, progress: ProgressTo | None = None, timeout: float | None = None) -> SyncReport:
        """Publishes everything this device has, after a rollback or a wiped bucket was reported."""
        return self._operate("republish", progress, timeout)

    def _operate(self, name: str, progress: ProgressTo | None, timeout: float | None) -> SyncReport:
        with told(progress) as tell:
            return self._native.operate(name, tell).wait(timeout)

    def watch(self) -> Watch:
        """Keeps syncing: at once, after local writes, and every 30 to 60 s, more rarely when nothing happens.

        It yields each sync's report, or the TidelockError it failed with; it goes on after errors, and until it is closed.
        """
        return Watch(self._native.watch())

    def conflicts(self) -> Iterator[Conflict[bytes]]:
        """Every key with concurrent values, and every field of a document."""
        position = None
        while page := self._native.conflicts(position, PAGE).wait():
            yield from page
            position = page[-1].kind, page[-1].collection, page[-1].key, page[-1].field

    def status(self) -> Status:
        """The state of the vault on this device. No request is made."""
        return self._native.status().wait()

    def doctor(self, *, origin: str | None = None) -> Diagnosis:
        """Finds out, in at most twelve requests, what is wrong with the store; for web pages of `origin`, too."""
        return self._native.doctor(origin).wait()

    # Who may open it

    def devices(self) -> list[Device]:
        """Every known device, this one included."""
        return list(self.status().devices)

    def retire_device(self, id: str) -> SyncReport:
        """Nobody waits for another device any more. It is expected again once it publishes."""
        return self._native.change_device("retire", id).wait()

    def revoke_device(self, id: str) -> SyncReport:
        """Shuts another device out: keys are rotated, and what it publishes from now on does not count.

        Withdraw its bucket credentials, too. A revocation that broke off is finished by the next sync.
        """
        return self._native.change_device("revoke", id).wait()

    def adopt_device(self, id: str) -> SyncReport:
        """Takes what a revoked device published after it was revoked."""
        return self._native.change_device("adopt", id).wait()

    def set_passphrase(self, passphrase: str | None) -> None:
        """Sets, changes or (with `None`) removes the passphrase. Keys are rotated."""
        self._native.set_passphrase(passphrase).wait()

    def replace_recovery_code(self) -> RecoveryCode:
        """Replaces the recovery code; gives the new one. Keys are rotated."""
        return RecoveryCode(self._native.replace_recovery_code().wait())

    # Archives

    def export_archive(self, file: str | PathLike[str] | BinaryIO) -> int:
        """Writes everything into an archive (`docs/ARCHIVE.md`), in clear; gives the number of records.

        A path is a new file, which only its owner may read.
        """
        if isinstance(file, (str, PathLike)):
            with open(file, "xb", opener=private) as opened:
                return self.export_archive(opened)
        return self._native.export_archive(file).wait()

    def import_archive(self, file: str | PathLike[str] | BinaryIO) -> ImportReport:
        """Takes in what an archive holds and this device has not; importing twice changes nothing.

        Raises InvalidError with the line that is not of an archive; records before it stay imported.
        """
        if isinstance(file, (str, PathLike)):
            with open(file, "rb") as opened:
                return self.import_archive(opened)
        return self._native.import_archive(file).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Created(NamedTuple):
    """A new vault and, this once, its recovery code. As a context manager it closes the vault."""

    vault: Vault
    recovery_code: RecoveryCode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.vault.close()


class Batch(Gathered):
    """Changes that are written together: all or nothing, at most 5,000; each field of a document is one."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if write := self._write(error):
            write.wait()
