"""Everything that is known of one record, by its Report ID: how it came, what was done with it, where it is counted.

Nothing of what is in the record is told: ids, times, counts, names of keys.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec
from sqlalchemy import select

from cdrelay.collector.drift import Drift, DriftRow
from cdrelay.collector.errors import NoReportId
from cdrelay.collector.ledger import Ledger
from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.collector.manifests import ManifestRow, Manifests
from cdrelay.collector.payload_history import LoadedPayload, payload_named
from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.control.sent import Sent, SentPart
from cdrelay.control.tables import manifests
from cdrelay.lake.find import FoundRecord
from cdrelay.lake.payload import BodyTooLarge, BodyUnreadable, Buffer, unpacked
from cdrelay.lake.quarantine import Quarantine
from cdrelay.lake.spool import ContentEncoding, Spool
from cdrelay.lake.store import Lake

Half = Literal["collector", "publisher"]
Place = Literal["spool", "quarantine", "aside"]
"""spool: waits to be loaded; quarantine: cannot be stored; aside: a body that made no sense."""

_INSTANT = timedelta(microseconds=1)
_LATEST_IN_QUARANTINE = 10_000


@dataclass(frozen=True, slots=True)
class VersionTrace:
    """A record as it is stored: the newest version; the lake keeps no earlier one."""

    record: FoundRecord
    payload: LoadedPayload | None
    """None where its receipt has gone, or is not there yet."""
    delivery: ManifestRow | None
    """What the delivery said of itself, where it came by webhook and said something."""
    sent: tuple[SentPart, ...]
    """By the publisher of the same home, if it was: the deliveries that can have carried it."""
    ledger: tuple[LedgerRow, ...]
    """Its organization's hour, of each source."""
    drift: tuple[DriftRow, ...]
    """What its payload was the first to have that is not documented."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A payload outside the lake that names the id."""

    place: Place
    payload: str
    source: str
    received_at: datetime | None
    reason: str | None
    """Why it is in quarantine, and which record of the payload it is."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What one half knows of a Report ID."""

    half: Half
    report_id: str
    versions: tuple[VersionTrace, ...]
    """One an organization; empty where it is not in the lake."""
    elsewhere: tuple[Elsewhere, ...]
    """Payloads that wait or were put aside: a version to come, or why there is none."""
    looked_at: int
    """Records in the lake that were looked at."""
    ledger: tuple[LedgerRow, ...]
    """Of the organization and period that were asked for, where the record is in no lake."""


class Tracing:
    """Traces records of one half. Blocking, from any thread; methods raise DatabaseUnavailable."""

    def __init__(
        self, half: Half, database: Database, lake: Lake, spool: Spool, quarantine: Quarantine, *, unpacked_limit: int
    ) -> None:
        """Bodies that wait are looked through up to `unpacked_limit` bytes."""
        self._half = half
        self._database = database
        self._lake = lake
        self._spool = spool
        self._quarantine = quarantine
        self._aside = spool.folder.parent / "aside"
        self._unpacked_limit = unpacked_limit
        self._sent = Sent(database)
        self._ledger = Ledger(database)
        self._manifests = Manifests(database)
        self._drift = Drift(database)

    def trace(
        self,
        report_id: str,
        period: Period | None = None,
        org_uuid: str | None = None,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> Trace:
        """All there is about the id, which may be in any case; looked for among Report times in `period`, if given.

        `org_uuid` says whose ledger is wanted where there is no such record. Raises NoReportId.
        """
        wanted = read_report_id(report_id)
        looked_at = 0

        def told(done: int, of: int) -> None:
            nonlocal looked_at
            looked_at = done
            progress(done, of)

        # The spool first: what is loaded meanwhile is then found in the lake.
        elsewhere = tuple(self._elsewhere(wanted))
        found = self._lake.finder.find(wanted, period, told)
        versions = tuple(self._version(record) for record in found)
        asked = self._half == "collector" and not versions and (period is not None or org_uuid is not None)
        ledger = tuple(self._ledger.rows(period, org_uuid)) if asked else ()
        return Trace(self._half, wanted, versions, elsewhere, looked_at, ledger)

    def record(self, found: FoundRecord) -> bytes | None:
        """The record itself, as the JSON text of the wire; None when it was rewritten since: trace again."""
        return self._lake.finder.as_wire(found)

    def _version(self, record: FoundRecord) -> VersionTrace:
        payload = payload_named(self._database, record.payload)
        if self._half == "publisher":
            sent = self._sent.of_record(record.load_seq, record.report_time)
            return VersionTrace(record, payload, None, tuple(sent), (), ())
        delivery = self._delivery(record)
        sent = [] if delivery is None else self._sent.of_manifest(delivery.window, delivery.part, delivery.digest)
        ledger = self._ledger.rows(Period(record.report_time, record.report_time + _INSTANT), record.org_uuid)
        drift = self._drift.of_payload(record.payload)
        return VersionTrace(record, payload, delivery, tuple(sent), tuple(ledger), tuple(drift))

    def _delivery(self, record: FoundRecord) -> ManifestRow | None:
        of_payload = select(manifests.c.window_start, manifests.c.window_end).where(
            manifests.c.source == record.source, manifests.c.payload == record.payload
        )
        with self._database.read() as connection:
            window = connection.execute(of_payload).first()
        if window is None:
            return None
        rows = self._manifests.of_window(record.source, Period(*window))
        return next((row for row in rows if row.payload == record.payload), None)

    def _elsewhere(self, report_id: str) -> Iterator[Elsewhere]:
        wanted = re.compile(report_id.encode(), re.IGNORECASE)
        yield from self._in_files("spool", self._spool.waiting(), wanted)
        yield from self._in_files("aside", sorted(self._aside.glob("*.payload")), wanted)
        for one in self._quarantine.list(_LATEST_IN_QUARANTINE):
            if self._names(one.record, one.content_encoding, wanted):
                reason = f"record {one.index}: {one.field} {one.rule}"
                yield Elsewhere("quarantine", one.payload, one.source, one.received, reason)

    def _in_files(self, place: Place, files: Iterable[Path], wanted: re.Pattern[bytes]) -> Iterator[Elsewhere]:
        for file in files:
            try:
                spooled = Spool.open(file)
                body = spooled.body()
            except (FileNotFoundError, msgspec.MsgspecError):
                continue  # loaded meanwhile, or damaged
            about = spooled.envelope
            if self._names(body, about.content_encoding, wanted):
                yield Elsewhere(place, about.id, about.source, about.received, None)

    def _names(self, body: Buffer, encoding: ContentEncoding, wanted: re.Pattern[bytes]) -> bool:
        """Whether the id is in a body, which may be large: it is not copied, and unpacked piece by piece."""
        if not encoding:
            return wanted.search(body) is not None
        end = b""
        try:
            for piece in unpacked(body, encoding, self._unpacked_limit):
                if wanted.search(end + piece):
                    return True
                end = (end + piece)[1 - len(wanted.pattern) :]
        except (BodyUnreadable, BodyTooLarge):
            pass
        return False


def read_report_id(text: str) -> str:
    """The id in lower case. Raises NoReportId where it is not one, whole."""
    try:
        if len(text.strip()) == 36:
            return str(UUID(text.strip()))
    except ValueError:
        pass
    raise NoReportId(text)
