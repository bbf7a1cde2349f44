"""Delivering: cut, build, sign and send a window of 200,000 records, against a bare loop of ready-made bodies.

For one partner in parts of 5,000 records, and for 1,000 partners with 200 records each. The bare loop sends bodies of
the same sizes with the same client, as many at once, to the same sink: a listener in a process of its own that reads
each body to its end and answers, over TLS as every callback is.
"""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path

import uvloop

from bench.measure import Measure, stopwatch
from bench.publishing import open_filled
from bench.sink import sink
from cdrelay.callbacks.bodies import PlainBody
from cdrelay.callbacks.client import CallbackClient, CallbackLimits, trusted_authorities
from cdrelay.callbacks.retry import Answered
from cdrelay.publisher.alerts.alerts import Alerts
from cdrelay.wiring import Foundation, PublisherParts, callback_limits, open_sender

RECORDS = 200_000
TURNS = 2


def run(scratch: Path) -> list[Measure]:
    """Both shapes, each side in turns; the best of each counts."""
    return [_measure(scratch, 1), _measure(scratch, 1_000)]


def _measure(scratch: Path, partners: int) -> Measure:
    ours, bare, size, posts = [], [], 0, 0
    for turn in range(TURNS):
        home = scratch / f"{partners}-{turn}"
        with sink(scratch / "certificate") as (url, ca_file):
            foundation, parts = open_filled(home, RECORDS, partners, url)
            trust = trusted_authorities(ca_file)
            at_once = min(partners, foundation.settings.deliveries_at_once)
            with stopwatch() as elapsed:
                parts.ticker.tick_once()
                cut = elapsed()
                uvloop.run(_send(foundation, parts, trust))
                ours.append((elapsed(), cut))
            sizes = [one.body_bytes for one in parts.outbox.latest(RECORDS)]
            assert sum(one.records for one in parts.outbox.latest(RECORDS)) == RECORDS
            assert parts.outbox.statistics().delivered == len(sizes)
            size, posts = sum(sizes), len(sizes)
            bare.append(uvloop.run(_bare(url, sizes, at_once, callback_limits(foundation.settings), trust)))
            foundation.close()
    seconds, cut = min(ours)
    return Measure(
        f"a window of {RECORDS:,} records for {partners:,} partner{'s' * (partners > 1)}",
        f"{size / seconds / 1e6:,.0f} MB/s ({cut:.2f} s to cut and build, {seconds - cut:.2f} s to sign and send);"
        f" bare {size / min(bare) / 1e6:,.0f} MB/s; {posts:,} bodies, {size / 1e6:,.0f} MB",
        min(bare) / seconds,
        0.5,
        "at least",
    )


async def _send(foundation: Foundation, parts: PublisherParts, trust: ssl.SSLContext) -> None:
    alerts = Alerts(foundation.database, foundation.clock, by_mail=False)
    async with CallbackClient(callback_limits(foundation.settings), trust=trust) as callbacks:
        await open_sender(foundation, parts.webhooks, parts.outbox, callbacks, alerts).send_due()


async def _bare(url: str, sizes: Sequence[int], at_once: int, limits: CallbackLimits, trust: ssl.SSLContext) -> float:
    """Seconds to send bodies of these sizes, `at_once` at a time."""
    longest = b"x" * max(sizes)
    bodies = iter(sizes)
    async with CallbackClient(limits, trust=trust) as callbacks:

        async def send() -> None:
            for size in bodies:
                headers = {"Content-Type": "application/json", "Content-Length": str(size)}
                outcome = await callbacks.post(url, headers, PlainBody(longest[:size]))
                assert isinstance(outcome, Answered), outcome
                assert outcome.status == 200

        with stopwatch() as elapsed:
            await asyncio.gather(*(send() for _ in range(at_once)))
            return elapsed()
