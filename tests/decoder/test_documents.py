"""Documents: the command's canonical JSON against an independent writer of RFC 8785, and what a bucket says of them."""

import json
import random
from pathlib import Path
from typing import Any

import rfc8785

from decode import decode
from household import Device, Household
from json_form import json_form

PLACES = ["Brest", "Café \u0000\u001f\u007f", "\U0001f600 and \ufb33", "quote \" and \\ and /", "\u2028\u0080"]


def random_value(rng: random.Random, depth: int) -> Any:
    """Any JSON value; numbers of all magnitudes, floats by their bits."""
    match rng.randrange(9 if depth else 6):
        case 0:
            return rng.choice([None, True, False])
        case 1:
            return rng.randint(-(2**53), 2**53)
        case 2:
            return rng.uniform(-1, 1) * 10.0 ** rng.randint(-320, 308)
        case 3:
            return round(rng.uniform(-1e6, 1e6), rng.randint(0, 6))
        case 4:
            return rng.choice(PLACES)
        case 5:
            return "".join(chr(rng.choice([rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)])) for _ in range(8))
        case 6:
            return [random_value(rng, depth - 1) for _ in range(rng.randrange(5))]
        case _:
            return {rng.choice(PLACES) + str(i): random_value(rng, depth - 1) for i in range(rng.randrange(5))}


def test_the_command_writes_the_form_that_another_implementation_does(tmp_path: Path) -> None:
    home = Household(tmp_path, ["laptop"])
    device = home.devices[0]
    rng = random.Random(8785)
    expected = {}
    for number in range(20):
        document = {f"{rng.choice(PLACES)} {i}": random_value(rng, 3) for i in range(300)}
        expected[f"{number:02}"] = rfc8785.dumps(document).decode()
        text = json.dumps(document, ensure_ascii=bool(number % 2), indent=number % 3 or None)
        device.run("doc", "put", "visits", f"{number:02}", stdin=text.encode())
        assert device.run("doc", "get", "visits", f"{number:02}") == expected[f"{number:02}"] + "\n"
    listed = device.run("doc", "list", "visits", "--json").removesuffix("\n").split("\n")  # not `splitlines`: texts hold U+2028
    assert len(listed) == 20


def test_a_bucket_says_what_devices_show_of_documents(tmp_path: Path) -> None:
    home = Household(tmp_path, ["laptop", "phone"])
    laptop, phone = home.devices
    put(laptop, "both", {"place": "Brest", "rating": 3, "with": None})
    put(laptop, "empty", {})
    put(laptop, "gone", {"place": "Roscoff"})
    put(laptop, "contested", {"rating": 1, "note": ""})
    put(laptop, "deleted concurrently", {"rating": 1})
    home.sync()
    patch(laptop, "both", {"rating": 5})
    patch(phone, "both", {"place": None, "\U0001f600": [1e300], "\ufb33": 1})
    laptop.run("doc", "delete", "visits", "gone")
    patch(laptop, "contested", {"rating": 2})
    patch(phone, "contested", {"rating": 3})
    laptop.run("doc", "delete", "visits", "deleted concurrently")
    patch(phone, "deleted concurrently", {"note": "still here"})
    home.sync()
    documents = decode(home.bucket, home.code)["documents"]["visits"]
    assert documents["both"]["document"] == {"\U0001f600": [1e300], "\ufb33": 1, "rating": 5, "with": None}
    assert documents["empty"]["document"] == {}
    assert "gone" not in documents
    assert documents["contested"]["conflicts"] == ["rating"]
    assert documents["deleted concurrently"]["deleted_concurrently"]
    for device in home.devices:
        for line in device.lines("doc", "list", "visits", "--json"):
            said = documents[line["id"]]
            assert rfc8785.dumps(said["document"]) == rfc8785.dumps(line["document"])
            assert (len(said["conflicts"]), said["deleted_concurrently"]) == (
                line["conflicts"],
                line["deleted_concurrently"],
            )
        assert {line["id"] for line in device.lines("doc", "list", "visits", "--json")} == documents.keys()


def put(device: Device, name: str, document: dict[str, Any]) -> None:
    device.run("doc", "put", "visits", name, stdin=json.dumps(document).encode())


def patch(device: Device, name: str, changes: dict[str, Any]) -> None:
    device.run("doc", "patch", "visits", name, stdin=json.dumps(changes).encode())


def test_forms_are_forms() -> None:
    for text in [b'{"b":1.50,"a":[]}', b'"\\u00e9"']:
        assert json_form(json_form(text)) == json_form(text)
