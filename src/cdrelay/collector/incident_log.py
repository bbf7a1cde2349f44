"""What the parts of the collector need of the incidents."""

from typing import Protocol


class IncidentLog(Protocol):
    """Where to tell what a person should see."""

    def record(self, part: str, what: str) -> None:
        """Keep it; never raises."""
        ...
