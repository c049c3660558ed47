"""One small vault on which forged objects are tried, each case on a fresh copy."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import household
from decode import decode
from forge import Forger, Points
from parse import Refused
from replica import Point
from vault import Bucket, read_vault

Files = dict[str, bytes]


@dataclass
class Case:
    """What a forging device publishes, given the real one's vector: `probe/k` counts iff it is right."""

    name: str
    right: bool
    make: Callable[[Forger, Points], Files]


class Stage:
    """A vault with one real device; `folder` is empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = household.Household(folder, ["real"])
        self.home.devices[0].put("todo", "milk", "x")
        self.home.sync()
        for name in ("bucket", "real"):
            shutil.copytree(folder / name, folder / f"{name} kept")
        vault = read_vault(Bucket(self.home.bucket), self.home.code)
        self.ring = vault.ring
        self.real = {device: m.tail.end() for device, m in vault.manifests.items()}
        self.firsts = {device: Point(1, m.tail.ops[0].dot.tag) for device, m in vault.manifests.items()}

    def restore(self) -> None:
        for name in ("bucket", "real"):
            shutil.rmtree(self.folder / name)
            shutil.copytree(self.folder / f"{name} kept", self.folder / name)

    def set(self, case: Case) -> None:
        self.restore()
        for path, data in case.make(Forger(self.ring, self.firsts), self.real).items():
            file = self.home.bucket / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    def check_decoder(self, case: Case) -> None:
        self.set(case)
        try:
            state = decode(self.home.bucket, self.home.code)
        except Refused as refused:
            assert not case.right, f"refused: {refused}"
            assert refused.object_path is not None
        else:
            assert ("k" in state["maps"].get("probe", {})) == case.right, f"waiting: {state['waiting']}"

    def check_engine(self, case: Case) -> None:
        self.set(case)
        command: list[str | Path] = [household.command(), "--local", self.home.devices[0].local]
        synced = subprocess.run([*command, "sync", "--force", "--json"], capture_output=True, text=True, check=False)
        got = subprocess.run([*command, "get", "probe", "k"], capture_output=True, check=False)
        told = [json.loads(line) for line in synced.stdout.splitlines()]
        reports = [report["message"] for line in told for report in line.get("reports", [])]
        assert (got.returncode == 0) == case.right, f"{reports} {synced.stderr}"
