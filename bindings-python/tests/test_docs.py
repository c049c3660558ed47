"""Every example of the README and of `examples/python` runs, on the embedded server."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

import tidelock

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "python"
README = (ROOT / "bindings-python" / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
STORE = "s3://my-bucket/notes?region=eu-central-1"


def run(program: str, folder: Path) -> str:
    words = [sys.executable, "-X", "dev", "-W", "error", "-c", program]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_the_quick_start_is_short() -> None:
    assert len(BLOCKS[0].strip().splitlines()) <= 20


def test_the_blocks_of_the_readme(served: str, tmp_path: Path) -> None:
    """One after the other, as a reader would: the first one makes the vault."""
    pytest.importorskip("requests")
    printed = [run(block.replace(STORE, served), tmp_path) for block in BLOCKS]
    assert printed[0] == "{'milk': {'litres': 2}}\n"
    assert printed[1].splitlines()[0].startswith("2026/11/24 21.5 ")
    assert printed[3] == "{'place': 'Brest', 'rating': 5}\n"
    assert printed[5] == "['milk']\n"
    assert len(printed) == 8


def test_the_readme_names_every_error() -> None:
    names = {cls.__name__ for cls in tidelock.TidelockError.__subclasses__()}
    assert names <= set(re.findall(r"\w+Error", README))


def test_a_csv_reaches_two_devices(served: str, tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    (tmp_path / "readings.csv").write_text("sensor,value\nkitchen,21.5\nhall,19\n")
    words = [sys.executable, str(EXAMPLES / "csv_to_two_devices.py"), "readings.csv", served]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert "ops_published=2" in done.stdout and "kitchen" in done.stdout and "'replaced'" in done.stdout


def test_shell_history(served: str, tmp_path: Path) -> None:
    script = EXAMPLES / "shell_history.py"
    with tidelock.Vault.create(served, tmp_path / "history"):
        pass
    environment = {**os.environ, "HISTORY_STORE": served, "HISTORY_LOCAL": str(tmp_path / "history")}

    def history(*words: str) -> str:
        command = [sys.executable, str(script), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60).stdout

    history("add", "git status")
    (tmp_path / "old").write_text("git log\nls\n")
    for _ in range(2):
        history("import", str(tmp_path / "old"))
    assert "ops_published=3" in history("sync")
    found = history("search", "git").splitlines()
    assert len(found) == 2
    history("delete", found[0].split()[0])
    assert len(history("search", "git").splitlines()) == 1
    assert len(script.read_text().split('"""')[2].strip().splitlines()) <= 32


def test_a_service(served: str, tmp_path: Path) -> None:
    with tidelock.Vault.create(served, tmp_path / "notes") as (vault, code):
        vault.sync()
        words = [sys.executable, str(EXAMPLES / "service.py"), served, str(tmp_path / "notes"), "0"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as service:
            try:
                assert service.stdout is not None
                url = service.stdout.readline().strip()
                put = urllib.request.Request(f"{url}/milk", b"two litres", method="PUT")
                assert urllib.request.urlopen(put, timeout=10).status == 200
                assert urllib.request.urlopen(f"{url}/milk", timeout=10).read() == b"two litres"
                with tidelock.Vault.join(served, tmp_path / "other", code) as other:
                    deadline = time.monotonic() + 40
                    while "milk" not in other["notes"] and time.monotonic() < deadline:
                        other.pull()
                        time.sleep(0.2)
                    assert other["notes"]["milk"] == b"two litres"
            finally:
                service.terminate()
