"""How many records a body holds, once it is there. Blocking, for as long as it is large."""

from collections.abc import Iterator
from pathlib import Path

from cdrelay.lake.listing import Listing
from cdrelay.lake.payload import BodyUnreadable, Buffer, split, unpack, unpacked
from cdrelay.lake.spool import ContentEncoding


def count_records(body: Buffer, encoding: ContentEncoding, limit: int, scratch: Path | None = None) -> int:
    """How many records a body holds. Raises BodyTooLarge when it unpacks to more than `limit`, BodyUnreadable.

    With a folder for `scratch`, what is large unpacked lies there and not in memory; raises OSError without room.
    """
    try:
        if encoding and (records := _listed(unpacked(body, encoding, limit))) is not None:
            return records
        return len(split(unpack(body, encoding, limit, scratch), lines=False))
    except RecursionError:
        raise BodyUnreadable("the body is nested too deeply") from None


def _listed(pieces: Iterator[bytes]) -> int | None:
    listing = Listing()
    for piece in pieces:
        listing.take([piece])
        if listing.given_up:
            return None
    return listing.end()
