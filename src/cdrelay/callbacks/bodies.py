"""Bodies as they are kept until they are sent: packed, a tenth of their size, or plain when they are small.

Packed is zstd in frames, one after the other, which unpack as one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

_CODEC = pa.Codec("zstd", 1)


def pack(content: bytes | memoryview) -> bytes:
    """A frame of it. The same content packs the same."""
    packed: bytes = _CODEC.compress(content, asbytes=True)
    return packed


@dataclass(frozen=True, slots=True)
class PackedBody:
    """A body in little room, so that many can be under way at once."""

    packed: bytes

    @classmethod
    def pack(cls, content: bytes) -> "PackedBody":
        """The same content packs the same."""
        return cls(pack(content))

    def content(self) -> bytes:
        """All of it. Raises OSError when it is damaged."""
        return bytes(self._unpacking().read())

    def pieces(self, size: int) -> Iterator[bytes]:
        """The content piece by piece, each of at most `size` bytes. Raises OSError when it is damaged."""
        unpacking = self._unpacking()
        while piece := unpacking.read(size):
            yield piece

    def _unpacking(self) -> pa.CompressedInputStream:
        return pa.CompressedInputStream(pa.BufferReader(self.packed), "zstd")


@dataclass(frozen=True, slots=True)
class PlainBody:
    """A body as it is sent: one so small that packing it gains nothing while it is under way."""

    content: bytes

    def pieces(self, size: int) -> Iterator[bytes]:
        """The content piece by piece, each of at most `size` bytes."""
        for start in range(0, len(self.content), size):
            yield self.content[start : start + size]


SendableBody = PackedBody | PlainBody
"""What can be sent in pieces."""
