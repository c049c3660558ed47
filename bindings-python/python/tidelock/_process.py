"""Closes the vaults that are open when the interpreter ends: their threads must not call Python after that."""

import atexit
import contextlib
from weakref import WeakSet

from . import _tidelock
from .errors import TidelockError

_SECONDS = 5.0
"""How long a vault's own callables may keep the interpreter from ending."""

_vaults: "WeakSet[_tidelock.Vault]" = WeakSet()


def close_at_exit(vault: _tidelock.Vault) -> None:
    """Closes it when the interpreter ends, unless it was closed before."""
    _vaults.add(vault)


@atexit.register
def _close_all() -> None:
    for vault in list(_vaults):
        # In a forked child it is closed already.
        if vault.is_open():
            with contextlib.suppress(TidelockError):
                vault.close().wait(_SECONDS)
