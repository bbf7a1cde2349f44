"""What a run over a source has done, in numbers."""

from dataclasses import dataclass, field

from cdrelay.collector.comparison import Check
from cdrelay.contract.windows import Period

_PROBLEMS_TOLD = 3


@dataclass(slots=True)
class Tally:
    """What a run has done so far."""

    windows: int = 0
    short: int = 0
    repaired: int = 0
    fetched: int = 0
    lost: int = 0
    told_lost: str | None = None
    """Which those are, in words."""
    short_windows: list[tuple[str, Period]] = field(default_factory=list)
    """Organizations and windows that are short still."""
    problems: list[str] = field(default_factory=list)
    ended: str | None = None
    """Why the run ended early, if it did."""

    def count(self, check: Check) -> None:
        """Add one organization's span."""
        brought = max(0, check.after.stored - check.before.stored) if check.asked else 0
        self.windows += 1
        self.short += check.after.missing > 0
        self.repaired += brought > 0 and not check.after.missing
        self.fetched += brought

    def problem(self) -> str | None:
        """The first problems in one line; None when there were none."""
        told = "; ".join(self.problems[:_PROBLEMS_TOLD])
        more = len(self.problems) - _PROBLEMS_TOLD
        return (f"{told}; and {more} more" if more > 0 else told) or None
