"""JSON in its one form (docs/FORMAT.md, "JSON"), by Python's own reader and an independent writer of RFC 8785."""

import json
from decimal import Decimal
from typing import Any

import rfc8785

from parse import Refused, require

MAX_TEXT, MAX_DEPTH = 1_048_576, 64


def json_form(text: bytes, depth: int = 0) -> bytes:
    """The form of a text, which stands below `depth` arrays and objects."""
    require(len(text) <= MAX_TEXT, "a JSON text is longer than 1,048,576 bytes")
    try:
        value = json.loads(
            text.decode("utf-8", "strict"),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
        require(_depth(value) + depth <= MAX_DEPTH, "arrays and objects stand more than 64 deep")
        return rfc8785.dumps(value)
    except (ValueError, RecursionError, rfc8785.CanonicalizationError) as error:
        raise Refused(f"no JSON: {type(error).__name__}") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    require(len(members) == len(pairs), "an object has a name twice")
    return members


def _integer(literal: str) -> Any:
    value = float(literal)
    require(abs(value) != float("inf"), "a number rounds to infinity")
    form = rfc8785.dumps(value).decode()
    require(Decimal(form) == Decimal(literal), "an integer has more digits than a float keeps")
    return value


def _float(literal: str) -> float:
    value = float(literal)
    require(abs(value) != float("inf"), "a number rounds to infinity")
    return value


def _constant(name: str) -> Any:
    raise Refused(f"{name} is no JSON")


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
