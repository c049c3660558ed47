"""Real stores for the tests: the embedded server, a folder, and each server that `cargo xtask servers` started."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import tidelock

KEYS = {"AWS_ACCESS_KEY_ID": "GK746964656c6f636b2d746573", "AWS_SECRET_ACCESS_KEY": "6f6e6c792d666f722d6c6f6f70626163"}
for name, value in KEYS.items():
    os.environ.setdefault(name, value)

PREFIX = "TIDELOCK_TEST_"
SERVERS = sorted(name.removeprefix(PREFIX).lower() for name in os.environ if name.startswith(PREFIX))


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The embedded server, with a bucket `tidelock`."""
    folder = tmp_path_factory.mktemp("buckets")
    (folder / "tidelock").mkdir()
    words = [sys.executable, "-m", "tidelock", "--json", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield json.loads(server.stdout.readline())["endpoint"]
        finally:
            server.terminate()


@pytest.fixture
def served(endpoint: str) -> str:
    """A fresh store on the embedded server."""
    return at(endpoint)


@pytest.fixture(params=["serve", "folder", *SERVERS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh store of each kind there is."""
    if request.param == "serve":
        return at(request.getfixturevalue("endpoint"))
    if request.param == "folder":
        (tmp_path / "store").mkdir()
        return f"file://{tmp_path}/store"
    return at(os.environ[PREFIX + request.param.upper()])


def at(endpoint: str) -> str:
    return f"s3://tidelock/{uuid.uuid4().hex}?endpoint={endpoint}"


@dataclass
class Pair:
    """Two devices of one vault."""

    store: str
    folder: Path
    recovery_code: tidelock.RecoveryCode
    laptop: tidelock.Vault
    phone: tidelock.Vault
    others: list[tidelock.Vault] = field(default_factory=list)

    def both_sync(self) -> None:
        """Both have what either has."""
        self.laptop.sync()
        self.phone.sync()
        self.laptop.sync()


def pair_at(store: str, folder: Path) -> Iterator[Pair]:
    with tidelock.Vault.create(store, folder / "laptop", device="laptop") as (laptop, code):
        laptop.sync()
        with tidelock.Vault.join(store, folder / "phone", code, device="phone") as phone:
            yield Pair(store, folder, code, laptop, phone)


@pytest.fixture
def pair(store: str, tmp_path: Path) -> Iterator[Pair]:
    """Two devices at each store there is."""
    yield from pair_at(store, tmp_path)


@pytest.fixture
def served_pair(served: str, tmp_path: Path) -> Iterator[Pair]:
    """Two devices at the embedded server."""
    yield from pair_at(served, tmp_path)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[tidelock.Vault]:
    """A vault in a folder, for what needs no server."""
    (tmp_path / "store").mkdir()
    with tidelock.Vault.create(f"file://{tmp_path}/store", tmp_path / "local") as (vault, _):
        yield vault


@pytest.fixture
def run_python() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs a program in an interpreter of its own, where every warning counts."""

    def run(program: str, *words: str, check: bool = True, timeout: float = 120) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", program, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        assert not check or (done.returncode, done.stderr) == (0, ""), done.stderr
        return done

    return run
