"""What a file of a quarantine says of its records, without the records: they name people, and may be large."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path

import msgspec

from cdrelay.errors import CdrelayError
from cdrelay.lake.spool import Channel, ContentEncoding

BODY = "body"
"""Stands for the field where the body as a whole could not be read."""
_RECORD = b',"record":"'
"""Where the record begins, which is last; no text before it can hold this, because its quotes are escaped."""
_HEAD_BYTES = 2**16


class HeadUnreadable(CdrelayError):
    """A file that is none of a quarantine, or is damaged."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one refused record but what is in it."""

    payload: str
    source: str
    index: int
    """Its place in the payload, from 0."""
    field: str
    rule: str
    channel: Channel = "webhook"
    received: datetime | None = None
    """When its payload came; None where that was not noted."""
    content_encoding: ContentEncoding = ""
    bytes: int = 0
    """Of the record as it came."""

    @property
    def whole_body(self) -> bool:
        """Whether it is a payload and not one record of it."""
        return self.field == BODY


_DECODER = msgspec.json.Decoder(Head)


def read_heads(file: Path, most: int) -> list[Head]:
    """Of the first records of a file. Raises FileNotFoundError, HeadUnreadable."""
    with file.open("rb") as opened:
        try:
            with mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
                return list(islice(_heads(content), most))
        except (ValueError, msgspec.MsgspecError):  # ValueError: there is nothing in it
            raise HeadUnreadable(f"{file.name} is damaged, and nothing in it can be told") from None


def _heads(content: mmap) -> Iterator[Head]:
    start, size = 0, len(content)
    while start < size:
        end = content.find(b"\n", start)
        end = size if end < 0 else end
        cut = content.find(_RECORD, start, min(end, start + _HEAD_BYTES))
        head = _DECODER.decode(content[start : max(cut, start)] + b"}")
        yield msgspec.structs.replace(head, bytes=_unpacked(content, cut + len(_RECORD), end - len('"}')))
        start = end + 1


def _unpacked(content: mmap, start: int, end: int) -> int:
    """Bytes of what stands there as base64."""
    padding = content[max(start, end - 2) : end].count(b"=")
    return (end - start) // 4 * 3 - padding
