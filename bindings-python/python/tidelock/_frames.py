"""Records as a table: a column for each field, or one column `value`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ._records import row_of
from ._types import Entry

if TYPE_CHECKING:
    import pandas
    import pyarrow


def to_pandas(entries: Iterable[Entry[Any]]) -> "pandas.DataFrame":
    """A DataFrame indexed by key."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError('to_pandas() needs pandas: pip install "tidelock[pandas]"') from error
    rows = {entry.key: row_of(entry.value) for entry in entries}
    index = pandas.Index(list(rows), name="key", dtype="str")
    return pandas.DataFrame(list(rows.values()), index=index)


def to_arrow(entries: Iterable[Entry[Any]]) -> "pyarrow.Table":
    """A table with a column `key`. Where a field has the name `key`, the record's key wins."""
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError('to_arrow() needs pyarrow: pip install "tidelock[arrow]"') from error
    rows = [{**row_of(entry.value), "key": entry.key} for entry in entries]
    names = list(dict.fromkeys(["key", *(name for row in rows for name in row)]))
    return pyarrow.Table.from_pydict({name: [row.get(name) for row in rows] for name in names})
