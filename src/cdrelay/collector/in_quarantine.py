"""What is shown of the quarantine: how it came and why it cannot be stored, and nothing of what is in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cdrelay.collector.payload_history import payloads_named
from cdrelay.control.database import Database
from cdrelay.lake.quarantine_heads import Head, HeadUnreadable, read_heads
from cdrelay.lake.quarantine_listing import Filed, Listing


@dataclass(frozen=True, slots=True)
class Held:
    """What is in quarantine of one payload."""

    payload: str
    put_aside_at: datetime
    records: int
    """In quarantine; a whole body counts as one."""
    brought: int | None
    """Records of the whole payload; None where it has no receipt."""
    heads: list[Head]
    """Of the first of them; empty: the file is damaged."""


class InQuarantine:
    """Looks at the collector's quarantine. Blocking, from any thread; methods raise DatabaseUnavailable."""

    def __init__(self, listing: Listing, database: Database) -> None:
        self._listing = listing
        self._database = database

    def page(self, number: int, on_each: int) -> tuple[int, int, list[Held]]:
        """How many payloads are there, which page this is, and what is on it: the one put aside last comes first.

        Each has the head of its first record. Behind the last page is the last one.
        """
        files = self._listing.newest_first()
        number = max(1, min(number, -(-len(files) // on_each)))
        return len(files), number, self._held(files[(number - 1) * on_each : number * on_each], 1)

    def of_payload(self, payload: str, most: int) -> Held | None:
        """The same of one payload with so many heads at most; None when nothing of it is there."""
        filed = self._listing.find(payload)
        return next(iter(self._held([filed] if filed else [], most)), None)

    def _held(self, files: Sequence[Filed], heads: int) -> list[Held]:
        receipts = {one.id: one.records for one in payloads_named(self._database, [one.payload for one in files])}
        found = []
        for one in files:
            try:
                read = read_heads(self._listing.path(one), heads)
            except FileNotFoundError:
                continue  # loaded again or dropped meanwhile
            except HeadUnreadable:
                read = []
            whole = any(head.whole_body for head in read[:1])
            records = 1 if whole else self._listing.lines(one)
            written = datetime.fromtimestamp(one.written_ns / 1e9, UTC)
            found.append(Held(one.payload, written, records, receipts.get(one.payload), read))
        return found
