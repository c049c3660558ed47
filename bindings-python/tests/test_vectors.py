"""The shared vectors (`tests/vectors`) that are about what a caller sees: addresses, archives, buckets, codes."""

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import tidelock
from tidelock import TEXT

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "vectors"
DAMAGE = {"corrupt", "hash-mismatch", "not-found"}


def cases(subject: str, *checks: str) -> list[Any]:
    found = json.loads((FOLDER / f"{subject}.json").read_text())["cases"]
    return [pytest.param(case, id=case["name"]) for case in found if not checks or case["check"] in checks]


def refused(case: dict[str, Any]) -> Any:
    """The documented class of a refusal."""
    kind = case["refused"]
    [cls] = [cls for cls in tidelock.TidelockError.__subclasses__() if cls.kind == kind]
    return pytest.raises(cls)


@pytest.mark.parametrize("case", cases("addresses"))
def test_an_address(case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    # No vault is there: a good address gets as far as to look for one.
    expected = refused(case) if "refused" in case else pytest.raises(tidelock.NotFoundError)
    with expected:
        tidelock.Vault.open(case["given"]["text"], tmp_path / "none")


@pytest.mark.parametrize("case", cases("codes", "read-code"))
def test_a_code(case: dict[str, Any]) -> None:
    if "refused" in case:
        with refused(case):
            tidelock.RecoveryCode(case["given"]["text"])
    else:
        shown = tidelock.RecoveryCode(case["given"]["text"]).reveal()
        assert tidelock.RecoveryCode(shown).reveal() == shown


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The store and the folder of a device of an empty vault: each case begins with a copy."""
    folder = tmp_path_factory.mktemp("empty")
    (folder / "store").mkdir()
    store = f"file://{folder}/store"
    tidelock.Vault.create(store, folder / "local").vault.close()
    return store, folder / "local"


@pytest.mark.parametrize("case", cases("archives"))
def test_an_archive(case: dict[str, Any], empty: tuple[str, Path], tmp_path: Path) -> None:
    store, local = empty
    shutil.copytree(local, tmp_path / "local")
    file = io.BytesIO(case["given"]["text"].encode())
    with tidelock.Vault.open(store, tmp_path / "local") as vault:
        if "refused" in case:
            with refused(case):
                vault.import_archive(file)
            return
        report = vault.import_archive(file)
        held: dict[str, Any] = {"map": {}, "log": {}}
        for kind, name in vault.status().collections:
            collection = vault.collection(name, TEXT) if kind == "map" else vault.log(name, TEXT)
            held[kind][name] = {entry.key: entry.value for entry in collection.list()}
        assert case["value"] == {
            "maps": held["map"],
            "logs": held["log"],
            "added": report.added,
            "siblings": report.siblings,
            "unchanged": report.unchanged,
        }


@pytest.mark.parametrize("case", cases("buckets"))
def test_a_bucket(case: dict[str, Any], tmp_path: Path) -> None:
    """Each stage in a folder that is the store; the device reads everything after each."""
    folder, given = tmp_path / "store", case["given"]
    folder.mkdir()
    code = tidelock.RecoveryCode(given["recovery_code"])
    vault = None
    try:
        for number, stage in enumerate(given["stages"]):
            put(folder, stage)
            if vault is None:
                if "refused" in case:
                    with refused(case):
                        vault = tidelock.Vault.join(f"file://{folder}", tmp_path / "local", code)
                        vault.check()
                    return
                vault = tidelock.Vault.join(f"file://{folder}", tmp_path / "local", code)
            report = vault.check()
            named = {error.object for error in report.reports if error.kind in DAMAGE}
            assert named <= set(given["bad"]), report
            expected = case["value"][number]
            assert {"maps": held_maps(vault), "logs": held_logs(vault)} == {
                "maps": expected["maps"],
                "logs": expected["logs"],
            }
    finally:
        if vault is not None:
            vault.close()


def put(folder: Path, stage: dict[str, str]) -> None:
    for key, data in stage.items():
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(data))


def held_maps(vault: tidelock.Vault) -> dict[str, dict[str, list[str]]]:
    maps: dict[str, dict[str, list[str]]] = {}
    for kind, name in vault.status().collections:
        if kind == "map":
            found = vault.collection(name, TEXT)
            conflicts = {conflict.key: conflict for conflict in found.conflicts()}
            maps[name] = {
                key: [value]
                if key not in conflicts
                else [version.value for version in conflicts[key].versions if version.value is not None]
                for key, value in found.items()
            }
    return maps


def held_logs(vault: tidelock.Vault) -> dict[str, dict[str, str]]:
    return {
        name: {entry.key: entry.value for entry in vault.log(name, TEXT).list()}
        for kind, name in vault.status().collections
        if kind == "log"
    }
