"""The same for asyncio: every call that takes time is awaited, and cancelling its task cancels it.

    async with tidelock.aio.Vault.open("s3://my-bucket/notes?region=eu-central-1", "~/.local/share/notes") as vault:
        todo = vault.collection("todo", tidelock.JSON)
        await todo.put("milk", {"litres": 2})
        await vault.sync()

Callables for credentials, signed URLs and transports may be coroutine functions: they run on the event loop that opened
the vault.
"""

from ._collections import (
    Documents,
    Log,
    Map,
)
from ._streams import (
    ChangeStream,
    Live,
    Watch,
)
from ._vault import (
    Batch,
    Created,
    Opening,
    Options,
    Vault,
)

__all__ = [
    "Batch",
    "ChangeStream",
    "Created",
    "Documents",
    "Live",
    "Log",
    "Map",
    "Opening",
    "Options",
    "Vault",
    "Watch",
]
