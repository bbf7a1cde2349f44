"""Payloads on their way: waiting, damaged, refused; and bodies that wait to be delivered."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from sqlalchemy import select

from cdrelay.collector.alarms.conditions import WAITING_TICKS
from cdrelay.control.tables import FAILED, PENDING, deliveries, partners, webhooks
from cdrelay.doctor.findings import Examined, Finding, State, some
from cdrelay.doctor.home import runs
from cdrelay.lake.spool import Spool
from cdrelay.publisher.delivery.cuts import Cuts
from cdrelay.publisher.delivery.outbox import Outbox

_FAIL = "docs/operations/deliveries-fail.md"
_LATE_TICKS = 12
_UNCUT_TICKS = 3
_READ_AT_MOST = 10_000
_ON_DAMAGE: dict[str, tuple[str, State]] = {
    # No one else has what partners were never sent; the collector's provider still has it.
    "publisher": ("its records are in no window, count or answer: hand them in again; then delete them", "failed"),
    "collector": ("`cdrelay reconcile` fetches what was in them, within 48 hours; then delete them", "warning"),
}


def spools(examined: Examined) -> Iterator[Finding]:
    """Payloads that wait for their load."""
    for half in examined.halves():
        folder = examined.home / half / "spool"
        if folder.is_dir():
            yield from _spool(examined, half, folder)


def _spool(examined: Examined, half: str, folder: Path) -> Iterator[Finding]:
    check, waiting = f"{half} spool", sorted(folder.glob("*.payload"))
    damaged = [path.name for path in folder.glob("*.damaged")]
    oldest: datetime | None = None
    for path in waiting[:_READ_AT_MOST]:
        try:
            received = Spool.open(path).envelope.received
        except FileNotFoundError:
            continue  # loaded meanwhile
        except msgspec.MsgspecError:
            damaged.append(path.name)
        else:
            oldest = min(oldest, received) if oldest else received
    if damaged:
        what = f"{len(damaged)} files are damaged, and no load can read them: {some(damaged)}"
        advice, state = _ON_DAMAGE[half]
        yield Finding(check, state, what, advice, "docs/operations/doctor.md#spool")
    late = oldest is not None and examined.clock.now() - oldest > WAITING_TICKS * examined.settings.rules.tick
    if oldest is not None and late:
        what = f"{len(waiting):,} payloads wait, the oldest since {oldest:%Y-%m-%d %H:%M} UTC"
        advice = "see why they are not loaded" if runs(examined.home, half) else f"start the {half}"
        yield Finding(check, "warning", what, advice, "docs/operations/spool-grows.md")
    elif not damaged:
        yield Finding(check, "ok", f"{len(waiting):,} payloads wait")


def refused(examined: Examined) -> Iterator[Finding]:
    """Records in quarantine, and bodies that were no JSON."""
    for half in examined.halves():
        number = len(list((examined.home / half / "quarantine").glob("*.ndjson")))
        state: State = "warning" if number else "ok"
        looking = "collector quarantine --help" if half == "collector" else "publisher source refused"
        advice = f"look at them: `cdrelay {looking}`" if number else ""
        what = f"records of {number:,} payloads are in quarantine"
        yield Finding(f"{half} quarantine", state, what, advice, "docs/operations/quarantine.md" if number else "")
    number = len(list((examined.home / "collector" / "aside").glob("*.payload")))
    if number:
        what = f"{number:,} signed bodies that are no JSON were put aside"
        advice = "look at them: `cdrelay collector quarantine --help`; ask the provider"
        yield Finding("collector aside", "warning", what, advice, "docs/receiving.md")


def windows(examined: Examined) -> Iterator[Finding]:
    """Windows are cut: while they are not, nothing is delivered, and nothing that waits says so."""
    if not (examined.home / "publisher" / "outbox").is_dir():
        return
    last = Cuts(examined.database).last()
    if last is None:
        yield Finding("windows", "ok", "none was cut yet")
    elif last.tick > examined.clock.now() + examined.settings.rules.tick:
        what = f"none is cut before {last.tick:%Y-%m-%d %H:%M} UTC: the clock was ahead, and was set back"
        advice = "if the clock is right now: `cdrelay publisher set-back`"
        yield Finding("windows", "failed", what, advice, f"{_FAIL}#no-window-is-cut-the-clock-was-ahead")
    elif examined.clock.now() - last.tick <= _UNCUT_TICKS * examined.settings.rules.tick:
        yield Finding("windows", "ok", f"the last was cut at {last.tick:%Y-%m-%d %H:%M} UTC")
    elif runs(examined.home, "publisher"):
        what = f"none was cut since {last.tick:%Y-%m-%d %H:%M} UTC: nothing that came since then is delivered"
        advice = "see why among the incidents and in the log; what is owed is cut by itself afterwards"
        yield Finding("windows", "failed", what, advice, _FAIL)
    else:
        what = f"none was cut since {last.tick:%Y-%m-%d %H:%M} UTC"
        yield Finding("windows", "warning", what, "start the publisher", "docs/operations/not-running.md")


def outbox(examined: Examined) -> Iterator[Finding]:
    """Deliveries that wait have their bodies; none waits for long."""
    folder = examined.home / "publisher" / "outbox"
    if not folder.is_dir():
        return
    pending = select(deliveries.c.id).where(PENDING)
    with examined.database.read() as connection:
        before = set(connection.scalars(pending))
    there = set(Outbox(examined.database, folder, examined.clock).with_body())
    with examined.database.read() as connection:
        # Pending all the while: one that was delivered in between has no body any more.
        missing = before & set(connection.scalars(pending)) - there
        oldest = connection.scalar(select(deliveries.c.window_end).where(PENDING).order_by(deliveries.c.window_end))
        failed = len(connection.execute(select(deliveries.c.id).where(FAILED)).all())
        off = connection.scalars(
            select(partners.c.name).join(webhooks, webhooks.c.partner_id == partners.c.id).where(~webhooks.c.active)
        ).all()
    if missing:
        what = f"the bodies of {len(missing)} waiting deliveries are gone: {some(sorted(missing))}"
        advice = "send their windows again: `cdrelay publisher send-again`"
        yield Finding("outbox", "failed", what, advice, _FAIL)
    late = oldest is not None and examined.clock.now() - oldest > _LATE_TICKS * examined.settings.rules.tick
    if late:
        what = f"{len(before):,} deliveries wait, the oldest of a window until {oldest:%Y-%m-%d %H:%M} UTC"
        yield Finding("outbox", "warning", what, "see why they fail", _FAIL)
    if off:
        advice, page = "see why, and set them again", "docs/operations/webhook-switched-off.md"
        yield Finding("outbox", "warning", f"webhooks are switched off: {some(list(off))}", advice, page)
    if not (missing or late or off):
        yield Finding("outbox", "ok", f"{len(before):,} deliveries wait, {failed:,} were given up")
