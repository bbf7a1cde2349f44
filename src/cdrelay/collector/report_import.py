"""Importing customers' Detailed Call History reports: the last step of the repair ladder, taken by a person.

The rows go through the spool like any payload, a few megabytes at a time. Doing it again changes nothing: records that
are stored already are repeated, and a kill in the middle leaves what was loaded.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cdrelay.clock import Clock
from cdrelay.collector.comparison import COMPLETE, window_of
from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.collector.payload_history import payloads_named
from cdrelay.collector.recount import Recount
from cdrelay.collector.report_file import ReportFile, ReportRow
from cdrelay.collector.stores import Stores
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.lake.prepare import Refused
from cdrelay.lake.quarantine import Quarantine
from cdrelay.lake.spool import Envelope
from cdrelay.records.fields import BY_COLUMN
from cdrelay.records.identity import Plausible, RecordRefused, read_identity
from cdrelay.records.values import Misfit, read_value

_PAYLOAD_BYTES = 16 * 2**20
_PAYLOADS_A_LOAD = 4
_MOST_ROWS = 1_000_000
_REPORT_TIME = BY_COLUMN["report_time"]


@dataclass(slots=True)
class ImportReport:
    """What an import did, or would do."""

    records: int = 0
    added: int = 0
    corrected: int = 0
    repeated: int = 0
    quarantined: int = 0
    organizations: int = 0
    first: datetime | None = None
    """The hours that the records lie in: the start of the first,"""
    last: datetime | None = None
    """and of the last."""
    completed: int = 0
    """Windows of the ledger that were short or lost and are complete now."""
    incomplete: int = 0
    """Windows of the ledger that the report has records of and that are short or lost still."""


@dataclass(slots=True)
class _Touched:
    """The organizations and hours that records lie in."""

    keys: set[tuple[str, str]] = field(default_factory=set)

    def add(self, row: ReportRow) -> None:
        """The date and hour of a time are its first 13 characters; few are left to be read."""
        self.keys.add((row.org_uuid, row.report_time[:13]))

    def windows(self, rules: Rules) -> set[tuple[str, Period]]:
        """The windows of the ledger that those are, of the times that make sense."""
        found = set()
        for org, hour in self.keys:
            try:
                moment = read_value(_REPORT_TIME, f"{hour}:00:00")
            except Misfit:
                continue
            if isinstance(moment, datetime):
                found.add((org, window_of(moment, rules)))
        return found


class ReportImport:
    """Imports reports into one source. Blocking."""

    def __init__(self, stores: Stores, database: Database, quarantine: Quarantine, clock: Clock, rules: Rules) -> None:
        self._stores = stores
        self._database = database
        self._quarantine = quarantine
        self._clock = clock
        self._rules = rules

    def run(self, source: str, files: Iterable[ReportFile]) -> ImportReport:
        """Load all files, and look again at the windows of the ledger that they have records of.

        Raises ReportRefused (what came before it in the file is loaded), NoRoom, DatabaseUnavailable.
        """
        report, touched, ids = ImportReport(), _Touched(), list[str]()
        try:
            for piece in _pieces(row for file in files for row in file.rows()):
                ids.append(self._put(source, piece, touched, report))
                if len(ids) % _PAYLOADS_A_LOAD == 0:
                    self._stores.loader.drain()
        finally:
            self._stores.loader.drain()
            for one in payloads_named(self._database, ids):
                report.records += one.records
                report.added += one.added
                report.corrected += one.corrected
                report.repeated += one.repeated
                report.quarantined += one.quarantined
            self._look_again(source, touched, report)
        return report

    def try_out(self, files: Iterable[ReportFile], plausible: Plausible) -> ImportReport:
        """What the files hold and how much of it could not be stored; nothing is changed. Raises ReportRefused."""
        report, touched = ImportReport(), _Touched()
        for file in files:
            for row in file.rows():
                report.records += 1
                try:
                    if isinstance(row, Refused):
                        raise RecordRefused(row.field, row.rule)
                    read_identity(row.line, plausible)
                    touched.add(row)
                except RecordRefused:
                    report.quarantined += 1
        _describe(report, touched.windows(self._rules))
        return report

    def _put(self, source: str, piece: Sequence[ReportRow | Refused], touched: _Touched, report: ImportReport) -> str:
        envelope = Envelope(
            id=self._stores.new_id(), source=source, channel="report", received=self._clock.now(), lines=True
        )
        refused = [row for row in piece if isinstance(row, Refused)]
        self._quarantine.keep(f"{envelope.id}-rows", source, refused)
        report.records += len(refused)
        report.quarantined += len(refused)
        with self._stores.spool.incoming(envelope) as incoming:
            for row in piece:
                if isinstance(row, ReportRow):
                    touched.add(row)
                    incoming.write(row.line + b"\n")
            incoming.commit()
        return envelope.id

    def _look_again(self, source: str, touched: _Touched, report: ImportReport) -> None:
        windows = touched.windows(self._rules)
        _describe(report, windows)
        if not windows:
            return
        period = Period(min(one.start for _, one in windows), max(one.end for _, one in windows))
        known = self._stores.ledger.rows(period, source=source, most=_MOST_ROWS)
        rows = [row for row in known if (row.org_uuid, row.window) in windows]
        before = {(row.org_uuid, row.window): row for row in rows}
        for said in Recount(self._stores, self._rules).look(rows, self._clock.now(), way="report"):
            report.completed += said.state in COMPLETE and _was_missed(before[said.org_uuid, said.window])
            report.incomplete += said.state in ("short", "lost")


def _was_missed(row: LedgerRow) -> bool:
    return row.state in ("short", "lost")


def _describe(report: ImportReport, windows: set[tuple[str, Period]]) -> None:
    report.organizations = len({org for org, _ in windows})
    report.first = min((one.start for _, one in windows), default=None)
    report.last = max((one.start for _, one in windows), default=None)


def _pieces(rows: Iterable[ReportRow | Refused]) -> Iterator[list[ReportRow | Refused]]:
    """The same in pieces of some megabytes."""
    piece: list[ReportRow | Refused] = []
    size = 0
    for row in rows:
        piece.append(row)
        size += len(row.line if isinstance(row, ReportRow) else row.raw)
        if size >= _PAYLOAD_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def open_reports(paths: Sequence[Path], progress: Callable[[int], None]) -> list[ReportFile]:
    """All files, looked at before any is loaded. Raises ReportRefused."""
    return [ReportFile(path, progress) for path in paths]
