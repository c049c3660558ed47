"""How a vault is reached: the caller's options as the extension module takes them."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from os import PathLike, fspath
from os.path import expanduser
from typing import Any, Protocol, TypedDict, TypeVar

from ._types import Credentials, Passphrase, Profile, RecoveryCode, Request, Response, SignedUrl, Signer, UnsignedRequest
from .errors import AuthError, InvalidError, NetworkError

T = TypeVar("T")
R = TypeVar("R")
Calls = Callable[[Callable[..., Any], Callable[[Any], Any]], Callable[..., Any]]
"""`blocking` or `on_loop`."""
Pairs = list[tuple[str, str]]


class BotocoreSession(Protocol):
    """A session of boto3 or botocore: asked for its credentials each time keys are needed."""

    def get_credentials(self) -> Any: ...


CredentialsSource = Credentials | Profile | BotocoreSession | Callable[[], Credentials]
"""Where keys come from; by default AWS's chain, and what `tidelock credentials set` saved."""

PresignSource = Signer | Callable[[UnsignedRequest], SignedUrl]
Transport = Callable[[Request], Response]


class Options(TypedDict, total=False):
    """What `create`, `join` and `open` take beside the store and the local folder."""

    device: str | None
    """What people call this device; by default the host's name."""
    credentials: CredentialsSource | None
    presign: PresignSource | None
    """Who signs each request, where this device has no keys."""
    transport: Transport | None
    """Sends each request, in place of the built-in HTTP client."""
    timeout: float
    """A request's deadline in seconds (30); its body has a second more for each 16 KiB."""
    retries: int
    """How often one request is tried again (5)."""
    concurrency: int
    """Requests in flight at once (8)."""
    compression: bool
    """Whether what is stored in bulk is compressed (yes)."""


def given(
    store: str, local: str | PathLike[str], passphrase: str | None, options: Options, calls: Calls
) -> dict[str, object]:
    """The dictionary of `options.rs`. `calls` wraps a callable of the user's."""
    known = Options.__annotations__
    if unknown := options.keys() - known.keys():
        raise TypeError(f"unknown option {min(unknown)!r}; the options are {', '.join(sorted(known))}")
    return {
        "store": store,
        "local": expanduser(fspath(local)),
        "passphrase": passphrase,
        "device": options.get("device"),
        "credentials": _credentials(options.get("credentials"), calls),
        "presign": _presign(options.get("presign"), calls),
        "transport": _transport(options.get("transport"), calls),
        "timeout": options.get("timeout", 30.0),
        "retries": options.get("retries", 5),
        "concurrency": options.get("concurrency", 8),
        "compression": options.get("compression", True),
    }


def secret(given: RecoveryCode | Passphrase | str) -> tuple[str, str]:
    """A secret's form and text."""
    if isinstance(given, RecoveryCode):
        return "recovery", given.reveal()
    if isinstance(given, Passphrase):
        return "passphrase", given.text
    if isinstance(given, str):
        return "text", given
    raise TypeError(f"a secret is a RecoveryCode, a Passphrase or a str, not {type(given).__name__}")


def blocking(function: Callable[..., T], convert: Callable[[T], R]) -> Callable[..., R]:
    """For blocking vaults: the function, and what it gives as the extension module takes it."""
    if inspect.iscoroutinefunction(function):
        raise TypeError("a blocking vault takes no coroutine function: use tidelock.aio")
    return lambda *arguments: convert(function(*arguments))


def on_loop(function: Callable[..., T | Awaitable[T]], convert: Callable[[T], R]) -> Callable[..., R | Future[R]]:
    """For asyncio vaults: coroutines run on the loop that opened the vault, and give a future."""
    loop = asyncio.get_running_loop()

    def call(*arguments: Any) -> R | Future[R]:
        answer = function(*arguments)
        if not inspect.isawaitable(answer):
            return convert(answer)
        work = _converted(answer, convert)
        try:
            return asyncio.run_coroutine_threadsafe(work, loop)
        except RuntimeError:
            work.close()
            if inspect.iscoroutine(answer):
                answer.close()
            raise NetworkError("the event loop that opened the vault is closed") from None

    return call


async def _converted(answer: Awaitable[T], convert: Callable[[T], R]) -> R:
    return convert(await answer)


def _credentials(source: CredentialsSource | None, calls: Calls) -> object:
    match source:
        case None:
            return None
        case Profile(name):
            return name
        case Credentials():
            return _keys(source)
    if hasattr(source, "get_credentials"):
        session: BotocoreSession = source
        return lambda: _session_keys(session)
    if callable(source):
        return calls(source, _keys)
    raise TypeError(f"credentials are Credentials, a Profile, a boto3 session or a callable, not {type(source).__name__}")


def _keys(credentials: Credentials) -> tuple[str, str, str | None, int | None]:
    if not isinstance(credentials, Credentials):
        raise TypeError(f"the callable gave {type(credentials).__name__} in place of Credentials")
    ends = credentials.expires_at
    if ends is not None and ends.tzinfo is None:
        raise InvalidError("`expires_at` has no time zone", next_step="give a time in UTC")
    unix_ms = None if ends is None else max(0, int(ends.timestamp() * 1000))
    return credentials.access_key, credentials.secret_key, credentials.session_token, unix_ms


def _session_keys(session: BotocoreSession) -> tuple[str, str, str | None, int | None]:
    found = session.get_credentials()
    if found is None:
        raise AuthError("the boto3 session has no credentials")
    frozen = found.get_frozen_credentials()
    # Refreshable ones renew themselves when they are asked for within 15 minutes of their end.
    ends = getattr(found, "_expiry_time", None)
    unix_ms = None if ends is None else int(ends.timestamp() * 1000)
    return frozen.access_key, frozen.secret_key, frozen.token, unix_ms


def _presign(source: PresignSource | None, calls: Calls) -> object:
    if source is None:
        return None
    if isinstance(source, Signer):
        file = None if source.token_file is None else fspath(source.token_file)
        return source.url, file, None if source.token is None else calls(source.token, str)
    ask = calls(source, _signed)

    def presign(method: str, url: str, key: str | None, query: Pairs, headers: Pairs, body_bytes: int) -> object:
        return ask(UnsignedRequest(method, url, key, tuple(query), tuple(headers), body_bytes))

    return presign


def _signed(signed: SignedUrl) -> tuple[str, Pairs, int | None]:
    return signed.url, list(signed.headers), signed.expires_s


def _transport(send: Transport | None, calls: Calls) -> object:
    if send is None:
        return None
    ask = calls(send, _answered)

    def transport(
        method: str, url: str, headers: Pairs, body: bytes, max_response_bytes: int, timeout_s: float
    ) -> object:
        return ask(Request(method, url, tuple(headers), body, max_response_bytes, timeout_s))

    return transport


def _answered(answer: Response) -> tuple[int, Pairs, bytes]:
    return answer.status, [(str(name), str(value)) for name, value in answer.headers], bytes(answer.body)
