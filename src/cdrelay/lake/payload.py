"""From the body of a payload to the JSON of its records.

Bodies are `{"items":[…]}`, `{"data":{"items":[…]}}`, `{"data":[…]}` or a bare array (FACTS 1.3), or one record a line.
"""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile

import msgspec
import pyarrow as pa

from cdrelay.errors import UNREADABLE, CdrelayError
from cdrelay.lake.files import mapped
from cdrelay.lake.spool import ContentEncoding

Buffer = bytes | memoryview
_PIECE_BYTES = 2**20
_GZIP = b"\x1f\x8b"
_IN_MEMORY_BYTES = 16 * 2**20


class BodyUnreadable(CdrelayError):
    """The body as a whole is no list of records; the message says where it stops making sense."""


class BodyTooLarge(CdrelayError):
    """The body unpacks to more than the limit."""


class _Listing(msgspec.Struct):
    items: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_DOCUMENT = msgspec.json.Decoder(_Listing)
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


_LIST = re.compile(rb"[ \t\r\n]*\[")
_MAYBE_HALF = re.compile(rb"\\u[dD]")

# Half of a surrogate pair is what is left of an emoji where a name was cut. No parser takes it, and one such name would
# cost all records of the payload; the replacement character costs the half emoji.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)


def unpack(body: Buffer, encoding: ContentEncoding, limit: int, scratch: Path | None = None) -> Buffer:
    """The body without its compression, of at most `limit` bytes. Raises BodyTooLarge, BodyUnreadable.

    With a folder for `scratch`, a body that is large unpacked is put into a nameless file there and not into memory;
    raises OSError when that has no room. No more is unpacked than the limit and one piece.
    """
    if not encoding:
        return body
    pieces = unpacked(body, encoding, limit)
    gathered, size = [], 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if scratch is not None and size > _IN_MEMORY_BYTES:
            with TemporaryFile(dir=scratch) as file:
                file.writelines(chain(gathered, pieces))
                file.flush()
                return mapped(file)
    return b"".join(gathered)


def unpacked(body: Buffer, encoding: str, limit: int) -> Iterator[bytes]:
    """The same for a body that is compressed, piece by piece."""
    if encoding == "gzip" and not _GZIP.startswith(bytes(body[:2])):
        raise BodyUnreadable("the body is said to be gzip and is not")  # the library takes zlib's form for it, too
    # Frames of zstd and members of gzip may follow one another.
    stream, size = pa.CompressedInputStream(pa.BufferReader(body), encoding), 0
    while True:
        try:
            piece: bytes = stream.read(_PIECE_BYTES)
        except OSError as error:
            raise BodyUnreadable(f"the body is said to be {encoding} and is not: {error}") from error
        if not piece:
            return
        size += len(piece)
        if size > limit:
            raise BodyTooLarge(f"the body unpacks to more than {limit} bytes")
        yield piece


def split(body: Buffer, *, lines: bool) -> list[msgspec.Raw]:
    """The JSON text of each record, without copying. Raises BodyUnreadable.

    Of a document the JSON of all records has been checked; of lines none has: a broken line is a broken record.
    """
    if lines:
        return [msgspec.Raw(line) for piece in bytes(_mended(body)).split(b"\n") if (line := piece.strip())]
    try:
        return _records(body, inner=False)
    except UNREADABLE as error:
        # Only now: looking for halves takes longer than reading a body that has none.
        if (mended := _mended(body)) != body:
            return split(mended, lines=False)
        raise BodyUnreadable(f"the body is no list of records: {error}") from error


def _mended(body: Buffer) -> Buffer:
    """The same without halves of surrogate pairs; mended again it stays as it is."""
    if _MAYBE_HALF.search(body):
        return _ESCAPE.sub(lambda escape: escape[0] if escape["half"] is None else b"\\ufffd", body)
    return body


def _records(body: Buffer, *, inner: bool) -> list[msgspec.Raw]:
    if _LIST.match(body):
        return _ARRAY.decode(body)
    listing = _DOCUMENT.decode(body)
    if listing.items is not msgspec.UNSET:
        return listing.items
    if listing.data is not msgspec.UNSET and not inner:
        return _records(memoryview(listing.data), inner=True)
    raise BodyUnreadable('the body has neither "items" nor "data" with a list of records')
