"""What calls take and give: frozen dataclasses. Those that hold a secret never show it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from os import PathLike
from typing import Generic, Literal, TypeVar

from . import _tidelock
from .errors import TidelockError

T = TypeVar("T")

__all__ = [
    "Access",
    "Changes",
    "Conflict",
    "Cors",
    "Credentials",
    "Device",
    "Diagnosis",
    "Document",
    "Entry",
    "Finding",
    "ImportReport",
    "Meter",
    "Passphrase",
    "Profile",
    "Progress",
    "RecoveryCode",
    "Request",
    "Response",
    "SignedUrl",
    "Signer",
    "Status",
    "SyncReport",
    "UnsignedRequest",
    "Version",
]


def _at(unix_ms: int | None) -> datetime | None:
    return None if unix_ms is None else datetime.fromtimestamp(unix_ms / 1000, timezone.utc)


# Records


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A record of a map, or an entry of a log."""

    key: str
    value: T
    """Of concurrent values the winner."""
    unix_ms: int
    """When it was written, by its writer's HLC timestamp, in ms since 1970."""
    device: str
    """The id of the device that wrote it."""
    siblings: int
    """How many other concurrent values the key has."""

    @property
    def written_at(self) -> datetime:
        """`unix_ms` as a time in UTC."""
        return datetime.fromtimestamp(self.unix_ms / 1000, timezone.utc)


@dataclass(frozen=True, slots=True)
class Document(Generic[T]):
    """A document: its fields merge one by one."""

    id: str
    value: T
    """Of each field the value that counts."""
    unix_ms: int
    """When the newest of its fields was written, by its writer's HLC timestamp, in ms since 1970."""
    device: str
    """The id of the device that wrote that field."""
    conflicts: int
    """How many fields have concurrent values."""
    deleted_concurrently: bool
    """Whether a device deleted the document without having seen the fields that are there."""

    @property
    def written_at(self) -> datetime:
        """`unix_ms` as a time in UTC."""
        return datetime.fromtimestamp(self.unix_ms / 1000, timezone.utc)


@dataclass(frozen=True, slots=True)
class Version(Generic[T]):
    """One of the concurrent values of a key."""

    value: T | None
    """`None` is a delete that had not seen the others."""
    unix_ms: int
    """When it was written, by its writer's HLC timestamp, in ms since 1970."""
    device: str
    """The id of the device that wrote it."""


@dataclass(frozen=True, slots=True)
class Conflict(Generic[T]):
    """A key, or a field of a document, with concurrent values."""

    kind: Literal["map", "documents"]
    collection: str
    key: str
    """Of documents the document's id."""
    field: str | None
    """Of documents the field; `None`: the document itself, which one device deleted and another wrote to."""
    versions: tuple[Version[T], ...]
    """The winner first, then the others by falling timestamp."""


@dataclass(frozen=True, slots=True)
class Changes:
    """A collection changed."""

    keys: frozenset[str] | None
    """The keys, or ids of documents, that changed; `None`: more than 256, or so many changes that some were missed."""


# What operations give


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did."""

    ops_applied: int
    """Changes of other devices that were applied here."""
    ops_published: int
    """Changes of this device that were published."""
    debts: int
    """Objects that could not be had yet; they are tried again later."""
    reports: tuple[TidelockError, ...]
    """What a person should know; the sync went on nevertheless."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running operation is."""

    phase: Literal["looking", "pulling", "pushing"]
    done: int
    total: int
    """Steps known to be needed by now; it may grow."""


@dataclass(frozen=True, slots=True)
class Meter:
    """Requests by kind, and bytes of bodies, since the local store was made."""

    get: int
    put: int
    delete: int
    list: int
    head: int
    post: int
    bytes_sent: int
    bytes_received: int

    @property
    def requests(self) -> int:
        """All requests."""
        return self.get + self.put + self.delete + self.list + self.head + self.post


@dataclass(frozen=True, slots=True)
class Device:
    """What this device knows of a device."""

    id: str
    name: str | None
    state: Literal["this", "active", "retired", "revoked"]
    quarantined: tuple[int, int] | None
    """Of a revoked device: the first and the last of its changes that do not count."""
    sequence: int
    """The sequence of its newest verified manifest."""
    applied: int
    """Its changes that were applied here without a gap."""
    seen_ms: int | None
    """When a new manifest of it was last seen, in ms since 1970 by this device's clock."""

    @property
    def seen_at(self) -> datetime | None:
        """`seen_ms` as a time in UTC."""
        return _at(self.seen_ms)


@dataclass(frozen=True, slots=True)
class Recipient:
    """What gets the vault's keys and is no device."""

    kind: Literal["recovery-code", "passphrase"]
    added_by: str
    """The id of the device that made or set it."""
    added_ms: int
    """When, in ms since 1970 by that device's clock."""

    @property
    def added_at(self) -> datetime:
        """`added_ms` as a time in UTC."""
        return datetime.fromtimestamp(self.added_ms / 1000, timezone.utc)


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a vault on this device. No request is made for it."""

    vault: str | None
    device: str | None
    devices: tuple[Device, ...]
    """Every device known, this one included."""
    recipients: tuple[Recipient, ...]
    """What else can open the vault."""
    left: tuple[str, ...]
    """The devices that this store was before: it was copied or restored, and took a new id."""
    collections: tuple[tuple[Literal["map", "log", "documents"], str], ...]
    """Kind and name of each."""
    pending: int
    """Changes that are not yet published."""
    sequence: int
    """The sequence of this device's newest manifest."""
    debts: int
    """Objects that could not be had yet."""
    conflicts: int
    """Keys with concurrent values, up to 1,000."""
    last_push_ms: int | None
    last_pull_ms: int | None
    last_error: str | None
    """What the last operation failed with; `None` once one succeeded."""
    conditional_writes: bool | None
    """Whether the store enforces conditional writes; `None`: not probed."""
    stopped: TidelockError | None
    """Why nothing is published, while it is so."""
    revoked: TidelockError | None
    """Once this device can tell that it was revoked: why, what was not taken, and how to save it."""
    untaken: int
    """Of a revoked device: its changes that no other device is known to have; else 0."""
    meter: Meter
    metered_from_ms: int | None
    """When the first request was counted, in ms since 1970."""

    @property
    def last_push_at(self) -> datetime | None:
        """The last push that succeeded, in UTC."""
        return _at(self.last_push_ms)

    @property
    def last_pull_at(self) -> datetime | None:
        """The last pull that succeeded, in UTC."""
        return _at(self.last_pull_ms)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What the import of an archive did, in records."""

    added: int
    unchanged: int
    """Here already, with the same value."""
    newer_here: int
    """Not taken: the record here is newer."""
    deleted_here: int
    """Not taken: entries of logs that were deleted here."""
    siblings: int
    """Not taken: values that had lost a conflict in the exported vault."""


@dataclass(frozen=True, slots=True)
class Access:
    """What the credentials may do; `None`: not found out."""

    list: bool | None
    get: bool | None
    put: bool | None
    delete: bool | None
    delete_many: bool | None


@dataclass(frozen=True, slots=True)
class Cors:
    """What a web page may do at the store."""

    usable: bool
    preflight: bool | None
    readable: bool | None
    refusals_readable: bool | None
    missing_methods: tuple[str, ...]
    missing_headers: tuple[str, ...]
    hidden_headers: tuple[str, ...]
    max_age_s: int | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `doctor` looked at."""

    what: str
    verdict: Literal["ok", "warning", "problem"]
    kind: str | None
    """Of a problem: the kind of error that operations fail with."""
    cause: str
    next_step: str | None
    paste: str | None
    """A command, a policy or an address for the next step."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `doctor` found out about a store, in at most twelve requests."""

    store: str
    provider: str
    requests: int
    problem: TidelockError | None
    """The first problem; without one a vault can live at the store."""
    access: Access
    conditional_writes: str | None
    listing: Literal[1, 2] | None
    etags: str | None
    listed_etags: str | None
    content_md5: bool | None
    clock_offset_ms: int | None
    """The store's clock less this device's."""
    cors: Cors | None
    findings: tuple[Finding, ...]


# Secrets


@dataclass(frozen=True, slots=True)
class RecoveryCode:
    """The code that opens a vault. `reveal` gives it; neither `str` nor `repr` shows it."""

    _code: str = field(repr=False)

    def __init__(self, text: str) -> None:
        """Checks the code as it was typed.

        Raises InvalidError for a code with a typing mistake.
        """
        object.__setattr__(self, "_code", _tidelock.check_recovery_code(text))

    def reveal(self) -> str:
        """The code, for a person to write down."""
        return self._code

    def __repr__(self) -> str:
        return "RecoveryCode(redacted)"


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A passphrase, where text might be taken for a recovery code."""

    text: str = field(repr=False)

    def __repr__(self) -> str:
        return "Passphrase(redacted)"


# How the bucket is reached


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys for the bucket; temporary ones have a session token, and mostly an end."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return "Credentials(redacted)"


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile of `~/.aws/config` or `~/.aws/credentials`."""

    name: str


@dataclass(frozen=True, slots=True)
class Signer:
    """A server that signs each request, by the protocol of `docs/PRESIGN.md`."""

    url: str
    """`https://…`; `http://` for this machine itself alone."""
    token_file: str | PathLike[str] | None = None
    """A file whose first line is the bearer token; only its owner may read it."""
    token: Callable[[], str] | None = None
    """Gives the bearer token, each time; without file and callable it is `TIDELOCK_SIGNER_TOKEN`."""


@dataclass(frozen=True, slots=True)
class UnsignedRequest:
    """A request that a presigner is to sign in its URL. It tells nothing of the body but its length."""

    method: str
    url: str
    """The whole URL. The signed one has the same scheme, host and path."""
    key: str | None
    """The object's whole key in the bucket; `None` for a listing, which is asked of the bucket."""
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    """Headers that the signature has to bind."""
    body_bytes: int


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """A signed request: whoever has it may do what it allows until it expires."""

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    """Headers to send as well; only `x-amz-…`."""
    expires_s: int | None = None
    """For how many seconds it is valid; `None`: as its URL says."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request for a transport: send it once, as it is; follow no redirect."""

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    """Beside `host` and `content-length`, which the HTTP client sets."""
    body: bytes = field(repr=False)
    max_response_bytes: int
    """A longer answer is refused; a client may stop reading there."""
    timeout_s: float
    """The vault's `timeout`; a body has a second more for each 16 KiB."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer from a transport."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
