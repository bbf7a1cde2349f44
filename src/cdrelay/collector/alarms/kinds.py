"""The kinds of alarms. Each has a page in docs/operations, named like it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

KINDS: Mapping[str, str] = {
    "window-missing": "Windows of calls have not arrived",
    "source-silent": "Deliveries have stopped",
    "repair-failed": "Missing records could not be fetched",
    "records-near-edge": "Records will soon be out of reach",
    "records-lost": "Records are lost",
    "pull-gap": "Records of a pulled source may be missing",
    "token-expiring": "Access to the provider is about to end",
    "source-unreadable": "Secrets of a source cannot be opened",
    "disk-full": "The disk is nearly full",
    "spool-grows": "Payloads wait to be loaded",
    "schema-drift": "Records are not as documented",
    "upkeep-failed": "The upkeep of the lake failed",
    "not-running": "The collector was not running",
}
"""Each kind, and what it means in a line for people."""


def page_of(kind: str) -> str:
    """Where it says what to do about an alarm of that kind, or, for a test, what alarms are."""
    return f"docs/operations/{kind}.md" if kind in KINDS else "docs/alarms.md"


@dataclass(frozen=True, slots=True, order=True)
class Cause:
    """Something that is as it should not be, at this moment. Holds nothing personal and no secret."""

    kind: str
    subject: str
    """What it is about, such as a source; the same thing always has the same. Empty: the collector as a whole."""
    what: str
    """What is wrong, since when, in words."""
    newest: datetime | None = None
    """When the latest of several things happened: what came after people were told is told within the hour."""
