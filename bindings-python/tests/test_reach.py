"""How a bucket is reached: credentials, presigned requests, transports of the caller's own."""

import asyncio
import datetime
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import tidelock
from tidelock import AuthError, Credentials, Profile, Request, Response, SignedUrl, UnsignedRequest, aio

from conftest import KEYS

ACCESS_KEY = os.environ["AWS_ACCESS_KEY_ID"]
SECRET_KEY = os.environ["AWS_SECRET_ACCESS_KEY"]


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch, served: str, tmp_path: Path) -> str:
    """A store whose keys are not in the environment."""
    assert served
    for name in KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return served


def test_given_credentials(no_keys: str, tmp_path: Path) -> None:
    with tidelock.Vault.create(no_keys, tmp_path / "a", credentials=Credentials(ACCESS_KEY, SECRET_KEY)) as (vault, _):
        vault.sync()
    with pytest.raises(AuthError):
        tidelock.Vault.create(no_keys + "&path_style=true", tmp_path / "b", credentials=Credentials("A", "wrong"))


def test_no_credentials_is_an_auth_error(no_keys: str, tmp_path: Path) -> None:
    with pytest.raises(AuthError, match="AWS_ACCESS_KEY_ID"):
        tidelock.Vault.create(no_keys, tmp_path / "a")


def test_a_profile(no_keys: str, tmp_path: Path) -> None:
    keys = f"aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    (tmp_path / "credentials").write_text(f"[mine]\n{keys}")
    with tidelock.Vault.create(no_keys, tmp_path / "a", credentials=Profile("mine")) as (vault, _):
        vault.sync()
    with pytest.raises(AuthError):
        tidelock.Vault.create(no_keys, tmp_path / "b", credentials=Profile("none"))


def test_a_callable_is_asked_again_before_the_end(no_keys: str, tmp_path: Path) -> None:
    asked = 0

    def short_lived() -> Credentials:
        nonlocal asked
        asked += 1
        ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
        return Credentials(ACCESS_KEY, SECRET_KEY, expires_at=ends)

    with tidelock.Vault.create(no_keys, tmp_path / "a", credentials=short_lived) as (vault, _):
        vault.sync()
        first = asked
        vault.sync()
        assert asked > first >= 1


def test_what_a_callable_raises_is_named_without_its_words(no_keys: str, tmp_path: Path) -> None:
    def refuse() -> Credentials:
        raise RuntimeError("PLANTED")

    with pytest.raises(AuthError, match="RuntimeError") as raised:
        tidelock.Vault.create(no_keys, tmp_path / "a", credentials=refuse)
    assert "PLANTED" not in str(raised.value)

    def say() -> Credentials:
        raise AuthError("sign in again")

    with pytest.raises(AuthError, match="sign in again"):
        tidelock.Vault.create(no_keys, tmp_path / "a", credentials=say)
    with pytest.raises(AuthError, match="TypeError"):
        tidelock.Vault.create(no_keys, tmp_path / "a", credentials=lambda: "no credentials")  # type: ignore
    with pytest.raises(TypeError, match="boto3"):
        tidelock.Vault.create(no_keys, tmp_path / "a", credentials=5)  # type: ignore[arg-type]


def test_a_boto3_session(no_keys: str, tmp_path: Path) -> None:
    boto3 = pytest.importorskip("boto3")
    session = boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)
    with tidelock.Vault.create(no_keys, tmp_path / "a", credentials=session) as (vault, _):
        vault.sync()
    with pytest.raises(AuthError, match="has no credentials"):
        tidelock.Vault.create(no_keys, tmp_path / "b", credentials=boto3.Session())


def signer(store: str) -> Callable[[UnsignedRequest], SignedUrl]:
    """Signs as a service with keys would, by boto3."""
    boto3 = pytest.importorskip("boto3")
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as BotocoreCredentials

    assert boto3
    auth = S3SigV4QueryAuth(BotocoreCredentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1", expires=300)

    def sign(request: UnsignedRequest) -> SignedUrl:
        to_sign = AWSRequest(request.method, request.url, headers=dict(request.headers))
        auth.add_auth(to_sign)
        return SignedUrl(to_sign.prepare().url)

    return sign


def test_a_callable_that_presigns(no_keys: str, tmp_path: Path) -> None:
    sign = signer(no_keys)
    with tidelock.Vault.create(no_keys, tmp_path / "a", presign=sign) as (vault, code):
        vault["notes"]["a"] = b"1"
        vault.sync()
        with tidelock.Vault.join(no_keys, tmp_path / "b", code, presign=sign) as other:
            assert other["notes"]["a"] == b"1"

    def elsewhere(request: UnsignedRequest) -> SignedUrl:
        return SignedUrl(sign(request).url.replace("127.0.0.1", "127.0.0.2"))

    with pytest.raises(tidelock.TidelockError):
        tidelock.Vault.join(no_keys, tmp_path / "c", code, presign=elsewhere)


def test_a_signers_address_is_checked(no_keys: str, tmp_path: Path) -> None:
    for url in ("http://sign.example/presign", "ftp://sign.example"):
        with pytest.raises(tidelock.InvalidError):
            tidelock.Vault.create(no_keys, tmp_path / "a", presign=tidelock.Signer(url))


def requests_transport() -> Callable[[Request], Response]:
    requests = pytest.importorskip("requests")
    session = requests.Session()

    def send(request: Request) -> Response:
        with session.request(
            request.method,
            request.url,
            headers=dict(request.headers),
            data=request.body,
            timeout=request.timeout_s,
            allow_redirects=False,
            stream=True,
        ) as answer:
            body = answer.raw.read(request.max_response_bytes + 1)
            return Response(answer.status_code, tuple(answer.headers.items()), body)

    return send


def test_a_transport_by_requests(served: str, tmp_path: Path) -> None:
    send, seen = requests_transport(), []

    def counted(request: Request) -> Response:
        seen.append(request)
        return send(request)

    with tidelock.Vault.create(served, tmp_path / "a", transport=counted) as (vault, code):
        vault["notes"]["a"] = b"1"
        vault.sync()
        with tidelock.Vault.join(served, tmp_path / "b", code, transport=send) as other:
            assert other["notes"]["a"] == b"1"
        assert len(seen) == vault.status().meter.requests
        assert vault.doctor().problem is None


async def test_a_transport_by_httpx(served: str, tmp_path: Path) -> None:
    httpx = pytest.importorskip("httpx")
    async with httpx.AsyncClient() as client:

        async def send(request: Request) -> Response:
            answer = await client.request(
                request.method, request.url, headers=request.headers, content=request.body, timeout=request.timeout_s
            )
            return Response(answer.status_code, tuple(answer.headers.items()), answer.content)

        async with aio.Vault.create(served, tmp_path / "a", transport=send) as (vault, _):
            await vault["notes"].put("a", b"1")
            assert (await vault.sync()).ops_published == 1


def test_what_a_transport_raises_is_a_network_error(served: str, tmp_path: Path) -> None:
    def broken(request: Request) -> Response:
        raise OSError(f"no way to {request.url}")

    with pytest.raises(tidelock.NetworkError, match="OSError") as raised:
        tidelock.Vault.create(served, tmp_path / "a", transport=broken, retries=0)
    assert "no way" not in str(raised.value)

    def slow(request: Request) -> Response:
        raise TimeoutError

    with pytest.raises(tidelock.TimeoutError):
        tidelock.Vault.create(served, tmp_path / "a", transport=slow, retries=0)
    # An answer that is too long is damage: here, of the header of a vault that seems to be there.
    with pytest.raises(tidelock.AlreadyExistsError, match="damaged"):
        tidelock.Vault.create(
            served, tmp_path / "a", transport=lambda request: Response(200, (), bytes(200 << 20)), retries=0
        )


def test_a_blocking_vault_takes_no_coroutine_functions(served: str, tmp_path: Path) -> None:
    async def send(request: Request) -> Response:
        raise AssertionError

    with pytest.raises(TypeError, match="tidelock.aio"):
        tidelock.Vault.create(served, tmp_path / "a", transport=send)  # type: ignore[arg-type]


async def test_an_asynchronous_callable_for_credentials(no_keys: str, tmp_path: Path) -> None:
    async def find() -> Credentials:
        await asyncio.sleep(0.01)
        return Credentials(ACCESS_KEY, SECRET_KEY)

    async with aio.Vault.create(no_keys, tmp_path / "a", credentials=find) as (vault, _):
        await vault.sync()


def test_a_callable_outlives_its_loop(served: str, tmp_path: Path) -> None:
    """A coroutine function has no loop to run on once its own is closed: an error, no hang."""

    async def send(request: Request) -> Response:
        raise AssertionError("it never runs")

    async def open() -> aio.Vault:
        async with aio.Vault.create(served, tmp_path / "a"):
            pass
        return await aio.Vault.open(served, tmp_path / "a", transport=send, retries=0)

    vault = asyncio.run(open())

    async def use() -> None:
        with pytest.raises(tidelock.NetworkError):
            await vault.sync()
        await vault.close()

    asyncio.run(use())
