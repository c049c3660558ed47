"""What the process does to open vaults: when it forks, and when the interpreter ends."""

import atexit
import contextlib
import os
from weakref import WeakSet

from . import _tidelock
from .errors import TidelockError

_SECONDS = 5.0
"""How long a vault's own callables may keep the interpreter from ending."""

_vaults: "WeakSet[_tidelock.Vault]" = WeakSet()

if hasattr(os, "register_at_fork"):
    # A fork in the middle of a commit would leave the child with a half of it.
    os.register_at_fork(
        before=_tidelock.before_fork,
        after_in_parent=_tidelock.after_fork_in_parent,
        after_in_child=_tidelock.after_fork_in_child,
    )


def close_at_exit(vault: _tidelock.Vault) -> None:
    """Closes it when the interpreter ends, unless it was closed before: its threads must not call Python after that."""
    _vaults.add(vault)


@atexit.register
def _close_all() -> None:
    for vault in list(_vaults):
        # In a forked child it is closed already.
        if vault.is_open():
            with contextlib.suppress(TidelockError):
                vault.close().wait(_SECONDS)
