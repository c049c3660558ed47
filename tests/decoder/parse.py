"""Encoding (docs/FORMAT.md, "Encoding"): a reader of borsh that takes only the one valid form, and the writer of what is hashed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, TypeVar

import zstandard

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

MAX_INFLATED = 8_388_608
MAX_WINDOW = 8_388_608


class Refused(Exception):
    """Bytes that a reader must refuse: the object (its path in the bucket) and the rule it breaks."""

    def __init__(self, rule: str, object_path: str | None = None) -> None:
        super().__init__(rule)
        self.rule = rule
        self.object_path = object_path

    def __str__(self) -> str:
        return f"{self.object_path or 'vault'}: {self.rule}"


@contextmanager
def reading(object_path: str) -> Iterator[None]:
    """Every refusal inside names this object, unless it names one already."""
    try:
        yield
    except Refused as refused:
        if refused.object_path is None:
            refused.object_path = object_path
        raise


def require(holds: bool, rule: str) -> None:
    """Refuses unless `holds`."""
    if not holds:
        raise Refused(rule)


class Reader:
    """Reads values from the front of a byte string."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @classmethod
    def whole(cls, data: bytes, value: "Callable[[Reader], T]") -> T:
        """The one value that `data` is, with nothing after it."""
        reader = cls(data)
        result = value(reader)
        reader.end()
        return result

    def left(self) -> int:
        return len(self._data) - self._at

    def end(self) -> None:
        require(self.left() == 0, f"{self.left()} bytes after the end")

    def fixed(self, length: int) -> bytes:
        require(length <= self.left(), f"{length} bytes are due where {self.left()} are left")
        self._at += length
        return self._data[self._at - length : self._at]

    def _integer(self, length: int) -> int:
        return int.from_bytes(self.fixed(length), "little")

    def u8(self) -> int:
        return self._integer(1)

    def u16(self) -> int:
        return self._integer(2)

    def u32(self) -> int:
        return self._integer(4)

    def u64(self) -> int:
        return self._integer(8)

    def varint(self) -> int:
        """LEB128 in its shortest form, below 2^64."""
        value = 0
        for place in range(10):
            byte = self.u8()
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                require(byte != 0 or place == 0, "a varint is not in its shortest form")
                require(value < 1 << 64, "a varint is not below 2^64")
                return value
        raise Refused("a varint is longer than ten bytes")

    def bytes(self) -> bytes:
        return self.fixed(self.u32())

    def text(self) -> str:
        try:
            return self.bytes().decode("utf-8", "strict")
        except UnicodeDecodeError:
            raise Refused("text is not UTF-8") from None

    def list(self, element: "Callable[[Reader], T]") -> "list[T]":
        # No element is shorter than one byte: the length is bounded by what is there.
        count = self.u32()
        require(count <= self.left(), "a list is longer than its object")
        return [element(self) for _ in range(count)]

    def option(self, value: "Callable[[Reader], T]") -> T | None:
        given = self.u8()
        require(given <= 1, "an option is neither 0 nor 1")
        return value(self) if given else None

    def map(self, key: "Callable[[Reader], K]", value: "Callable[[Reader], V]") -> dict[K, V]:
        entries = self.list(lambda r: (key(r), value(r)))
        require_rising([k for k, _ in entries], "a map's keys")
        return dict(entries)

    def set(self, key: "Callable[[Reader], K]") -> frozenset[K]:
        keys = self.list(key)
        require_rising(keys, "a set's members")
        return frozenset(keys)


def require_rising(keys: list[Any], what: str) -> None:
    """Strictly rising, so each stands once. Texts compare by their UTF-8 bytes, as Python's code points do."""
    require(all(a < b for a, b in pairwise(keys)), f"{what} do not rise")


def read_frame(r: Reader) -> bytes:
    """A frame's content: as it stands, or one zstd frame of the length it declares."""
    form = r.u8()
    if form == 0:
        return r.bytes()
    require(form == 1, "a frame is neither plain nor compressed")
    inflated = r.u32()
    require(inflated <= MAX_INFLATED, "a frame declares more than 8,388,608 bytes")
    return inflate(r.bytes(), inflated)


def inflate(squeezed: bytes, inflated: int) -> bytes:
    """What one zstd frame holds, if it is exactly so many bytes."""
    # A frame without a window descriptor has its content's length for a window.
    inflater = zstandard.ZstdDecompressor(max_window_size=max(MAX_WINDOW, inflated)).decompressobj(
        read_across_frames=False
    )
    try:
        window = zstandard.get_frame_parameters(squeezed).window_size
        single_segment = squeezed[4] & 0x20
        require(single_segment or window <= MAX_WINDOW, "a frame's window is above 8 MiB")
    except zstandard.ZstdError:
        raise Refused("a frame does not inflate") from None
    content = b""
    try:
        # A frame in pieces: it may not run far past the length it declares.
        for at in range(0, len(squeezed), 4096):
            content += inflater.decompress(squeezed[at : at + 4096])
            require(len(content) <= inflated, "a frame inflates to more than it declares")
            if inflater.eof:
                require(not inflater.unused_data and at + 4096 >= len(squeezed), "bytes after the zstd frame's end")
    except zstandard.ZstdError:
        raise Refused("a frame does not inflate") from None
    require(inflater.eof, "a zstd frame ends early")
    require(len(content) == inflated, "a frame inflates to less than it declares")
    return content


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def counted(data: bytes) -> bytes:
    """A list of bytes, or text's bytes."""
    return u32(len(data)) + data
