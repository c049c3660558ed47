"""A second implementation of docs/format/crypto.md, written from its text alone: prints tidelock.json.

Needs `pip install cryptography blake3 argon2-cffi`. All entropy in it is the byte 0x42, repeated.
"""

import hashlib
import hmac
import json
import math
import struct

from argon2.low_level import Type, hash_secret_raw
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

PREFIX = b"tidelock/v1/"
DRAWN = b"\x42" * 32


def extract(salt, ikm, hash_name):
    return hmac.digest(salt or b"\0" * hashlib.new(hash_name).digest_size, ikm, hash_name)


def expand(prk, info, length, hash_name):
    out = block = b""
    while len(out) < length:
        block = hmac.digest(prk, block + info + bytes([len(out) // len(block) + 1 if block else 1]), hash_name)
        out += block
    return out[:length]


def labelled(label, *context):
    return PREFIX + label.encode() + b"\0" + b"".join(context)


def derive(secret, label, *context, length=32):
    return expand(extract(b"", secret, "sha512"), labelled(label, *context), length, "sha512")


# Sealed objects


def header(kind, epoch):
    number, epoch_id = epoch
    return b"TDLK" + bytes([1, kind, 1]) + struct.pack("<I", number) + epoch_id


def context(vault, kind, epoch, path):
    return header(kind, epoch) + vault + path.encode()


def chunked(key, salt, ctx, plaintext):
    info = b"c2sp.org/chunked-encryption@v1+AEAD_CHACHA20_POLY1305\0" + salt + ctx
    keys = expand(key, info, 76, "sha512")
    aead, base, commitment = ChaCha20Poly1305(keys[:32]), int.from_bytes(keys[32:44], "big"), keys[44:]
    chunks = [plaintext[at : at + 16384] for at in range(0, len(plaintext) // 16384 * 16384 + 1, 16384)]
    sealed = [aead.encrypt((base ^ number).to_bytes(12, "big"), chunk, b"") for number, chunk in enumerate(chunks)]
    return salt + commitment + b"".join(sealed)


def seal(key, vault, kind, epoch, path, salt, plaintext):
    return header(kind, epoch) + chunked(key, salt, context(vault, kind, epoch, path), plaintext)


# Devices


def salt_of(seed, ctx, plaintext):
    key = derive(seed, "hedge salt")
    return blake3(labelled("hedge salt", DRAWN, blake3(plaintext).digest(), ctx), key=key).digest(length=24)


def fresh(seed, purpose, *ctx, length=32):
    return blake3(labelled(purpose, DRAWN, *ctx), key=derive(seed, "hedge fresh")).digest(length=length)


def signing_key(seed):
    return Ed25519PrivateKey.from_private_bytes(derive(seed, "device signing"))


def device_id(seed):
    return blake3(signing_key(seed).public_key().public_bytes_raw()).digest()[:16]


# Recovery codes


def code_text(code):
    bits = "".join(f"{byte:08b}" for byte in code)
    bits += "".join(f"{byte:08b}" for byte in blake3(labelled("recovery checksum", code)).digest())[:20]
    symbols = ["0123456789ABCDEFGHJKMNPQRSTVWXYZ"[int(bits[at : at + 5], 2)] for at in range(0, 180, 5)]
    return "-".join("".join(symbols[at : at + 4]) for at in range(0, 36, 4))


# HPKE (RFC 9180), mode_psk, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, export only

KEM_SUITE = b"KEM" + struct.pack(">H", 0x20)
HPKE_SUITE = b"HPKE" + struct.pack(">HHH", 0x20, 1, 3)


def labeled_extract(suite, salt, label, ikm):
    return extract(salt, b"HPKE-v1" + suite + label + ikm, "sha256")


def labeled_expand(suite, prk, label, info, length):
    return expand(prk, struct.pack(">H", length) + b"HPKE-v1" + suite + label + info, length, "sha256")


def derive_key_pair(ikm):
    prk = labeled_extract(KEM_SUITE, b"", b"dkp_prk", ikm)
    return X25519PrivateKey.from_private_bytes(labeled_expand(KEM_SUITE, prk, b"sk", b"", 32))


def hpke_export(ikm_e, public_key, psk, psk_id, info, exporter_context):
    ephemeral = derive_key_pair(ikm_e)
    enc = ephemeral.public_key().public_bytes_raw()
    dh = ephemeral.exchange(X25519PublicKey.from_public_bytes(public_key))
    eae_prk = labeled_extract(KEM_SUITE, b"", b"eae_prk", dh)
    shared = labeled_expand(KEM_SUITE, eae_prk, b"shared_secret", enc + public_key, 32)
    schedule = (
        b"\x01"
        + labeled_extract(HPKE_SUITE, b"", b"psk_id_hash", psk_id)
        + labeled_extract(HPKE_SUITE, b"", b"info_hash", info)
    )
    secret = labeled_extract(HPKE_SUITE, shared, b"secret", psk)
    exporter = labeled_expand(HPKE_SUITE, secret, b"exp", schedule, 32)
    return enc, labeled_expand(HPKE_SUITE, exporter, b"sec", exporter_context, 32)


# Slots


def slot(secret, labels, kind, name, stretching, vault, epoch, root, header_hash, sealer):
    path = "slots/" + name
    public_key = derive_key_pair(derive(secret, labels + " slot key")).public_key().public_bytes_raw()
    psk = derive(secret, labels + " slot psk")
    head = header(1, epoch) + bytes([1, kind]) + stretching
    payload = struct.pack("<I", epoch[0]) + epoch[1] + root + vault + header_hash
    info = labelled("slot", vault, head, path.encode())
    seed = fresh(sealer, "slot ephemeral", public_key, blake3(payload).digest(), info)
    ikm_e = blake3(b"", key=seed).digest()
    enc, key = hpke_export(ikm_e, public_key, psk, b"tidelock/v1/slot psk", info, b"tidelock/v1/slot content")
    ctx = context(vault, 1, epoch, path)
    return head + enc + chunked(key, salt_of(sealer, ctx, payload), ctx, payload)


# Sizes


def padme(length):
    if length < 2:
        return length
    exponent = math.floor(math.log2(length))
    bits = math.floor(math.log2(exponent)) + 1 if exponent else 0
    mask = (1 << (exponent - bits)) - 1
    return (length + mask) & ~mask


def main():
    vault = bytes(range(16))
    space = bytes(range(16, 32))
    epochs = [(1, b"\x11" * 8), (2, b"\x22" * 8), (2, b"\x2f" * 8)]
    roots = [b"\xa1" * 32, b"\xa2" * 32, b"\xa3" * 32]
    newest, root = epochs[-1], roots[-1]
    seed = b"\xd0" * 32
    code = bytes(range(100, 120))
    header_hash = b"\xcc" * 32
    stretch_salt, cost = b"\x5a" * 16, (19456, 2, 1)
    stretched = hash_secret_raw(b"correct horse", stretch_salt, cost[1], cost[0], cost[2], 32, Type.ID)
    plaintexts = {length: bytes(at % 251 for at in range(length)) for length in (0, 5, 16383, 16384, 40000)}
    content = derive(root, "content", vault, space)
    place = "spaces/x/beacon"

    earlier = struct.pack("<I", 2) + b"".join(
        struct.pack("<I", number) + epoch_id + secret for (number, epoch_id), secret in zip(epochs[:2], roots)
    )
    keys_path = f"keys/{newest[0]:08x}-{newest[1].hex()}"
    keys_ctx = context(vault, 2, newest, keys_path)
    keys = seal(derive(root, "keys", vault), vault, 2, newest, keys_path, salt_of(seed, keys_ctx, earlier), earlier)

    name = derive(code, "recovery slot name", length=16).hex()
    stretching = stretch_salt + struct.pack("<III", *cost)
    sealing = (vault, newest, root, header_hash, seed)
    return {
        "private_space": derive(vault, "private space", length=16),
        "content_key": content,
        "piece_id": blake3(b"abc", key=derive(roots[0], "piece id", vault, space)).digest(),
        "blob_id": blake3(b"abc", key=derive(roots[0], "blob id", vault, space)).digest(),
        "cut": blake3(b"abc", key=derive(roots[0], "cut", vault, space)).digest(),
        "digest": blake3(b"abc", key=derive(roots[0], "digest", vault)).digest(),
        "import": blake3(b"abc", key=derive(roots[0], "import", vault)).digest(),
        "sealed_blake3": {
            str(length): blake3(
                seal(content, vault, 3, newest, place, salt_of(seed, context(vault, 3, newest, place), text), text)
            ).digest()
            for length, text in plaintexts.items()
        },
        "sealed_5": seal(
            content, vault, 3, newest, place,
            salt_of(seed, context(vault, 3, newest, place), plaintexts[5]), plaintexts[5],
        ),
        "keys": keys,
        "device_seed": derive(DRAWN, "device seed", b"now"),
        "public_key": signing_key(seed).public_key().public_bytes_raw(),
        "device_id": device_id(seed),
        "signature": signing_key(seed).sign(labelled("manifest", b"body")),
        "root_secret": fresh(seed, "root secret", b"epoch 1"),
        "generated_code": fresh(seed, "recovery code", b"vault", length=20),
        "code_text": code_text(code),
        "slot_recovery": slot(code, "recovery", 1, name, b"", *sealing),
        "slot_recovery_name": name,
        "slot_passphrase": slot(stretched, "passphrase", 2, "passphrase", stretching, *sealing),
        "slot_device": slot(seed, "device", 3, device_id(seed).hex(), b"", *sealing),
        "padme": {str(length): padme(length) for length in (0, 1, 2, 3, 7, 8, 9, 100, 4095, 4097, 65537, 1000000, 8388609)},
    }


print(json.dumps(main(), indent=1, default=lambda value: value.hex()))
