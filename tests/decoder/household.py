"""Real vaults for the tests: devices that are processes of the real command, on a folder store."""

import base64
import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

COMMAND_SECONDS_MAX = 300
"""No command here takes a tenth of it: one that does not end fails, and not the whole run."""

PASSPHRASE = "correct horse battery staple"


def command() -> Path:
    """The built command; `cargo test --no-run --test commands` makes it."""
    workspace = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("CARGO_TARGET_DIR", workspace / "target")) / "debug" / "tidelock"


class Device:
    """One device: a local folder and the command that works on it."""

    def __init__(self, local: Path, variables: dict[str, str] | None = None) -> None:
        self.local = local
        self.variables = os.environ | (variables or {})

    def run(self, *words: str, stdin: bytes = b"") -> str:
        whole: list[str | Path] = [command(), "--local", self.local, *words]
        done = subprocess.run(
            whole, input=stdin, capture_output=True, check=False, env=self.variables, timeout=COMMAND_SECONDS_MAX
        )
        assert done.returncode == 0, f"tidelock {' '.join(words)[:200]}: {done.stderr.decode()}"
        return done.stdout.decode()

    def lines(self, *words: str) -> list[dict[str, Any]]:
        """What `--json` prints, an object a line."""
        return [json.loads(line) for line in self.run(*words).split("\n") if line]

    def put(self, name: str, key: str, value: str | bytes) -> None:
        how = "-" if value else "--empty"
        self.run("put", name, key, how, stdin=value if isinstance(value, bytes) else value.encode())

    def append(self, name: str, *entries: str) -> None:
        self.run("log", "append", name, "--", *entries)

    def import_records(self, kind: str, name: str, records: dict[str, bytes], folder: Path) -> None:
        """Many writes at once, by an archive (docs/ARCHIVE.md)."""
        lines: list[dict[str, Any]] = [{"tidelock_archive": 1, "vault": None, "exported_unix_ms": 0}]
        for key, value in sorted(records.items()):
            encoded = base64.b64encode(value).decode()
            # A line is taken only where nothing written later stands: these are from far ahead.
            stamp = {"ms": 4_000_000_000_000, "counter": 0}
            lines.append({"kind": kind, "name": name, "key": key, "value": encoded, "stamp": stamp})
        file = folder / "archive.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.run("import", str(file))


class Household:
    """A vault and its devices."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder = folder
        self.bucket = folder / "bucket"
        self.bucket.mkdir()
        self.passphrase_file = folder / "passphrase"
        self.passphrase_file.touch(mode=0o600)
        self.passphrase_file.write_text(PASSPHRASE + "\n")
        self.devices = [Device(folder / name) for name in names]
        store = f"file://{self.bucket}"
        first, *others = self.devices
        made = first.lines(
            "init", "--json", "--store", store, "--name", names[0], "--passphrase-file", str(self.passphrase_file)
        )
        self.code = made[0]["recovery_code"]
        self.code_file = folder / "code"
        self.code_file.touch(mode=0o600)
        self.code_file.write_text(self.code + "\n")
        for device, name, secret in zip(others, names[1:], [self.code_file, self.passphrase_file] * 8, strict=False):
            device.run("join", "--store", store, "--name", name, "--secret-file", str(secret))

    def sync(self) -> None:
        """Every device in turn, twice: then all have all."""
        for device in self.devices * 2:
            device.run("sync")


def small(folder: Path) -> Household:
    """Two devices and one of everything, all in manifests' tails."""
    home = Household(folder, ["laptop", "phone"])
    laptop, phone = home.devices
    laptop.put("todo", "milk", "one litre")
    laptop.put("todo", "milk", "two litres")  # the first goes out as a void
    laptop.put("todo", "eggs", "six")
    laptop.put("todo", "bread", "")
    laptop.append("shell", "ls", "cd /tmp", "--wait")
    home.sync()
    laptop.put("todo", "milk", "three")
    phone.put("todo", "milk", "four")  # a conflict
    laptop.put("todo", "eggs", "the same")
    phone.put("todo", "eggs", "the same")  # none: equal values
    laptop.run("delete", "todo", "bread")
    phone.put("todo", "bread", "rye")  # put and delete side by side
    first = phone.lines("log", "list", "--json", "shell")[0]
    phone.run("log", "delete", "shell", first["key"])
    phone.put("Ünïcode", "ключ\t", b"\x00\xff binary")
    laptop.put("gone", "for good", "x")
    for device, text in zip(home.devices, (b"one", b"other"), strict=True):
        device.import_records("log", "shell", {"0" * 32: text}, folder)  # a log's key with two values
    home.sync()
    phone.run("delete", "gone", "for good")
    home.sync()
    return home


def medium(folder: Path) -> Household:
    """Two devices, and an object of every kind, each small."""
    home = Household(folder, ["laptop", "phone"])
    laptop, phone = home.devices
    rng = random.Random(4)
    for batch in range(2):
        rows = {f"{batch}/{i:03}": rng.randbytes(120) for i in range(500)}
        laptop.import_records("map", "bulk", rows, folder)
        laptop.append("shell", *(f"entry {i}" for i in range(300)))
        laptop.run("log", "delete", "shell", laptop.lines("log", "list", "--json", "shell")[batch]["key"])
        home.sync()
    for device, text in zip(home.devices, (b"one", b"other"), strict=True):
        device.import_records("log", "shell", {"0" * 32: text}, folder)  # two values at one key, in a snapshot
    home.sync()
    phone.import_records("map", "other", {f"{i:03}": b"a word " * 20 for i in range(200)}, folder)
    home.sync()
    return home


def large(folder: Path) -> Household:
    """Three devices and enough of everything for segments, snapshots of several chunks, deletions and trims."""
    rng = random.Random(4)
    home = Household(folder, ["desk", "laptop", "phone"])
    desk = home.devices[0]
    desk.import_records("map", "bulk", {f"{i:05}": rng.randbytes(rng.randint(0, 60)) for i in range(8_000)}, folder)
    desk.import_records("map", "big", {f"noise {i:02}": rng.randbytes(262_144) for i in range(40)}, folder)
    history = "".join(f"command number {i} --of {rng.randint(0, 99)}\n" for i in range(3_000))
    (folder / "history").write_text(history)
    for device in home.devices[:2]:
        device.run("log", "import", "shell", str(folder / "history"))  # on both: the same keys
    for entry in rng.sample(desk.lines("log", "list", "--json", "shell"), 20):
        desk.run("log", "delete", "shell", entry["key"])
    home.sync()
    for _ in range(8):
        random_round(home, rng)
        for device in rng.sample(home.devices, 2):
            device.run("sync")
    home.sync()
    return home


def busy(folder: Path) -> Household:
    """Three devices that change much of what there is: their manifests name snapshots of different moments."""
    rng = random.Random(5)
    home = Household(folder, ["desk", "laptop", "phone"])
    home.devices[0].append("shell", *(f"entry {i}" for i in range(200)))
    home.sync()
    for _ in range(8):
        random_round(home, rng, rows=400, of=2_500)
        for device in rng.sample(home.devices, 2):
            device.run("sync")
    home.sync()
    return home


def random_round(home: Household, rng: random.Random, rows: int = 100, of: int = 7_000) -> None:
    """Writes on every device, without a sync: conflicts, deletes of both kinds, a big value now and then."""
    for device in home.devices:
        for _ in range(4):
            device.put("contested", f"k{rng.randint(0, 11)}", f"value {rng.randint(0, 3)}")
        contested = device.lines("list", "--json", "contested")
        device.run("delete", "contested", rng.choice(contested)["key"])
        bulk = {f"{rng.randint(0, of):05}": rng.randbytes(40) for _ in range(rows)}
        device.import_records("map", "bulk", bulk, home.folder)
        device.append("shell", *(f"echo {rng.random()}" for _ in range(5)))
    device = rng.choice(home.devices)
    device.put("big", f"words {rng.randint(0, 3)}", b"the same words again " * rng.randint(1, 12_000))
    for entry in rng.sample(device.lines("log", "list", "--json", "shell"), 4):
        device.run("log", "delete", "shell", entry["key"])
