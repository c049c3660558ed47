"""Runs the tests on the package as pip installs it: built by maturin, in a virtual environment made anew."""

import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
environment = Path(os.environ["CARGO_TARGET_DIR"]) / "python"
try:
    venv.create(environment, clear=True, with_pip=True)
except subprocess.CalledProcessError:
    sys.exit("no virtual environment can be made: install Debian's package `python3-venv`")
python = environment / "bin" / "python"


def run(*words: str | Path) -> None:
    subprocess.run([python, "-m", *words], check=True)


run("pip", "install", "--quiet", "maturin==1.16.0", "pytest==9.0.2")
run("maturin", "build", "--quiet", "--locked", "--out", environment / "wheels", "--interpreter", python,
    "--manifest-path", HERE.parent / "Cargo.toml")
run("pip", "install", "--quiet", *(environment / "wheels").glob("*.whl"))
run("pytest", "--quiet", "-p", "no:cacheprovider", HERE)
