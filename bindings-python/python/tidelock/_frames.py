"""Records as a table: a column for each field, or one column `value`."""

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ._types import Document, Entry

if TYPE_CHECKING:
    import pandas
    import pyarrow


def to_pandas(entries: Iterable[Entry[Any] | Document[Any]]) -> "pandas.DataFrame":
    """A DataFrame indexed by key."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError('to_pandas() needs pandas: pip install "tidelock[pandas]"') from error
    rows = {_key(entry): _row(entry.value) for entry in entries}
    index = pandas.Index(list(rows), name="key", dtype="str")
    return pandas.DataFrame(list(rows.values()), index=index)


def to_arrow(entries: Iterable[Entry[Any] | Document[Any]]) -> "pyarrow.Table":
    """A table with a column `key`. Where a field has the name `key`, the record's key wins."""
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError('to_arrow() needs pyarrow: pip install "tidelock[arrow]"') from error
    rows = [{**_row(entry.value), "key": _key(entry)} for entry in entries]
    names = list(dict.fromkeys(["key", *(name for row in rows for name in row)]))
    return pyarrow.Table.from_pydict({name: [row.get(name) for row in rows] for name in names})


def _key(entry: Entry[Any] | Document[Any]) -> str:
    return entry.id if isinstance(entry, Document) else entry.key


def _row(value: object) -> dict[str, object]:
    """A value as columns: a dict's items, a dataclass's or a model's fields, else one column `value`."""
    if isinstance(value, dict):
        return {str(name): item for name, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "model_dump"):
        dumped: dict[str, object] = value.model_dump()
        return dumped
    return {"value": value}
