"""Sealed objects, keys and slots (docs/format/crypto.md)."""

import hashlib
import hmac
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase

from blake3 import blake3
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from parse import Reader, Refused, require, require_rising

SLOT, KEYS, BEACON, MANIFEST, SEGMENT, INDEX, CHUNK, PACK = 1, 2, 3, 4, 5, 6, 7, 8
CHUNK_BYTES, TAG_BYTES, CLEAR_HEADER = 16_384, 16, 19
MAX_EPOCHS = 4_096


def blake(data: bytes) -> bytes:
    """H(x)."""
    return blake3(data).digest()


def keyed(key: bytes, data: bytes, length: int) -> bytes:
    """H(key, x, n)."""
    return blake3(data, key=key).digest(length=length)


def labelled(label: str, context: bytes) -> bytes:
    return b"tidelock/v1/" + label.encode() + b"\0" + context


def derive(secret: bytes, label: str, context: bytes, length: int = 32) -> bytes:
    return HKDF(hashes.SHA512(), length, salt=None, info=labelled(label, context)).derive(secret)


@dataclass(frozen=True, order=True)
class Epoch:
    """Ordered by number, then by id."""

    number: int
    id: bytes

    @classmethod
    def read(cls, r: Reader) -> "Epoch":
        epoch = cls(r.u32(), r.fixed(8))
        require(epoch.number >= 1, "an epoch's number is 0")
        return epoch

    def encoded(self) -> bytes:
        return self.number.to_bytes(4, "little") + self.id

    def text(self) -> str:
        return f"{self.number:08x}-{self.id.hex()}"


@dataclass(frozen=True)
class Place:
    """Where a sealed object was read, and what must be there."""

    vault: bytes
    path: str
    kind: int

    def context(self, clear: bytes) -> bytes:
        return clear + self.vault + self.path.encode()


def read_clear_header(sealed: bytes, kind: int) -> Epoch:
    """The epoch an object says it is sealed under; the rest of its clear header is checked."""
    r = Reader(sealed)
    require(r.fixed(4) == b"TDLK", "not a sealed object")
    require(r.u8() == 1, "the format is not 1")
    require(r.u8() == kind, f"the kind is not {kind}")
    require(r.u8() == 1, "the suite is not 1")
    return Epoch.read(r)


@dataclass(frozen=True)
class MessageKeys:
    """What a message's chunks are sealed with, and what it commits to."""

    key: bytes
    base_nonce: int
    commitment: bytes


def message_keys(content_key: bytes, salt: bytes, context: bytes) -> MessageKeys:
    info = b"c2sp.org/chunked-encryption@v1+AEAD_CHACHA20_POLY1305\0" + salt + context
    made = HKDFExpand(hashes.SHA512(), 76, info).derive(content_key)
    return MessageKeys(made[:32], int.from_bytes(made[32:44], "big"), made[44:])


def open_message(content_key: bytes, context: bytes, message: bytes, wrong_key: str) -> bytes:
    """A message of C2SP chunked-encryption with ChaCha20-Poly1305."""
    r = Reader(message)
    salt, commitment = r.fixed(24), r.fixed(32)
    keys = message_keys(content_key, salt, context)
    require(hmac.compare_digest(keys.commitment, commitment), wrong_key)
    chunks = message[56:]
    require(len(chunks) % (CHUNK_BYTES + TAG_BYTES) >= TAG_BYTES, "the last chunk is not a shorter one")
    return open_chunks(keys, 0, chunks)


def open_chunks(keys: MessageKeys, first: int, chunks: bytes) -> bytes:
    """Chunks in a row, whose numbers begin with `first`."""
    step = CHUNK_BYTES + TAG_BYTES
    cipher, plaintext = ChaCha20Poly1305(keys.key), []
    for i, at in enumerate(range(0, len(chunks), step), first):
        nonce = (keys.base_nonce ^ i).to_bytes(12, "big")
        try:
            plaintext.append(cipher.decrypt(nonce, chunks[at : at + step], None))
        except InvalidTag:
            raise Refused(f"chunk {i} does not open") from None
    return b"".join(plaintext)


def open_sealed(content_key: bytes, place: Place, sealed: bytes) -> bytes:
    """Any sealed object but a slot."""
    context = place.context(sealed[:CLEAR_HEADER])
    return open_message(content_key, context, sealed[CLEAR_HEADER:], "the commitment does not fit")


def padded_length(length: int, kind: int) -> int:
    """The one padded length of `length` bytes in an object of this kind."""
    if kind in (MANIFEST, BEACON):
        return max(4_096, 1 << (length - 1).bit_length())
    e = length.bit_length() - 1
    unit = 1 << (e - e.bit_length())
    return -(-length // unit) * unit


def unpad(plaintext: bytes, kind: int) -> bytes:
    r = Reader(plaintext)
    content = r.bytes()
    require(len(plaintext) == padded_length(4 + len(content), kind), "the padded length is another")
    require(not any(r.fixed(r.left())), "the padding is not zero")
    return content


class KeyRing:
    """Every epoch's root secret, and the keys made from them."""

    def __init__(self, vault: bytes, secrets: dict[Epoch, bytes]) -> None:
        self.vault = vault
        self.secrets = secrets
        first = min(secrets)
        require(first.number == 1, "the key ring has no epoch number 1")
        require(sum(e.number == 1 for e in secrets) == 1, "the key ring has two epochs number 1")
        self.space = derive(vault, "private space", b"", 16)
        self.digest_key = derive(secrets[first], "digest", vault)

    def open(self, path: str, kind: int, sealed: bytes) -> bytes:
        """What an object of the private space holds, padding taken off."""
        epoch = read_clear_header(sealed, kind)
        require(epoch in self.secrets, f"epoch {epoch.text()} is unknown")
        content_key = derive(self.secrets[epoch], "content", self.vault + self.space)
        return unpad(open_sealed(content_key, Place(self.vault, path, kind), sealed), kind)


def open_keys(vault: bytes, epoch: Epoch, root_secret: bytes, sealed: bytes) -> KeyRing:
    """The key ring of an epoch's secret and the object `keys/{epoch}`."""
    path = f"keys/{epoch.text()}"
    require(read_clear_header(sealed, KEYS) == epoch, "the epoch is not the one of its name")
    r = Reader(open_sealed(derive(root_secret, "keys", vault), Place(vault, path, KEYS), sealed))
    count = r.u32()
    require(1 <= count < MAX_EPOCHS, "no earlier epoch, or more than 4,096 in all")
    earlier = [(Epoch.read(r), r.fixed(32)) for _ in range(count)]
    r.end()
    require_rising([e for e, _ in earlier] + [epoch], "the epochs")
    return KeyRing(vault, dict(earlier) | {epoch: root_secret})


# Slots

OPENERS = {1: "recovery", 2: "passphrase", 3: "device"}
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Unicode's White_Space; Python's own notion has U+001C to U+001F besides.
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


def read_recovery_code(text: str) -> bytes:
    """The 20 bytes of a recovery code as somebody typed it."""
    require(len(text.encode()) <= 256, "a recovery code is not longer than 256 bytes")
    symbols = "".join(s for s in text if s != "-" and s not in WHITE_SPACE)
    symbols = symbols.translate(str.maketrans(ascii_lowercase, ascii_uppercase)).translate(str.maketrans("OIL", "011"))
    require(len(symbols) == 36 and all(s in CROCKFORD for s in symbols), "not a recovery code: 36 symbols")
    bits = 0
    for symbol in symbols:
        bits = bits << 5 | CROCKFORD.index(symbol)
    code = (bits >> 20).to_bytes(20, "big")
    checksum = int.from_bytes(blake(labelled("recovery checksum", code))[:3], "big") >> 4
    require(bits & 0xFFFFF == checksum, "the recovery code's checksum does not fit")
    return code


def recovery_slot_path(code: bytes) -> str:
    return "slots/" + derive(code, "recovery slot name", b"", 16).hex()


@dataclass(frozen=True)
class SealedSlot:
    """A slot as far as it can be read in clear."""

    before_enc: bytes
    epoch: Epoch
    opener: int
    stretching: bytes
    enc: bytes
    message: bytes

    @classmethod
    def read(cls, sealed: bytes) -> "SealedSlot":
        epoch = read_clear_header(sealed, SLOT)
        r = Reader(sealed)
        r.fixed(CLEAR_HEADER)
        require(r.u8() == 1, "the HPKE suite is not 1")
        opener = r.u8()
        require(opener in OPENERS, "the opener is none of 1, 2, 3")
        stretching = r.fixed(28) if opener == 2 else b""
        before_enc = sealed[: CLEAR_HEADER + 2 + len(stretching)]
        enc, message = r.fixed(32), r.fixed(r.left())
        require(len(message) == 56 + 92 + TAG_BYTES, "a slot has another length")
        return cls(before_enc, epoch, opener, stretching, enc, message)


def stretch(passphrase: bytes, stretching: bytes) -> bytes:
    """Argon2id within the bounds that a reader takes."""
    require(1 <= len(passphrase) <= 1_024, "a passphrase has 1 to 1,024 bytes")
    r = Reader(stretching)
    salt, kib, passes, lanes = r.fixed(16), r.u32(), r.u32(), r.u32()
    require(kib >= 19_456 and passes >= 2, "the stretching is too cheap")
    require(kib <= 262_144 and passes <= 4 and 1 <= lanes <= 4, "the stretching asks for too much")
    return Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=kib).derive(passphrase)


def slot_content_key(shared: bytes, kem_context: bytes, info: bytes, psk: bytes) -> bytes:
    return hpke_export(shared, kem_context, info, psk, b"tidelock/v1/slot psk", b"tidelock/v1/slot content")


def open_slot(vault: bytes, header: bytes, path: str, sealed: bytes, secret: bytes, opener: int) -> tuple[Epoch, bytes]:
    """Epoch and root secret. `secret` is the code's bytes, the passphrase's, or the device's seed."""
    slot = SealedSlot.read(sealed)
    require(slot.opener == opener, f"the opener is not {OPENERS[opener]}")
    if opener == 2:
        secret = stretch(secret, slot.stretching)
    name = OPENERS[opener]
    private_key = x25519_key_pair(derive(secret, f"{name} slot key", b""))
    psk = derive(secret, f"{name} slot psk", b"")
    info = labelled("slot", vault + slot.before_enc + path.encode())
    try:
        shared = private_key.exchange(X25519PublicKey.from_public_bytes(slot.enc))
    except ValueError:
        raise Refused("the encapsulated key is of small order") from None
    content_key = slot_content_key(shared, slot.enc + private_key.public_key().public_bytes_raw(), info, psk)
    context = Place(vault, path, SLOT).context(sealed[:CLEAR_HEADER])
    r = Reader(open_message(content_key, context, slot.message, "wrong key: the commitment does not fit"))
    epoch, root_secret = Epoch.read(r), r.fixed(32)
    require(epoch == slot.epoch, "the payload's epoch is not the clear header's")
    require(r.fixed(16) == vault, "the payload is of another vault")
    require(r.fixed(32) == blake(header), "the payload is of another header object")
    r.end()
    return epoch, root_secret


# HPKE (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, mode_psk, export only

KEM_SUITE = b"KEM" + (0x0020).to_bytes(2, "big")
HPKE_SUITE = b"HPKE" + b"".join(n.to_bytes(2, "big") for n in (0x0020, 0x0001, 0x0003))


def _labeled_extract(suite: bytes, salt: bytes, label: bytes, key: bytes) -> bytes:
    return hmac.new(salt or bytes(32), b"HPKE-v1" + suite + label + key, hashlib.sha256).digest()


def _labeled_expand(suite: bytes, prk: bytes, label: bytes, info: bytes) -> bytes:
    full = (32).to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return HKDFExpand(hashes.SHA256(), 32, full).derive(prk)


def x25519_key_pair(key_material: bytes) -> X25519PrivateKey:
    """DeriveKeyPair of section 7.1.3."""
    prk = _labeled_extract(KEM_SUITE, b"", b"dkp_prk", key_material)
    return X25519PrivateKey.from_private_bytes(_labeled_expand(KEM_SUITE, prk, b"sk", b""))


def hpke_export(
    shared: bytes, kem_context: bytes, info: bytes, psk: bytes, psk_id: bytes, exporter_context: bytes
) -> bytes:
    """Setup in mode_psk and Export of 32 bytes. `shared`: X25519 of both keys; `kem_context`: enc ‖ opener's key."""
    eae_prk = _labeled_extract(KEM_SUITE, b"", b"eae_prk", shared)
    shared_secret = _labeled_expand(KEM_SUITE, eae_prk, b"shared_secret", kem_context)
    mode_psk = b"\1"
    schedule = (
        mode_psk
        + _labeled_extract(HPKE_SUITE, b"", b"psk_id_hash", psk_id)
        + _labeled_extract(HPKE_SUITE, b"", b"info_hash", info)
    )
    secret = _labeled_extract(HPKE_SUITE, shared_secret, b"secret", psk)
    exporter_secret = _labeled_expand(HPKE_SUITE, secret, b"exp", schedule)
    return _labeled_expand(HPKE_SUITE, exporter_secret, b"sec", exporter_context)


# Devices

PRIME = 2**255 - 19


def _is_small_order(point: bytes) -> bool:
    """Of order 1, 2, 4 or 8: known by y alone (y of order 8: RFC 8032's curve, doubled to y = 0)."""
    y = (int.from_bytes(point, "little") & ((1 << 255) - 1)) % PRIME
    d = -121665 * pow(121666, -1, PRIME) % PRIME
    # Of order 8 iff 2P has y = 0, that is x² = −y²; with the curve's equation: d·y⁴ + 2y² − 1 = 0.
    return y in (0, 1, PRIME - 1) or (d * pow(y, 4, PRIME) + 2 * y * y - 1) % PRIME == 0


def verify(public_key: bytes, domain: str, body: bytes, signature: bytes) -> None:
    """Strict Ed25519: S canonical, the equation without cofactor, neither point of small order."""
    require(not _is_small_order(public_key) and not _is_small_order(signature[:32]), "a point of small order")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, labelled(domain, body))
    except (InvalidSignature, ValueError):
        raise Refused("the signature does not verify") from None


def device_id(public_key: bytes) -> bytes:
    return blake(public_key)[:16]
