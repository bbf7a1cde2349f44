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

FIRST_STEPS: Mapping[str, str] = {
    "window-missing": "Usually nothing: the hours are compared at once, and what is missing is fetched. A source"
    " without a token or the address of its provider needs both.",
    "source-silent": "See whether the provider reaches you: `curl -i https://…/webhooks/NAME` from outside must answer"
    " 405. Then see at the provider whether the webhook is still on. Of a pulled source, read its last errors.",
    "repair-failed": "`cdrelay ledger windows --state short` says why. Mend that, mostly the token or what is in"
    " quarantine, then `cdrelay reconcile`.",
    "records-near-edge": "Act now, not tomorrow: mend what keeps the repair from succeeding, then `cdrelay reconcile`.",
    "records-lost": "In Control Hub make a Detailed Call History report of the customer and the days, then"
    " `cdrelay collector import REPORT.zip --source NAME`.",
    "pull-gap": "In Control Hub make a Detailed Call History report of those days, then"
    " `cdrelay collector import REPORT.zip --source NAME`.",
    "token-expiring": "`cdrelay collector login NAME` makes new tokens. Without them nothing is compared or fetched.",
    "source-unreadable": "Put the right `secret.key` back, from a backup, and start anew. Where it is lost:"
    " `cdrelay collector source set NAME --secret-file F`, then `cdrelay collector login NAME`.",
    "disk-full": "Make room, or give it a larger disk. Delete nothing in `collector/spool`: those records are nowhere"
    " else.",
    "spool-grows": "See the last errors, part load: mostly the disk is full, or another program holds the database."
    " Loading goes on by itself once that is over.",
    "schema-drift": "Nothing need be done: the records are stored whole. `cdrelay lake drift` lists what is new.",
    "upkeep-failed": "`cdrelay lake upkeep` tries it now and says what is wrong. Mostly the disk has no room.",
    "not-running": "Usually nothing: after every start the last 48 hours are compared and repaired. The log of that"
    " time says why it stopped.",
}
"""What to do first about each kind, out of its page; commands stand between backticks."""


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
