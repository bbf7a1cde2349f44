"""What each delivery says of itself in headers, so that a listener can tell a missing window or part."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cdrelay.contract.times import read_time, write_time
from cdrelay.contract.windows import Period

WINDOW_START = "X-Cdrelay-Window-Start"
WINDOW_END = "X-Cdrelay-Window-End"
PART = "X-Cdrelay-Part"
PARTS = "X-Cdrelay-Parts"
COUNT = "X-Cdrelay-Count"
DIGEST = "X-Cdrelay-Digest"


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

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> "Manifest | None":
        """From the headers of a delivery; None when they are not there or say nothing sensible, as with Webex."""
        try:
            window = Period(read_time(headers[WINDOW_START]), read_time(headers[WINDOW_END]))
            part, parts, count = (int(headers[name]) for name in (PART, PARTS, COUNT))
        except (KeyError, ValueError):
            return None
        digest = headers.get(DIGEST, "").lower()
        return cls(window, part, parts, count, digest) if 1 <= part <= parts and count >= 0 else None


def digest_of(report_ids: Iterable[str]) -> str:
    """SHA-256, in lower-case hexadecimal, of the Report IDs in lower case, sorted, each with a line feed after it.

    The order of the records does not matter to it; a record that is missing, too many or another one does.
    """
    lines = "\n".join([*sorted(map(str.lower, report_ids)), ""])
    return hashlib.sha256(lines.encode()).hexdigest()
