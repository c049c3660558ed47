"""Slots and objects of earlier keys, sealed in Python as docs/format/crypto.md says, or wrong in one way."""

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

import crypto
from forge import clear_header, seal_message
from parse import u32


def seal_keys(ring: crypto.KeyRing, content: bytes | None = None) -> tuple[str, bytes]:
    """Path and bytes of the newest epoch's object; `content`: another than the earlier epochs."""
    *earlier, newest = sorted(ring.secrets)
    if content is None:
        content = listed_epochs([(epoch, ring.secrets[epoch]) for epoch in earlier])
    path, clear = f"keys/{newest.text()}", clear_header(crypto.KEYS, newest)
    key = crypto.derive(ring.secrets[newest], "keys", ring.vault)
    return path, clear + seal_message(key, clear, crypto.Place(ring.vault, path, crypto.KEYS), content)


def listed_epochs(epochs: list[tuple[crypto.Epoch, bytes]]) -> bytes:
    return u32(len(epochs)) + b"".join(epoch.encoded() + secret for epoch, secret in epochs)


def seal_slot(ring: crypto.KeyRing, header: bytes, code: bytes, content: bytes | None = None) -> tuple[str, bytes]:
    """Path and bytes of a recovery code's slot for the newest epoch; `content`: another than the right one."""
    epoch, path = max(ring.secrets), crypto.recovery_slot_path(code)
    if content is None:
        content = epoch.encoded() + ring.secrets[epoch] + ring.vault + crypto.blake(header)
    clear = clear_header(crypto.SLOT, epoch)
    before_enc = clear + bytes([1, 1])
    opener = crypto.x25519_key_pair(crypto.derive(code, "recovery slot key", b"")).public_key()
    ephemeral = X25519PrivateKey.generate()
    enc = ephemeral.public_key().public_bytes_raw()
    info = crypto.labelled("slot", ring.vault + before_enc + path.encode())
    psk = crypto.derive(code, "recovery slot psk", b"")
    key = crypto.slot_content_key(ephemeral.exchange(opener), enc + opener.public_bytes_raw(), info, psk)
    return path, before_enc + enc + seal_message(key, clear, crypto.Place(ring.vault, path, crypto.SLOT), content)
