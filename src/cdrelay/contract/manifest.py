"""What each delivery says of itself in headers, so that a listener can tell a missing window or part."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdrelay.contract.times import read_time, write_time
from cdrelay.contract.windows import Period

WINDOW_START = "X-Cdrelay-Window-Start"
WINDOW_END = "X-Cdrelay-Window-End"
PART = "X-Cdrelay-Part"
PARTS = "X-Cdrelay-Parts"
COUNT = "X-Cdrelay-Count"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One POST of a delivery: its window, which part of how many (from 1), and the number of its records."""

    window: Period
    part: int
    parts: int
    count: int

    def headers(self) -> dict[str, str]:
        """As HTTP headers."""
        return {
            WINDOW_START: write_time(self.window.start),
            WINDOW_END: write_time(self.window.end),
            PART: str(self.part),
            PARTS: str(self.parts),
            COUNT: str(self.count),
        }

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> "Manifest | None":
        """From the headers of a delivery; None when they are not there or say nothing sensible, as with Webex."""
        try:
            window = Period(read_time(headers[WINDOW_START]), read_time(headers[WINDOW_END]))
            part, parts, count = (int(headers[name]) for name in (PART, PARTS, COUNT))
        except (KeyError, ValueError):
            return None
        return cls(window, part, parts, count) if 1 <= part <= parts and count >= 0 else None
