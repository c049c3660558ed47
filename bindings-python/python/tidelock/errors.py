"""What goes wrong: one exception class for each kind of error, all of them `TidelockError`."""

import builtins
from typing import ClassVar, final

__all__ = [
    "AlreadyExistsError",
    "AuthError",
    "BusyError",
    "CancelledError",
    "ClockSkewError",
    "ClosedError",
    "CorruptError",
    "ForkedError",
    "HashMismatchError",
    "InternalError",
    "InvalidError",
    "LocalStoreError",
    "NetworkError",
    "NotFoundError",
    "RevokedError",
    "RolledBackError",
    "ThrottledError",
    "TidelockError",
    "TimeoutError",
    "UnsupportedError",
    "WipedError",
    "WrongKeyError",
]


class TidelockError(Exception):
    """An error of Tidelock. It never holds a secret, a signed URL or a value."""

    kind: ClassVar[str] = "internal"
    """The kind's name, the same in every language and in the command's JSON."""

    def __init__(
        self, message: str, *, object: str | None = None, next_step: str | None = None, retryable: bool = False
    ) -> None:
        super().__init__(message)
        self.message = message
        """What failed and why."""
        self.object = object
        """What it happened on: a bucket key, a file, a record."""
        self.next_step = next_step
        """What a person does next."""
        self.retryable = retryable
        """Whether the same call may succeed later."""

    def __str__(self) -> str:
        text = self.message
        if self.object is not None:
            text += f": `{self.object}`"
        if self.next_step is not None:
            text += f" ({self.next_step})"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.object, self.next_step, self.retryable)


def _rebuild(
    cls: type[TidelockError], message: str, object: str | None, next_step: str | None, retryable: bool
) -> TidelockError:
    return cls(message, object=object, next_step=next_step, retryable=retryable)


@final
class InvalidError(TidelockError, ValueError):
    """The caller's input breaks a documented limit or form."""

    kind = "invalid"


@final
class AuthError(TidelockError):
    """The store refused the credentials or the permission, or there are no credentials."""

    kind = "auth"


@final
class NotFoundError(TidelockError):
    """The vault, the bucket, or an object that must exist, does not. A missing record is a `KeyError` or `None`."""

    kind = "not-found"


@final
class AlreadyExistsError(TidelockError):
    """The store has a vault already."""

    kind = "already-exists"


@final
class ThrottledError(TidelockError):
    """The store asked for fewer requests; retries ran out."""

    kind = "throttled"


@final
class TimeoutError(TidelockError, builtins.TimeoutError):
    """No answer within the deadline."""

    kind = "timeout"


@final
class NetworkError(TidelockError):
    """The store could not be reached, or answered what no S3 server should; retries ran out."""

    kind = "network"


@final
class CorruptError(TidelockError):
    """An object, or the local store's content, fails its checks."""

    kind = "corrupt"


@final
class HashMismatchError(TidelockError):
    """Content does not have the hash it is named by."""

    kind = "hash-mismatch"


@final
class WrongKeyError(TidelockError):
    """The recovery code, passphrase or device key does not open the vault."""

    kind = "wrong-key"


@final
class RolledBackError(TidelockError):
    """The bucket shows an older state than before."""

    kind = "rolled-back"


@final
class ForkedError(TidelockError):
    """Two copies of one device write to the vault."""

    kind = "forked"


@final
class WipedError(TidelockError):
    """The vault's objects are gone from the bucket."""

    kind = "wiped"


@final
class ClockSkewError(TidelockError):
    """The device's clock is too far from the store's to sign requests."""

    kind = "clock-skew"


@final
class LocalStoreError(TidelockError):
    """The device's own store failed: full, read-only, locked or damaged."""

    kind = "local-store"


@final
class BusyError(TidelockError):
    """Another process uses it."""

    kind = "busy"


@final
class UnsupportedError(TidelockError):
    """The store, or this version, cannot do this."""

    kind = "unsupported"


@final
class CancelledError(TidelockError):
    """The operation was cancelled. A cancelled asyncio task gets `asyncio.CancelledError`, as always."""

    kind = "cancelled"


@final
class ClosedError(TidelockError):
    """The vault was closed, or belongs to the process that forked this one."""

    kind = "closed"


@final
class RevokedError(TidelockError):
    """This device was revoked: join the vault again to go on."""

    kind = "revoked"


@final
class InternalError(TidelockError):
    """A defect of Tidelock."""

    kind = "internal"


_OF_KIND: dict[str, type[TidelockError]] = {cls.kind: cls for cls in TidelockError.__subclasses__()}


def of_kind(kind: str, message: str, object: str | None, next_step: str | None, retryable: bool) -> TidelockError:
    """The exception of a kind; the extension module calls it."""
    return _OF_KIND[kind](message, object=object, next_step=next_step, retryable=retryable)
