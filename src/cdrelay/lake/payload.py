"""From the body of a payload to the JSON of its records.

Bodies are `{"items":[…]}`, `{"data":{"items":[…]}}`, `{"data":[…]}` or a bare array (FACTS 1.3), or one record a line.
"""

import re
import zlib
from typing import Literal

import msgspec

from cdrelay.errors import CdrelayError

UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What the JSON parser raises: broken or nested too deeply, and, where it makes text, bytes that are none."""


class BodyUnreadable(CdrelayError):
    """The body as a whole is no list of records; the message says where it stops making sense."""


class BodyTooLarge(CdrelayError):
    """The body unpacks to more than the limit."""


class _Listing(msgspec.Struct):
    items: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_DOCUMENT = msgspec.json.Decoder(_Listing)
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


# Half of a surrogate pair is what is left of an emoji where a name was cut. No parser takes it, and one such name would
# cost all records of the payload; the replacement character costs the half emoji.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)


def unpack(body: bytes, encoding: Literal["", "gzip"], limit: int) -> bytes:
    """The body without its compression, of at most `limit` bytes. Raises BodyTooLarge, BodyUnreadable."""
    if not encoding:
        return body
    pieces: list[bytes] = []
    size, rest = 0, body
    while rest:  # gzip allows several members in a row
        member = zlib.decompressobj(wbits=31)
        try:
            pieces.append(member.decompress(rest, limit - size + 1))
        except zlib.error as error:
            raise BodyUnreadable(f"the body is said to be gzip and is not: {error}") from error
        size += len(pieces[-1])
        if size > limit:
            raise BodyTooLarge(f"the body unpacks to more than {limit} bytes")
        if not member.eof:
            raise BodyUnreadable("the gzip body ends in the middle")
        rest = member.unused_data
    return b"".join(pieces)


def split(body: bytes, *, lines: bool) -> list[msgspec.Raw]:
    """The JSON text of each record, without copying. Raises BodyUnreadable.

    Of a document the JSON of all records has been checked; of lines none has: a broken line is a broken record.
    """
    if lines:
        return [msgspec.Raw(line) for piece in _mended(body).split(b"\n") if (line := piece.strip())]
    try:
        return _records(body, inner=False)
    except UNREADABLE as error:
        # Only now: looking for halves takes longer than reading a body that has none.
        if (mended := _mended(body)) != body:
            return split(mended, lines=False)
        raise BodyUnreadable(f"the body is no list of records: {error}") from error


def _mended(body: bytes) -> bytes:
    """The same without halves of surrogate pairs; mended again it stays as it is."""
    if b"\\" in body and (b"\\ud" in body or b"\\uD" in body):
        return _ESCAPE.sub(lambda escape: escape[0] if escape["half"] is None else b"\\ufffd", body)
    return body


def _records(body: bytes | msgspec.Raw, *, inner: bool) -> list[msgspec.Raw]:
    text = bytes(body).lstrip()
    if text[:1] == b"[":
        return _ARRAY.decode(text)
    listing = _DOCUMENT.decode(text)
    if listing.items is not msgspec.UNSET:
        return listing.items
    if listing.data is not msgspec.UNSET and not inner:
        return _records(listing.data, inner=True)
    raise BodyUnreadable('the body has neither "items" nor "data" with a list of records')
