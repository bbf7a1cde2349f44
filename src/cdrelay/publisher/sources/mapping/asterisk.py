"""Asterisk: one CDR, which is one party A and at most one party B, as one or two call records.

The first record is that of party A, who placed the call; where there is a `dstchannel`, a second one is that of
party B. Columns are those of `cdr_csv`, names those of `CDR()`; the names of AMI's event `Cdr` mean the same.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from cdrelay.publisher.sources.derived_ids import derived_id
from cdrelay.publisher.sources.mapping.asterisk_columns import SECONDS, plain_name
from cdrelay.publisher.sources.mapping.rows import Row, filled, moment_of
from cdrelay.publisher.sources.origin import Origin
from cdrelay.records.identity import RecordRefused

OUTCOMES = {
    "ANSWERED": ("Success", "Normal"),
    "NO ANSWER": ("Success", "NoAnswer"),
    "BUSY": ("Success", "UserBusy"),
    "FAILED": ("Failure", ""),
    "CONGESTION": ("Failure", ""),
}
"""Dispositions as outcomes; of others the reason is kept as it is."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII)
_EPOCH_TIME = re.compile(r"\d{9,11}(?:\.\d{1,6})?", re.ASCII)
_CALLER = re.compile(r"(?P<name>[^<]*)<(?P<number>[^<>]*)>")
# Extensions that are places in the dialplan and no numbers: start, hang-up, invalid, timeout.
_NO_NUMBERS = {"s", "h", "i", "t", "T", "o", "a", "e"}
_MEETINGS = {"ConfBridge", "MeetMe"}


class Cdr:
    """One CDR by the names of `CDR()`. Raises RecordRefused when it is none."""

    def __init__(self, given: Mapping[str, Any], origin: Origin) -> None:
        self._values = {plain_name(key): _text(value) for key, value in given.items()}
        self._origin = origin
        if not self["channel"]:
            raise RecordRefused("channel", "is missing: this is no CDR of Asterisk")
        if not self["start"]:
            raise RecordRefused("start", "is missing")
        if self.start is None:
            raise RecordRefused("start", "is no time of the form YYYY-MM-DD HH:MM:SS, nor seconds since 1970")

    def __getitem__(self, name: str) -> str:
        """A value; empty when it is not told."""
        return self._values.get(name, "")

    @cached_property
    def start(self) -> datetime | None:
        """When the CDR was begun."""
        return self._time("start")

    @cached_property
    def answer(self) -> datetime | None:
        """When party A was answered."""
        return self._time("answer", self.start) if self["disposition"].upper() == "ANSWERED" else None

    @cached_property
    def end(self) -> datetime | None:
        """When it was finished; where that is not told, the start and the duration tell it."""
        seconds = self.seconds("duration")
        if self["end"] or self.start is None or seconds is None:
            return self._time("end", self.start)
        return self.start + timedelta(seconds=seconds)

    def _time(self, name: str, not_before: datetime | None = None) -> datetime | None:
        text = self[name]
        if _EPOCH_TIME.fullmatch(text):
            return moment_of(int(Decimal(text) * 1_000_000))
        if not _TIME.fullmatch(text):
            return None
        try:
            local = datetime.fromisoformat(text)
            moment = self._in_zone(local)
            # In the hour that clocks show twice a later moment can look earlier: then it is the second time.
            return self._in_zone(local.replace(fold=1)) if not_before and moment < not_before else moment
        except (ValueError, OverflowError):
            return None

    def _in_zone(self, local: datetime) -> datetime:
        """In UTC, because Python compares two times of one zone by their faces."""
        aware = local.replace(tzinfo=self._origin.zone) if local.tzinfo is None else local
        return aware.astimezone(UTC)

    def seconds(self, name: str) -> int | None:
        """A number of seconds, without its fraction."""
        return int(Decimal(self[name])) if SECONDS.fullmatch(self[name]) else None

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """What tells this CDR from others: `uniqueid` and `sequence`, and where one is missing, what else it has."""
        if self["uniqueid"] and self["sequence"]:
            return (self["uniqueid"], self["sequence"])
        return (self["uniqueid"], self["channel"], self["dstchannel"], self["start"], self["end"] or self["duration"])

    @property
    def caller(self) -> tuple[str, str]:
        """Name and number of the caller id; empty where it has none."""
        match = _CALLER.fullmatch(self["clid"].strip())
        if match is None:
            return "", ""
        name = match["name"].strip()
        quoted = len(name) > 1 and name.startswith('"') and name.endswith('"')
        return name[1:-1] if quoted else name, match["number"]

    @property
    def outcome(self) -> tuple[str, str]:
        """Call outcome and its reason."""
        said = self["disposition"].upper()
        return OUTCOMES.get(said, ("", said))

    def organization(self, account: str) -> str | None:
        """Whose call it is, for a party of that account code."""
        return self._origin.organization(self._values | {"accountcode": account}, self["org_uuid"])

    def derived(self, *parts: str) -> str:
        """A UUID that only this source and these parts have."""
        return derived_id("asterisk", self._origin.name, *parts)


@dataclass(frozen=True, slots=True)
class Side:
    """A CDR seen from one of its two parties."""

    cdr: Cdr
    direction: Literal["ORIGINATING", "TERMINATING"]

    @property
    def placing(self) -> bool:
        """Whether it is party A's."""
        return self.direction == "ORIGINATING"

    @property
    def channel(self) -> str:
        """The party's own channel."""
        return self.cdr["channel" if self.placing else "dstchannel"]

    @property
    def other_channel(self) -> str:
        """That of the party at the other end."""
        return self.cdr["dstchannel" if self.placing else "channel"]

    @property
    def account(self) -> str:
        """The account code of the party's channel; party B has one of its own where it is told."""
        return self.cdr["accountcode"] if self.placing else self.cdr["peeraccount"] or self.cdr["accountcode"]

    @property
    def called(self) -> str:
        """The destination where it is a number."""
        return "" if self.cdr["dst"] in _NO_NUMBERS else self.cdr["dst"]


def _text(value: Any) -> str:
    return "" if value is None else str(value)


ROWS: tuple[Row[Side], ...] = (
    Row("Answer time", "`answer`, when `disposition` is `ANSWERED`", lambda side: side.cdr.answer),
    Row("Answered", "`disposition` is `ANSWERED`", lambda side: side.cdr["disposition"].upper() == "ANSWERED"),
    Row(
        "Direction",
        "the record of `channel` → `ORIGINATING`, that of `dstchannel` → `TERMINATING`",
        lambda side: side.direction,
    ),
    Row("Calling line ID", "the name in `clid`", lambda side: side.cdr.caller[0]),
    Row("Start time", "`start`", lambda side: side.cdr.start, "In the time zone of the source, UTC unless told"),
    Row(
        "Call type",
        "`lastapp` `ConfBridge` or `MeetMe` → `SIP_MEETING`",
        lambda side: "SIP_MEETING" if side.cdr["lastapp"] in _MEETINGS else None,
        "Asterisk does not tell other classes",
    ),
    Row(
        "Client type",
        "the channel begins with `SIP/` or `PJSIP/` → `SIP`",
        lambda side: "SIP" if side.channel.startswith(("SIP/", "PJSIP/")) else None,
    ),
    Row(
        "Correlation ID",
        "derived: UUID version 5 of the name of the source and `linkedid`, else `uniqueid`",
        lambda side: side.cdr.derived("call", call) if (call := side.cdr["linkedid"] or side.cdr["uniqueid"]) else None,
        "All CDRs of a call, transferred or not, have one `linkedid`",
    ),
    Row("Duration", "`billsec`", lambda side: side.cdr.seconds("billsec")),
    Row(
        "Org UUID",
        "`org_uuid`, else the first rule of the org map that fits, else the organization of the source",
        lambda side: side.cdr.organization(side.account),
        "`org_uuid` is a CDR variable that the dialplan may set. A rule for `accountcode` meets `peeraccount` on the "
        "record of `dstchannel`, where there is one",
    ),
    Row(
        "Related reason",
        "`lastapp` `Queue` → `CallQueue`, on the record of `dstchannel`",
        lambda side: "CallQueue" if side.cdr["lastapp"] == "Queue" and not side.placing else None,
    ),
    Row(
        "Report ID",
        "derived: UUID version 5 of the name of the source, `uniqueid`, `sequence` and Direction",
        lambda side: side.cdr.derived(*side.cdr.ids, side.direction),
        "Without `uniqueid` or `sequence` also of both channels, start and end. The same at each reading",
    ),
    Row("Report time", "as Release time", lambda side: side.cdr.end),
    Row(
        "User UUID",
        "`user_uuid`, on the record of `channel`",
        lambda side: side.cdr["user_uuid"] if side.placing else None,
        "A CDR variable that the dialplan may set; Billing needs it",
    ),
    Row(
        "Called number",
        "`dst`",
        lambda side: side.called,
        "Empty for extensions that are no numbers: `s`, `h`, `i`, `t`, `T`, `o`, `a`, `e`",
    ),
    Row("Calling number", "`src`", lambda side: side.cdr["src"]),
    Row("Local call ID", "`channel`, on its record; `dstchannel` on the other", lambda side: side.channel),
    Row("Remote call ID", "the channel of the other party", lambda side: side.other_channel),
    Row(
        "Network call ID",
        "`uniqueid`, and `sequence` after a dash",
        lambda side: "-".join(filter(None, (side.cdr["uniqueid"], side.cdr["sequence"]))),
        "The two records of a CDR share it",
    ),
    Row("Call outcome", "`disposition`, by the table below", lambda side: side.cdr.outcome[0]),
    Row("Call outcome reason", "`disposition`, by the table below", lambda side: side.cdr.outcome[1]),
    Row(
        "Answer indicator",
        "`disposition` is `ANSWERED`",
        lambda side: "Yes" if side.cdr["disposition"].upper() == "ANSWERED" else "No",
    ),
    Row("Release time", "`end`, else `start` and `duration`", lambda side: side.cdr.end),
    Row(
        "External customer ID",
        "`accountcode`; `peeraccount`, where it is told, on the record of `dstchannel`",
        lambda side: side.account,
    ),
    Row("Caller ID number", "the number in `clid`", lambda side: side.cdr.caller[1]),
    Row(
        "Queue type",
        "`lastapp` `Queue` → `Call Queue`",
        lambda side: "Call Queue" if side.cdr["lastapp"] == "Queue" else None,
    ),
)
"""In wire order. Fields that are not listed are left out: Asterisk's CDR does not tell them."""


def asterisk_records(given: Mapping[str, Any], origin: Origin) -> list[dict[str, Any]]:
    """The records of a CDR: party A's, and party B's where there is one. Raises RecordRefused; pure.

    `given` has the names of `CDR()`, in any case, or those of AMI's event `Cdr`.
    """
    cdr = Cdr(given, origin)
    sides = [Side(cdr, "ORIGINATING")]
    if cdr["dstchannel"]:
        sides.append(Side(cdr, "TERMINATING"))
    return [filled(ROWS, side) for side in sides]
