"""Builds the wheel, and runs the tests on it as pip installs it: in a new virtual environment of the newest CPython on the
machine. Then the checks of types and of the binary interface.

`clean.py --every` makes the wheel from the sdist, as pip would, and tests it with every CPython from 3.11 on instead.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = HERE.parent
WORK = Path(os.environ["CARGO_TARGET_DIR"]) / "python"
OLDEST = 11


def run(*words: str | Path, cwd: Path | None = None, **environment: str) -> None:
    subprocess.run(words, check=True, cwd=cwd, env={**os.environ, **environment})


def version_of(python: Path) -> tuple[int, int] | None:
    """Major and minor of an interpreter; `None` for what does not start, as pyenv's shims, or is no CPython."""
    question = "import sys; print(sys.implementation.name, *sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-c", question], capture_output=True, text=True, timeout=60)
        name, major, minor = answer.stdout.split()
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return (int(major), int(minor)) if name == "cpython" else None


def interpreters() -> dict[tuple[int, int], Path]:
    """One of each version."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [Path(sys.executable), *sorted(pyenv.glob("3.*/bin/python3"))]
    found += [Path(path) for minor in range(OLDEST, 20) if (path := shutil.which(f"python3.{minor}"))]
    versions: dict[tuple[int, int], Path] = {}
    for python in found:
        version = version_of(python)
        if version is not None and version >= (3, OLDEST):
            versions.setdefault(version, python)
    return versions


def environment(python: Path, name: str, *requirements: str | Path) -> Path:
    """A fresh virtual environment with pinned packages; gives its programs' folder."""
    folder = WORK / name
    run(python, "-m", "venv", "--clear", folder)
    install(folder / "bin", *requirements)
    return folder / "bin"


def install(tools: Path, *requirements: str | Path) -> None:
    run(tools / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)


def build(python: Path, *more: str) -> Path:
    tools = environment(python, "build", "-r", HERE / "requirements-build.txt")
    out = WORK / "dist"
    shutil.rmtree(out, ignore_errors=True)
    run(tools / "maturin", "build", *more, "--quiet", "--profile", "dev", "--out", out, "--interpreter", python,
        "--manifest-path", PACKAGE / "Cargo.toml", PATH=f"{tools}:{os.environ['PATH']}")
    [wheel] = out.glob("*.whl")
    return wheel


def test(python: Path, version: tuple[int, int], wheel: Path) -> Path:
    """Gives the programs' folder of the environment."""
    name = f"{version[0]}.{version[1]}"
    tools = environment(python, name, "-r", HERE / "requirements.txt", wheel)
    # Most of a test is waiting: for the disk, and for what paces a watch. It runs away from the sources: what is tested is what
    # is installed.
    run(tools / "python", "-m", "pytest", "--quiet", "--numprocesses", "3", "--durations", "5", "--rootdir", PACKAGE,
        "--config-file", PACKAGE / "pyproject.toml", "--basetemp", WORK / f"tmp-{name}", HERE, cwd=WORK,
        PYTHONDONTWRITEBYTECODE="1")
    return tools


def check_types(tools: Path, wheel: Path) -> None:
    install(tools, "-r", HERE / "requirements-types.txt")
    settings = PACKAGE / "pyproject.toml"
    in_tools = {"PATH": f"{tools}:{os.environ['PATH']}"}
    run(tools / "mypy", "--config-file", settings, "-p", "tidelock", cwd=WORK)
    run(tools / "mypy", "--config-file", settings, HERE, *sorted((PACKAGE.parent / "examples" / "python").glob("*.py")),
        cwd=WORK)
    run(tools / "pyright", "--verifytypes", "tidelock", "--ignoreexternal", cwd=WORK, **in_tools)
    run(tools / "stubtest", "tidelock", "--mypy-config-file", settings, cwd=WORK)
    run(tools / "abi3audit", "--strict", "--summary", wheel)


WORK.mkdir(parents=True, exist_ok=True)
versions = interpreters()
if not versions:
    sys.exit(f"no CPython 3.{OLDEST} or newer is on this machine: install one")
newest = max(versions)
every = "--every" in sys.argv
tested = versions if every else {newest: versions[newest]}
for version in sorted(versions):
    done = "tested" if version in tested else "not tested in this suite: `cargo xtask test pythons` does"
    print(f"CPython {version[0]}.{version[1]}: {done}", flush=True)
wheel = build(versions[newest], *(["--sdist"] if every else []))
with ThreadPoolExecutor(2) as pool:
    ended = [pool.submit(test, python, version, wheel) for version, python in sorted(tested.items())]
tools = [one.result() for one in ended]
if not every:
    check_types(tools[0], wheel)
