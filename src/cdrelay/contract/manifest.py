"""What each delivery says of itself in headers, so that a listener can tell a missing window or part."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from cdrelay.contract.times import read_time, write_time
from cdrelay.contract.windows import Period

WINDOW_START = "X-Cdrelay-Window-Start"
WINDOW_END = "X-Cdrelay-Window-End"
PART = "X-Cdrelay-Part"
PARTS = "X-Cdrelay-Parts"
COUNT = "X-Cdrelay-Count"
DIGEST = "X-Cdrelay-Digest"

ManifestState = Literal["verified", "differs", "counted", "quarantined"]
"""What became of a manifest: its records came; others came; as many came, and it has no digest; they came, and some of
them could not be stored."""

# Nobody signs the headers: what is read from them is bounded, so that no number of theirs becomes work or memory.
_MOST_PARTS = 10_000
"""At 5,000 records a part, 50 million of one window."""
_MOST_RECORDS = 2**31 - 1
_LONGEST_WINDOW = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One POST of a delivery: its window, which part of how many (from 1), and the number of its records.

    Where all parts of all windows are there, and each has the records that its digest is of, nothing is missing.
    """

    window: Period
    part: int
    parts: int
    count: int
    digest: str = ""
    """See `digest_of`; empty where it is not known."""

    def headers(self) -> dict[str, str]:
        """As HTTP headers."""
        headers = {
            WINDOW_START: write_time(self.window.start),
            WINDOW_END: write_time(self.window.end),
            PART: str(self.part),
            PARTS: str(self.parts),
            COUNT: str(self.count),
        }
        return headers | {DIGEST: self.digest} if self.digest else headers

    def compared(self, stored: Sequence[str], records: int, quarantined: Sequence[str] = ()) -> ManifestState:
        """What a payload of `records` records is: the Report IDs of those that could be stored, and of the others.

        A record without one that can be read is in neither, and then nobody knows whether it is the one that was meant.
        """
        if not len(stored) + len(quarantined) == records == self.count:
            return "differs"
        if not self.digest:
            return "differs" if quarantined else "counted"
        if digest_of([*stored, *quarantined]) != self.digest:
            return "differs"
        return "quarantined" if quarantined else "verified"

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> "Manifest | None":
        """From the headers of a delivery; None when they are not there or say nothing sensible, as with Webex."""
        try:
            window = Period(read_time(headers[WINDOW_START]), read_time(headers[WINDOW_END]))
            part, parts, count = (int(headers[name]) for name in (PART, PARTS, COUNT))
        except (KeyError, ValueError):
            return None
        sensible = 1 <= part <= parts <= _MOST_PARTS and 0 <= count <= _MOST_RECORDS
        if not sensible or window.length > _LONGEST_WINDOW:
            return None
        return cls(window, part, parts, count, headers.get(DIGEST, "").strip().lower()[:64])


def digest_of(report_ids: Iterable[str]) -> str:
    """SHA-256, in lower-case hexadecimal, of the Report IDs in lower case, sorted, each with a line feed after it.

    The order of the records does not matter to it; a record that is missing, too many or another one does.
    """
    return digest_of_sorted(sorted(map(str.lower, report_ids)))


def digest_of_sorted(report_ids: Iterable[str]) -> str:
    """The same of ids that are in lower case and sorted already; more of them than fit in memory may be given."""
    digest = hashlib.sha256()
    for report_id in report_ids:
        digest.update(f"{report_id}\n".encode())
    return digest.hexdigest()
