"""Pieces, packs and cuts (docs/format/packs.md)."""

from dataclasses import dataclass
from itertools import accumulate

from blake3 import blake3

import crypto
from parse import Reader, require, inflate, u64

CONTENT, LIST = 1, 2
MAX_PLAINTEXT = {1: 4_194_304, 2: 4_194_304, 3: 16_777_216, 4: 16_777_216, 5: 16_777_216, 6: 16_777_216}
CLASSES = {"att": 1, "data": 2, "tree": 3}
MAX_HELD, MAX_SEALED, PIECE_BYTES = 4_096, 16_777_216, 1_048_576


@dataclass(frozen=True)
class Keys:
    """What names and cuts a space's content, from the root secret of epoch number 1."""

    piece: bytes
    blob: bytes
    cut: bytes

    @classmethod
    def of(cls, first_root_secret: bytes, vault: bytes, space: bytes) -> "Keys":
        return cls(*(crypto.derive(first_root_secret, label, vault + space) for label in ("piece id", "blob id", "cut")))

    def piece_id(self, plaintext: bytes) -> bytes:
        return crypto.keyed(self.piece, plaintext, 32)

    def list_id(self, length: int, ids: bytes) -> bytes:
        """The id of a blob with a list."""
        return crypto.keyed(self.blob, u64(length) + ids, 32)

    def blob_id(self, content: bytes) -> tuple[bytes, int]:
        """A blob's id, and how many pieces it has."""
        ids = [self.piece_id(content[at : at + PIECE_BYTES]) for at in range(0, len(content), PIECE_BYTES)]
        return (self.list_id(len(content), b"".join(ids)) if len(ids) > 1 else self.piece_id(content)), len(ids)


@dataclass(frozen=True)
class Held:
    """A piece as its directory tells it, and the bytes of pieces before it."""

    kind: int
    id: bytes
    stored: int
    inflated: int
    at: int = 0


def require_possible(kind: int, stored: int, inflated: int) -> None:
    require(stored >= 1, "a piece has no byte")
    require(inflated == 0 or inflated > stored, "a frame is not shorter than its plaintext")
    require((inflated or stored) <= MAX_PLAINTEXT[kind], "a piece has more bytes than its kind takes")


def _read_held(r: Reader) -> Held:
    held = Held(r.u8(), r.fixed(32), r.u32(), r.u32())
    require(held.kind in MAX_PLAINTEXT, "an unknown kind of piece")
    require_possible(held.kind, held.stored, held.inflated)
    return held


def read_directory(body: bytes) -> list[Held]:
    """What is in a body, each piece at its place."""
    end = Reader(body[-4:])
    length = end.u32()
    require(length <= len(body) - 4, "the directory is longer than the body")
    pieces, directory = body[: len(body) - 4 - length], body[len(body) - 4 - length : -4]
    held = Reader.whole(directory, lambda r: r.list(_read_held))
    require(1 <= len(held) <= MAX_HELD, "no piece, or more than 4,096")
    require(sum(h.stored for h in held) == len(pieces), "the pieces' lengths are not the directory's")
    require(len({h.id for h in held}) == len(held), "an id twice")
    starts = accumulate((h.stored for h in held), initial=0)
    return [Held(h.kind, h.id, h.stored, h.inflated, at) for h, at in zip(held, starts, strict=False)]


@dataclass(frozen=True)
class PackAt:
    """Where a pack is, and the content key of the epoch that its place names."""

    vault: bytes
    epoch: crypto.Epoch
    content_key: bytes
    path: str

    @classmethod
    def of(
        cls, ring: crypto.KeyRing, space: bytes, pack_class: str, device: bytes, pack: bytes, epoch: crypto.Epoch
    ) -> "PackAt":
        require(pack_class in CLASSES, "an unknown class")
        require(epoch in ring.secrets, f"epoch {epoch.text()} is unknown")
        content_key = crypto.derive(ring.secrets[epoch], "content", ring.vault + space)
        return cls(ring.vault, epoch, content_key, f"spaces/{space.hex()}/blobs/{pack_class}/{device.hex()}/{pack.hex()}")

    def salt(self) -> bytes:
        return crypto.blake(crypto.labelled("pack salt", self.path.encode()))[:24]

    def read(self, sealed: bytes) -> tuple[bytes, list[Held]]:
        """The body of a whole pack, and what is in it."""
        require(len(sealed) <= MAX_SEALED, "a pack of more than 16,777,216 bytes")
        require(crypto.read_clear_header(sealed, crypto.PACK) == self.epoch, "the epoch is not the place's")
        require(sealed[crypto.CLEAR_HEADER :][:24] == self.salt(), "the salt is not the path's")
        place = crypto.Place(self.vault, self.path, crypto.PACK)
        body = crypto.unpad(crypto.open_sealed(self.content_key, place, sealed), crypto.PACK)
        return body, read_directory(body)

    def open_chunks(self, first: int, chunks: bytes) -> bytes:
        """Chunks in a row, without clear header and commitment."""
        clear = b"TDLK" + bytes([1, crypto.PACK, 1]) + self.epoch.encoded()
        context = crypto.Place(self.vault, self.path, crypto.PACK).context(clear)
        keys = crypto.message_keys(self.content_key, self.salt(), context)
        return crypto.open_chunks(keys, first, chunks)


PACK_PIECES, MAX_PACKS = 7, 2_048
BLOB_BYTES = MAX_PACKS * PACK_PIECES * PIECE_BYTES


def require_laid(r: Reader) -> None:
    """A record of the places says where a blob can lie."""
    form = r.u8()
    require(form in (1, 2), "a blob's place is none of 1, 2")
    if form == 1:
        r.fixed(16 + 16 + 12)
        spot = Spot.read(r, CONTENT)
        require((spot.inflated or spot.stored) <= PIECE_BYTES, "a blob of one piece is longer than a piece")
    else:
        r.fixed(12 + 16)
        require(1 <= len(r.list(lambda r: r.fixed(16))) <= MAX_PACKS, "a blob in no pack, or in more than 2,048")
        Spot.read(r, LIST)


@dataclass(frozen=True)
class Spot:
    """Where a piece lies in its pack, and what kind it is."""

    kind: int
    no: int
    at: int
    stored: int
    inflated: int

    @classmethod
    def read(cls, r: Reader, kind: int) -> "Spot":
        spot = cls(kind, r.u16(), r.u32(), r.u32(), r.u32())
        spot.sealed_range()
        return spot

    def sealed_range(self) -> tuple[int, int]:
        """First and last byte of the sealed pack that a reader asks for."""
        require(self.no < MAX_HELD, "no pack has so many pieces")
        require_possible(self.kind, self.stored, self.inflated)
        require(4 + self.at + self.stored < MAX_SEALED, "no pack is that long")
        first, last = (4 + self.at) // 16_384, (4 + self.at + self.stored - 1) // 16_384
        return 75 + 16_400 * first, 75 + 16_400 * (last + 1) - 1

    def open_range(self, pack: PackAt, answer: bytes) -> bytes:
        """The piece's plaintext, whose hash is still to be checked."""
        first, last = self.sealed_range()
        require(len(answer) <= last + 1 - first, "more bytes than were asked for")
        number = (4 + self.at) // 16_384
        opened = pack.open_chunks(number, answer)
        start = 4 + self.at - 16_384 * number
        require(start + self.stored <= len(opened), "the pack ends before the piece does")
        return plaintext(opened[start : start + self.stored], self.inflated)


def plaintext(stored: bytes, inflated: int) -> bytes:
    return inflate(stored, inflated) if inflated else stored


def require_list(keys: Keys, ids: bytes, blob: bytes, length: int) -> None:
    """That these are the ids of the pieces of that blob."""
    require(length > PIECE_BYTES, "a blob of one piece has no list")
    require(len(ids) == 32 * -(-length // PIECE_BYTES), "a list of another number of pieces")
    require(keys.list_id(length, ids) == blob, "the list's hash is not the blob's id")


# Cutting


@dataclass(frozen=True)
class Gear:
    """The table and the masks of a space."""

    table: tuple[int, ...]
    early: int
    late: int

    @classmethod
    def of(cls, cut_key: bytes) -> "Gear":
        # Far more bytes than two masks take.
        stream = blake3(crypto.labelled("gear", b""), key=cut_key).digest(length=2_048 + 4_096)
        table = tuple(int.from_bytes(stream[8 * n : 8 * n + 8], "little") for n in range(256))
        rest, masks = iter(stream[2_048:]), []
        for bits in (21, 19):
            mask = 0
            while mask.bit_count() < bits:
                p = next(rest) & 63
                if 16 <= p <= 62:
                    mask |= 1 << p
            masks.append(mask)
        return cls(table, *masks)

    def cuts(self, content: bytes) -> list[int]:
        """The lengths of a content's pieces."""
        lengths, begin = [], 0
        while begin < len(content):
            length = self._first(content[begin : begin + 4_194_304])
            lengths.append(length)
            begin += length
        return lengths

    def _first(self, content: bytes) -> int:
        table, h = self.table, 0
        for mask, start, end in ((self.early, 524_287, 1_048_575), (self.late, 1_048_575, 4_194_304)):
            for n, byte in enumerate(content[start:end], start + 1):
                h = (2 * h + table[byte]) & 0xFFFF_FFFF_FFFF_FFFF
                if not h & mask:
                    return n
        return len(content)
