"""What blocking and asyncio vaults share: a vault of the extension module, that is closed once."""

import os
import warnings
from typing import NoReturn, Self

from . import _tidelock
from ._process import close_at_exit
from ._records import public_name


class Handle:
    """An open vault. Subclasses have `close`, and all that takes time."""

    _native: _tidelock.Vault

    def __init__(self) -> None:
        raise TypeError("a vault is made by Vault.create, Vault.join or Vault.open")

    @classmethod
    def _of(cls, native: _tidelock.Vault) -> Self:
        vault = object.__new__(cls)
        vault._native = native
        close_at_exit(native)
        return vault

    @property
    def closed(self) -> bool:
        """Whether it was closed, or belongs to the process that forked this one."""
        return not self._native.is_open()

    def __del__(self) -> None:
        native = getattr(self, "_native", None)
        if native is not None and native.is_open():
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        state = " (closed)" if self.closed else ""
        return f"<{public_name(type(self))} {self._native.store!r} in {str(self._native.local)!r}{state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a vault can't be pickled: open it where it is used, several processes may share a local store")


def private(path: str, flags: int) -> int:
    """Opens a file that only its owner may read."""
    return os.open(path, flags, 0o600)
