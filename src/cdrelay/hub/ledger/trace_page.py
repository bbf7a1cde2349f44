"""`/trace/{report id}`: the way of one record as a line of time, and nothing of what is in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fastapi import Response

from cdrelay.collector.errors import NoReportId
from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.collector.trace import Elsewhere, VersionTrace
from cdrelay.contract.windows import Period, floor_to
from cdrelay.hub.collecting.addresses import payload_address
from cdrelay.hub.ledger.addresses import TRACE_PATH, hour_address, organization_address, read_moment
from cdrelay.hub.ledger.parts import LedgerParts, page

Tone = Literal["good", "warn", "grave", "plain"]
_PLACES = {
    "spool": "It waits in the spool to be loaded",
    "quarantine": "It is in quarantine",
    "aside": "It is in a body that was put aside",
}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to the record."""

    at: datetime | None
    """None: nobody knows."""
    tone: Tone
    what: str
    facts: tuple[str, ...] = ()
    address: str | None = None
    """Where there is more about it."""


@dataclass(frozen=True, slots=True)
class Way:
    """One organization's record of that id: what happened to it, in the order of time."""

    org_uuid: str
    address: str
    steps: list[Step]


def trace_form(parts: LedgerParts) -> Response:
    """Asks for a Report ID."""
    return page("trace.html", path=TRACE_PATH, now=parts.clock.now(), report_id="", problem="", ways=[], elsewhere=[])


def trace_page(parts: LedgerParts, report_id: str, at: str) -> Response:
    """The way of a record; `at` is the hour that it is looked for in, else the whole lake is looked through."""
    now, start = parts.clock.now(), read_moment(at)
    period = None
    if start is not None:
        hour = floor_to(start, parts.rules.count_span)
        period = Period(hour, hour + parts.rules.count_span)
    try:
        found = parts.tracing.trace(report_id, period)
    except NoReportId as error:
        context = {"report_id": report_id[:100], "problem": str(error), "ways": [], "elsewhere": []}
        return page("trace.html", status=404, path=TRACE_PATH, now=now, **context)
    ways = [
        Way(
            one.record.org_uuid,
            organization_address(one.record.source, one.record.org_uuid),
            sorted(_steps(one), key=lambda step: (step.at is None, step.at or now)),
        )
        for one in found.versions
    ]
    elsewhere = [_elsewhere(one) for one in found.elsewhere]
    problem = "" if ways or elsewhere else f"nothing is known of it; {found.looked_at:,} stored records were looked at"
    return page(
        "trace.html",
        status=404 if problem else 200,
        path=TRACE_PATH,
        now=now,
        report_id=found.report_id,
        problem=problem,
        ways=ways,
        elsewhere=elsewhere,
    )


def _steps(version: VersionTrace) -> Iterator[Step]:
    record, payload, delivery = version.record, version.payload, version.delivery
    yield Step(record.report_time, "plain", "The call was completed", ("Report time of the version that is stored",))
    yield from _sent(version)
    said: tuple[str, ...] = (f"payload {record.payload}", f"channel {record.channel}, source {record.source}")
    if delivery is not None:
        window = f"window {delivery.window.start:%H:%M:%S} to {delivery.window.end:%H:%M:%S}"
        said += (f"{window}, part {delivery.part} of {delivery.parts}, {delivery.records:,} records: {delivery.state}",)
    came = "A repair fetched it" if record.channel in ("repair", "history", "report") else "It was received"
    yield Step(record.received, "good", came, said)
    if payload is None:
        yield Step(None, "warn", "Its load has no receipt", (f"load {record.load_seq}",))
    else:
        done = f"{payload.added:,} new, {payload.corrected:,} corrected, {payload.repeated:,} repeated"
        brought = f"of {payload.records:,} records: {done}, {payload.quarantined:,} in quarantine"
        yield Step(payload.loaded_at, "good", f"It was stored by load {record.load_seq}", (brought,))
    if version.drift:
        told = tuple(row.what for row in version.drift)
        yield Step(record.received, "warn", "Its payload was the first with something undocumented", told)
    for row in version.ledger:
        yield _counted(row)


def _sent(version: VersionTrace) -> Iterator[Step]:
    """What the publisher of the same home did, where it sent it."""
    for part in version.sent:
        about = f"window {part.window.start:%H:%M:%S} to {part.window.end:%H:%M:%S}, part {part.part} of {part.parts}"
        for tried in part.attempts:
            well = tried.outcome == "delivered"
            what = f"The publisher sent it, attempt {tried.number}: {tried.outcome}"
            yield Step(tried.started_at, "good" if well else "warn", what, (about, f"{tried.milliseconds:,} ms"))


def _counted(row: LedgerRow) -> Step:
    well = row.state in ("matched", "repaired", "surplus")
    tone: Tone = "good" if well else "grave" if row.state == "lost" else "warn"
    proof = {"ids": "by ids", "counts": "by counts", "none": "without proof"}[row.proof]
    said = f"{row.stored:,} of {row.expected:,} expected records stored, compared {proof}"
    facts = (said, row.reason) if row.reason else (said,)
    what = f"Its hour was compared: {row.state}"
    return Step(row.checked_at, tone, what, facts, hour_address(row.source, row.org_uuid, row.window.start))


def _elsewhere(one: Elsewhere) -> Step:
    facts = (f"payload {one.payload}, source {one.source}", *([one.reason] if one.reason else ()))
    leads = None if one.place == "spool" else payload_address(one.payload)
    return Step(one.received_at, "warn", _PLACES[one.place], facts, leads)
