"""A device written in Python: seals and signs manifests and segments as docs/FORMAT.md says, or wrong in one way."""

import os
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

import crypto
import run
from parse import counted, u32, u64
from replica import MAP, ROOT, Action, Collection, Context, Dot, Entry, Point, Stamp, encode_action, encode_vector

PROBE = Collection(MAP, "probe")
STAMP = Stamp(1_700_000_000_000, 0)


def listed(elements: list[bytes]) -> bytes:
    return u32(len(elements)) + b"".join(elements)


Points = dict[bytes, Point]
"""A vector of devices with one line each."""


def encode_points(points: Points) -> bytes:
    return encode_vector({device: Entry(*point) for device, point in points.items()})


def plain_frame(content: bytes) -> bytes:
    return b"\0" + counted(content)


def seal_message(content_key: bytes, clear: bytes, place: crypto.Place, plaintext: bytes) -> bytes:
    """Salt, commitment and chunks."""
    salt, size = os.urandom(24), crypto.CHUNK_BYTES
    info = b"c2sp.org/chunked-encryption@v1+AEAD_CHACHA20_POLY1305\0" + salt + place.context(clear)
    made = HKDFExpand(hashes.SHA512(), 76, info).derive(content_key)
    cipher, nonce = ChaCha20Poly1305(made[:32]), int.from_bytes(made[32:44], "big")
    chunks = [
        cipher.encrypt((nonce ^ i).to_bytes(12, "big"), plaintext[i * size : (i + 1) * size], None)
        for i in range(len(plaintext) // size + 1)
    ]
    return salt + made[44:] + b"".join(chunks)


def clear_header(kind: int, epoch: crypto.Epoch) -> bytes:
    return b"TDLK" + bytes([1, kind, 1]) + epoch.encoded()


def seal(ring: crypto.KeyRing, path: str, kind: int, content: bytes, padded: int | None = None) -> bytes:
    """A sealed object under the newest epoch; `padded`: another padded length than the right one."""
    epoch = max(ring.secrets)
    plaintext = counted(content)
    plaintext += bytes((padded or crypto.padded_length(len(plaintext), kind)) - len(plaintext))
    clear, content_key = (
        clear_header(kind, epoch),
        crypto.derive(ring.secrets[epoch], "content", ring.vault + ring.space),
    )
    return clear + seal_message(content_key, clear, crypto.Place(ring.vault, path, kind), plaintext)


@dataclass
class Write:
    """An op to be written. `void`: it goes out as one, and so far on is what replaced it. Raw bytes stand for a context or an action that no type has."""

    collection: Collection
    key: bytes
    action: Action = b"value"
    seen: list[tuple[int, int, bytes]] = field(default_factory=list)
    context: bytes = Context().encoded()
    raw_action: bytes | None = None
    void: int | None = None
    index: int | None = None
    head_form: int = 1
    stamp: Stamp = STAMP

    def encoded_action(self) -> bytes:
        return encode_action(self.action) if self.raw_action is None else self.raw_action


def varint(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + varint(value >> 7)


@dataclass
class Columns:
    """A run's ops, and the tables to be overridden where they are to be wrong."""

    ops: list[Write]
    start: int = 1
    before: bytes = b""
    base: Points = field(default_factory=dict)
    raw_base: bytes | None = None
    others: list[bytes] = field(default_factory=list)
    raw_seen: bytes | None = None
    """What the last op's head has in place of its list of Seen."""
    collections: list[Collection] | None = None
    extra_payload: bytes = b""

    def tables(self) -> list[Collection]:
        return list(dict.fromkeys(op.collection for op in self.ops)) if self.collections is None else self.collections

    def heads(self, device: bytes) -> tuple[bytes, bytes]:
        """The heads' columns, and the last op's tag."""
        table, tag = sorted(self.base) + self.others, self.before
        known = {d: p.n for d, p in self.base.items()}
        heads = []
        for op in self.ops:
            seen: Points = {}
            for index, ahead, seen_tag in op.seen:
                known[table[index]] = known.get(table[index], 0) + ahead
                seen[table[index]] = Point(known[table[index]], seen_tag)
            encoded = encode_points(seen) + op.stamp.encoded() + op.collection.encoded()
            encoded += counted(op.key) + op.encoded_action() + op.context
            tag = crypto.blake(tag + encoded)[:8]
            short = listed([varint(i) + varint(a) + t for i, a, t in op.seen])
            if op is self.ops[-1] and self.raw_seen is not None:
                short = self.raw_seen
            index = self.tables().index(op.collection) if op.index is None else op.index
            rest = op.stamp.encoded() + index.to_bytes(2, "little") + op.context
            op_head = bytes([op.head_form]) + short + rest
            heads.append(op_head if op.void is None else b"\2" + short + tag + varint(op.void))
        base = encode_points(self.base) if self.raw_base is None else self.raw_base
        tables = listed(self.others) + listed([c.encoded() for c in self.tables()])
        return base + tables + listed(heads), tag

    def payloads(self) -> list[bytes]:
        lists = []
        for collection in self.tables():
            ops = [op for op in self.ops if op.collection == collection and op.void is None]
            lists.append(listed([counted(op.key) + op.encoded_action() for op in ops]))
        if self.extra_payload:
            lists[-1] = u32(int.from_bytes(lists[-1][:4], "little") + 1) + lists[-1][4:] + self.extra_payload
        return lists


class Forger:
    """A device of a vault whose keys are known. `firsts`: the first ops of the real ones."""

    def __init__(self, ring: crypto.KeyRing, firsts: Points | None = None) -> None:
        self.ring = ring
        self.firsts = firsts or {}
        self.key = Ed25519PrivateKey.generate()
        self.public_key = self.key.public_key().public_bytes_raw()
        self.device = crypto.device_id(self.public_key)
        self.space = f"spaces/{ring.space.hex()}"
        self.path = f"{self.space}/manifests/{self.device.hex()}"

    def own_record(self) -> Write:
        value = self.public_key + counted(b"forged") + u64(STAMP.ms)
        return Write(Collection(ROOT, ""), b"devices/" + self.device.hex().encode(), value)

    def columns(self, *writes: Write) -> Columns:
        """A run from the first op on: the own record, then these."""
        return Columns([self.own_record(), *writes], before=run.tag_zero(self.device))

    def tail(self, columns: Columns) -> tuple[bytes, Point]:
        """The tail's bytes, and the point that it ends at."""
        heads, tag = columns.heads(self.device)
        encoded = u64(columns.start) + columns.before + heads + listed(columns.payloads())
        return encoded, Point(columns.start - 1 + len(columns.ops), tag)

    def segment(self, columns: Columns, frames: list[bytes] | None = None) -> tuple[str, bytes, Point]:
        """Path, sealed bytes and end. `frames`: the payloads' ones, where they are not plain."""
        heads, tag = columns.heads(self.device)
        frames = [plain_frame(p) for p in columns.payloads()] if frames is None else frames
        content = self.ring.vault + self.ring.space + self.device + u64(columns.start) + columns.before
        content += plain_frame(heads) + listed(frames)
        path = f"{self.space}/segments/{self.device.hex()}/{os.urandom(16).hex()}"
        end = Point(columns.start - 1 + len(columns.ops), tag)
        return path, seal(self.ring, path, crypto.SEGMENT, content), end

    def body(
        self,
        tail: bytes,
        vector: Points,
        sequence: int = 1,
        previous: bytes = bytes(32),
        segments: list[bytes] | None = None,
        damaged: bytes = u32(0),
        revoked: bytes = u32(0),
        snapshot: bytes = b"\0",
        raw_vector: bytes | None = None,
    ) -> bytes:
        head = self.ring.vault + self.ring.space + self.device + self.public_key
        encoded = encode_points(vector) if raw_vector is None else raw_vector
        log = listed(segments or []) + counted(tail)
        return head + u64(sequence) + previous + encoded + log + snapshot + damaged + revoked

    def manifest(
        self, body: bytes, domain: str = "manifest", padded: int | None = None, after: bytes = b""
    ) -> bytes:
        signed = body + self.key.sign(crypto.labelled(domain, body)) + after
        return seal(self.ring, self.path, crypto.MANIFEST, signed, padded)


def segment_ref(path: str, sealed: bytes, start: int, end: Point) -> bytes:
    object_ref = bytes.fromhex(path.rsplit("/", 1)[1]) + crypto.blake(sealed) + u64(len(sealed))
    return object_ref + u64(start) + end.encoded()


@dataclass
class Snapshot:
    """A snapshot to be sealed; each field may be wrong."""

    vector: Points
    chunks: list[list[tuple[Collection, bytes]]]
    """Of each chunk its collections, each with its rows' encoding."""
    firsts: list[tuple[Collection, bytes]]
    digests: list[list[bytes]] = field(default_factory=list)
    islands: bytes = u32(0)
    forks: bytes = u32(0)
    tags: bytes = u32(0)
    beyond: list[Dot] = field(default_factory=list)
    """What the manifest says of the islands' ends."""
    author: bytes | None = None
    more_bytes: int = 0
    ref_vector: Points | None = None
    spoilt_content: bool = False
    after: bytes = b""


def standing(f: Forger, n: int, tag: bytes, action: Action, context: bytes = Context().encoded()) -> bytes:
    return f.device + u64(n) + tag + STAMP.encoded() + encode_action(action) + context


def row(key: bytes, *writes: bytes) -> bytes:
    return counted(key) + listed(list(writes))


def seal_snapshot(f: Forger, s: Snapshot) -> tuple[dict[str, bytes], bytes]:
    """The objects, and the option SnapshotRef that names them."""
    files: dict[str, bytes] = {}

    def put(kind: int, content: bytes) -> tuple[bytes, int]:
        object_id = os.urandom(16)
        path = f"{f.space}/snapshots/{object_id.hex()}"
        files[path] = seal(f.ring, path, kind, content)
        return object_id + crypto.blake(files[path]) + u64(len(files[path])), len(files[path])

    total, chunk_refs, deletion_refs = s.more_bytes, [], []
    for chunk, (collection, key) in zip(s.chunks, s.firsts, strict=True):
        content = listed([c.encoded() + plain_frame(rows) for c, rows in chunk]) + s.after
        ref, length = put(crypto.CHUNK, content)
        total += length
        content_hash = bytes(32) if s.spoilt_content else crypto.blake(content)
        chunk_refs.append(ref + collection.encoded() + counted(key) + content_hash)
    for digests in s.digests:
        ref, length = put(crypto.CHUNK, listed(digests))
        total += length
        deletion_refs.append(ref + crypto.blake(listed(digests)))
    index = f.ring.vault + f.ring.space + (s.author or f.device) + encode_points(s.vector) + s.islands + s.forks + s.tags
    ref, _ = put(crypto.INDEX, index + listed(chunk_refs) + listed(deletion_refs))
    vector = s.vector if s.ref_vector is None else s.ref_vector
    return files, b"\1" + ref + u64(total) + encode_points(vector) + listed([dot.encoded() for dot in s.beyond])
