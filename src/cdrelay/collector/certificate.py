"""A certificate of completeness: for an organization and a period, hour by hour, what was proved and what was not.

It says no more than the ledger and the lake do. An hour that the ledger does not know was not compared, unless it is so
old that the ledger forgot it, or the source was compared and nothing of the organization counted or stored. What was
stored when the hour was compared, and is not in the lake any more, counts as missing, unless the time for which it was
to be kept is over: of an hour that is not kept any more nothing is claimed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from cdrelay.collector.heat_marks import mark_of
from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.collector.silence import Explanation
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period

HourFinding = Literal["complete", "incomplete", "undecided", "not compared", "not kept"]
HourProof = Literal["ids", "counts", "surplus"]
"""By the ids of the records, by equal counts, or by counts alone of which more is stored."""
Verdict = Literal["complete", "not complete", "not proved"]
_UNDECIDED = "it was not over when it was last compared"
_WITHOUT_PROOF = "the provider’s count and what is stored were never compared whole"
_ROW_NOT_KEPT = "what the ledger said of it is not kept any more"
_RECORDS_NOT_KEPT = "its records are not kept any more; nothing was missing when it was compared"


@dataclass(frozen=True, slots=True)
class CertifiedHour:
    """One hour: what the ledger says, and what is in the lake."""

    window: Period
    row: LedgerRow | None
    """None: the ledger has none, so that nothing was compared."""
    in_lake: int
    """Records when the certificate was made."""
    due: bool
    """Whether its deliveries were past by then."""
    row_kept: bool = True
    """Whether the ledger goes back so far."""
    records_kept: bool = True
    """Whether the time for which its records are kept is not over."""

    @property
    def finding(self) -> HourFinding:
        """What was proved."""
        if self.row is None and not self.row_kept:
            return "not kept"
        if self.row is None or mark_of(self.row.state, self.row.proof, self.row.expected, due=self.due) == "unchecked":
            return "not compared"
        if self.row.state in ("short", "lost"):
            return "incomplete"
        if self.in_lake < self.row.expected:
            return "incomplete" if self.records_kept else "not kept"
        if self.row.state == "open":
            return "undecided"
        return "not compared" if self.row.proof == "none" else "complete"

    @property
    def surplus(self) -> int:
        """Records that were stored beyond what the provider counts."""
        return 0 if self.row is None else max(0, self.row.stored - self.row.expected)

    @property
    def proved(self) -> HourProof | None:
        """How it was proved to be complete; None: it is not."""
        if self.row is None or self.finding != "complete":
            return None
        if self.row.proof == "ids":
            return "ids"
        return "surplus" if self.surplus else "counts"

    @property
    def missing(self) -> int:
        """Records that the provider has and that are not here, at least."""
        if self.row is None or self.finding != "incomplete":
            return 0
        here = min(self.row.stored, self.in_lake) if self.records_kept else self.row.stored
        # Where ids were compared one can be missing though the counts are equal.
        return max(1, self.row.expected - here)

    @property
    def reason(self) -> str | None:
        """Why it is not complete."""
        if self.finding == "complete":
            return None
        if self.finding == "not kept":
            return _ROW_NOT_KEPT if self.row is None else _RECORDS_NOT_KEPT
        if self.row is None:
            return "the ledger has no comparison of this hour"
        if self.records_kept and self.in_lake < self.row.stored and self.in_lake < self.row.expected:
            return f"of {self.row.stored:,} records stored when it was compared, {self.in_lake:,} are left in the lake"
        if self.row.reason:
            return self.row.reason
        return {"not compared": _WITHOUT_PROOF, "undecided": _UNDECIDED}.get(self.finding, "not said")


@dataclass(frozen=True, slots=True)
class Certificate:
    """All that it says."""

    source: str
    org_uuid: str
    period: Period
    hours: Sequence[CertifiedHour]
    digest: str
    """Of the Report IDs of all records in the lake (contract/manifest.digest_of)."""
    silence: Explanation | None
    """Why nothing came; None where something did."""
    made_at: datetime
    made_by: str
    """The name of the installation."""
    version: str
    hour_in_words: str

    @property
    def verdict(self) -> Verdict:
        """In two words."""
        findings = self.findings
        if findings["incomplete"]:
            return "not complete"
        return "complete" if findings["complete"] == len(self.hours) else "not proved"

    @property
    def findings(self) -> Counter[HourFinding]:
        """How many hours of each."""
        return Counter(hour.finding for hour in self.hours)

    @property
    def proofs(self) -> Counter[HourProof]:
        """How the complete hours were proved."""
        return Counter(hour.proved for hour in self.hours if hour.proved)

    @property
    def expected(self) -> int:
        """Records that the provider counts in the hours that were compared."""
        return sum(hour.row.expected for hour in self.hours if hour.row)

    @property
    def stored(self) -> int:
        """Records that were stored when those hours were compared."""
        return sum(hour.row.stored for hour in self.hours if hour.row)

    @property
    def missing(self) -> int:
        """Records that are not here and should be."""
        return sum(hour.missing for hour in self.hours)

    @property
    def not_kept(self) -> int:
        """Records of hours that are not kept any more, as far as they are known, and are gone."""
        gone = (hour for hour in self.hours if hour.finding == "not kept" and hour.row)
        return sum(max(0, hour.row.stored - hour.in_lake) for hour in gone if hour.row)

    @property
    def in_lake(self) -> int:
        """Records that the digest is of."""
        return sum(hour.in_lake for hour in self.hours)

    @property
    def surplus(self) -> int:
        """Records beyond what the provider counts."""
        return sum(hour.surplus for hour in self.hours)

    @property
    def proofs_in_words(self) -> str:
        """How the complete hours were proved: `2 by equal counts`."""
        more = sum(hour.surplus for hour in self.hours if hour.proved == "surplus")
        beyond = (
            f"by counts alone, with more stored than the provider counts ({_number(more, 'record', 'records')} more)"
        )
        return _listed(self.proofs, _PROVED | {"surplus": beyond})

    @property
    def statement(self) -> str:
        """The plain words."""
        hours, incomplete = _number(len(self.hours), "hour", "hours"), self.findings["incomplete"]
        if self.verdict == "complete" and not self.expected:
            said = (
                f"Complete: the provider counts no record in the {hours} of this period."
                f" Hours proved: {self.proofs_in_words}."
            )
        elif self.verdict == "complete":
            said = (
                f"Complete: all {_number(self.expected, 'record', 'records')} that the provider counts in the {hours}"
                f" of this period are stored. Hours proved: {self.proofs_in_words}."
            )
        elif self.verdict == "not complete":
            missing = _number(self.missing, "record is", "records are")
            said = f"Not complete: {missing} missing, in {incomplete:,} of {hours}."
            if rest := _listed(self.findings, _FOUND):
                said += f" The others: {rest}."
        else:
            said = (
                "Not proved to be complete: nothing is known to be missing, but not every hour is proved."
                f" The {hours}: {_listed(self.findings, _FOUND)}."
            )
        if more := self.surplus:
            said += (
                f" Beyond that, {_number(more, 'record is', 'records are')} stored that the provider does not count."
            )
        return said


_PROVED = {"ids": "by the ids of the records", "counts": "by equal counts"}
_FOUND = {
    "complete": "proved complete",
    "undecided": "not decided yet",
    "not compared": "not compared",
    "not kept": "not kept any more",
}


def _listed(numbers: Mapping[Any, int], words: Mapping[Any, str]) -> str:
    return ", ".join(f"{numbers[kind]:,} {said}" for kind, said in words.items() if numbers[kind])


def _number(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"


def as_json(certificate: Certificate) -> dict[str, Any]:
    """The same for programs; times are text in UTC. Its keys are always in this order."""
    return {
        "kind": "cdrelay certificate of completeness",
        "source": certificate.source,
        "orgId": certificate.org_uuid,
        "from": write_time(certificate.period.start),
        "to": write_time(certificate.period.end),
        "verdict": certificate.verdict,
        "statement": certificate.statement,
        "expected": certificate.expected,
        "stored": certificate.stored,
        "missing": certificate.missing,
        "surplus": certificate.surplus,
        "notKept": certificate.not_kept,
        "hours": {name.replace(" ", "_"): certificate.findings[name] for name in get_args(HourFinding)},
        "proofs": {name: certificate.proofs[name] for name in get_args(HourProof)},
        "records": {"inLake": certificate.in_lake, "digest": certificate.digest, "digestOf": "Report ID, SHA-256"},
        "silence": None
        if certificate.silence is None
        else {"kind": certificate.silence.kind, "text": certificate.silence.text},
        "madeAt": write_time(certificate.made_at),
        "madeBy": certificate.made_by,
        "version": certificate.version,
        "byHour": [_hour_json(hour) for hour in certificate.hours],
    }


def _hour_json(hour: CertifiedHour) -> dict[str, Any]:
    row = hour.row
    return {
        "from": write_time(hour.window.start),
        "to": write_time(hour.window.end),
        "finding": hour.finding,
        "state": None if row is None else row.state,
        "expected": None if row is None else row.expected,
        "stored": None if row is None else row.stored,
        "inLake": hour.in_lake,
        "missing": hour.missing,
        "proof": "none" if row is None else row.proof,
        "ways": [] if row is None else list(row.ways),
        "reason": hour.reason,
        "checkedAt": None if row is None else write_time(row.checked_at),
        "completeSince": None if row is None or row.completed_at is None else write_time(row.completed_at),
    }
