"""The sources: how providers are asked, what the ledger lacks, which alarms stand."""

import asyncio
from collections.abc import Iterator

from sqlalchemy import select

from cdrelay.collector.alarms import conditions
from cdrelay.collector.alarms.facts import Facts, KnownSource
from cdrelay.collector.alarms.kinds import Cause, page_of
from cdrelay.collector.manifests import Manifests
from cdrelay.collector.partner_client import PartnerClient
from cdrelay.collector.sources import Source, Sources
from cdrelay.contract.windows import Period, floor_to
from cdrelay.control.tables import alarms as alarm_rows
from cdrelay.control.tables import record_sources
from cdrelay.doctor.findings import Examined, Finding, State
from cdrelay.errors import CdrelayError
from cdrelay.lake.spool import Spool
from cdrelay.wiring import client_limits

_ADVICE = {
    "token-expiring": "`cdrelay collector login`, or give another token",
    "repair-failed": "`cdrelay reconcile` says why",
    "records-near-edge": "`cdrelay reconcile` at once",
    "records-lost": "get them from reports: `cdrelay collector import`",
}


def sources(examined: Examined) -> Iterator[Finding]:
    """Each source of the collector: tokens and ledger."""
    if not (examined.home / "collector" / "spool").is_dir():
        return
    facts = _facts(examined)
    for source in facts.sources(examined.clock.now()):
        causes = list(_causes(examined, facts, source))
        for cause in causes:
            advice = _ADVICE[cause.kind]
            yield Finding(f"source {source.name}", "warning", cause.what, advice, page_of(cause.kind))
        if not causes:
            how = "its provider can be asked" if source.askable else "its provider cannot be asked: nothing is compared"
            how = how if source.kind == "webhook" else "it is pulled; there are no counts to compare with"
            yield Finding(f"source {source.name}", "ok", f"{source.kind}; {how}")


def _facts(examined: Examined) -> Facts:
    spool = Spool(examined.home / "collector" / "spool")
    return Facts(examined.database, Manifests(examined.database), spool, examined.settings.rules)


def _causes(examined: Examined, facts: Facts, source: KnownSource) -> Iterator[Cause]:
    now, rules = examined.clock.now(), examined.settings.rules
    edge = conditions.near_edge(now, rules)
    hours = facts.hours(source.name, conditions.asked_lately(now, rules))
    short = facts.incomplete("short", conditions.to_be_repaired(now, rules)).get(source.name)
    lost = facts.incomplete("lost", conditions.lately_lost(now, rules)).get(source.name)
    leaving = facts.incomplete("short", edge).get(source.name)
    yield from conditions.token_expiring(source, now, rules)
    yield from conditions.repair_failed(source.name, short, hours, now, rules)
    yield from conditions.records_near_edge(source, leaving, hours, now, rules)
    yield from conditions.records_lost(source.name, lost)


def alarms(examined: Examined) -> Iterator[Finding]:
    """The alarms that stand, but for those that are judged here anew."""
    if not (examined.home / "collector" / "spool").is_dir():
        return
    question = select(alarm_rows.c.kind, alarm_rows.c.what).where(alarm_rows.c.cleared_at.is_(None))
    with examined.database.read() as connection:
        standing = [row for row in connection.execute(question) if row.kind not in _ADVICE]
    for row in standing:
        yield Finding("alarms", "warning", row.what, "its page says what to do", page_of(row.kind))
    if not standing:
        yield Finding("alarms", "ok", "none stands")


def record_feeds(examined: Examined) -> Iterator[Finding]:
    """The publisher's sources of records."""
    if not (examined.home / "publisher" / "spool").is_dir():
        return
    known = record_sources.c
    question = select(known.name, known.kind, known.problem, known.read_at).where(known.active)
    with examined.database.read() as connection:
        rows = connection.execute(question).all()
    for row in rows:
        state: State = "warning" if row.problem else "ok"
        advice = "mend it; `cdrelay publisher source list` shows it" if row.problem else ""
        if row.problem or row.kind == "push":
            what = row.problem or "what is posted to it is taken"
        else:
            what = f"last read at {row.read_at:%Y-%m-%d %H:%M:%S} UTC" if row.read_at else "not read so far"
        yield Finding(f"source {row.name}", state, what, advice, "docs/sources.md")


def providers(examined: Examined) -> Iterator[Finding]:
    """Asks each provider once for the counts of the last whole hour."""
    box = examined.secrets()
    if not examined.online or box is None or not (examined.home / "collector" / "spool").is_dir():
        return
    for source in Sources(examined.database, box, examined.clock).list():
        if source.api and source.token:
            yield from asyncio.run(_ask(examined, source))


async def _ask(examined: Examined, source: Source) -> list[Finding]:
    span, check = examined.settings.rules.count_span, f"provider of {source.name}"
    end = floor_to(examined.clock.now() - examined.settings.rules.settle, span)
    client = PartnerClient(source.api or "", source.token or "", examined.clock, client_limits(examined.settings))
    try:
        async with client:
            counts = await client.counts(Period(end - span, end))
    except CdrelayError as error:
        advice = "check the address and the token: `cdrelay collector source list`"
        what = f"it does not answer as it should: {error}"
        found = [Finding(check, "failed", what, advice, page_of("repair-failed"))]
    else:
        found = [Finding(check, "ok", f"it answers, with {len(counts):,} organizations in the last whole hour")]
    if client.clock_is_off:
        found.append(Finding(check, "failed", client.clock_is_off, "set the clock, and keep it set with NTP"))
    return found
