"""The checks of a publisher, in the order in which they are run: its deliveries first, then its endpoints."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from yarl import URL

from cdrelay.clock import Clock
from cdrelay.conformance.checks import CannotRun, Check, Result, run_checks
from cdrelay.conformance.exchange import open_session, reach
from cdrelay.conformance.listener import Listener
from cdrelay.conformance.observation import Observation, observe
from cdrelay.conformance.partner_side import COUNTS, PartnerSide, during
from cdrelay.conformance.publisher_answers import ANSWER_CHECKS
from cdrelay.conformance.publisher_attempts import ATTEMPT_CHECKS
from cdrelay.conformance.publisher_deliveries import DELIVERY_CHECKS
from cdrelay.conformance.publisher_history import HISTORY_CHECKS
from cdrelay.conformance.publisher_times import TIME_CHECKS
from cdrelay.contract.history import HistoryRules
from cdrelay.contract.rules import Rules

_REACH_SECONDS = 15.0
SLOW_SECONDS = 3.0

ENDPOINT_CHECKS: tuple[Check[PartnerSide], ...] = (*TIME_CHECKS, *ANSWER_CHECKS, *HISTORY_CHECKS)
WEBHOOK_CHECKS: tuple[Check[Observation], ...] = (*DELIVERY_CHECKS, *ATTEMPT_CHECKS)
"""They need a callback that the publisher can reach."""
PUBLISHER_CHECKS: tuple[Check[Any], ...] = (*WEBHOOK_CHECKS, *ENDPOINT_CHECKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """Where the kit listens for deliveries, and for how long."""

    host: str
    port: int
    url: URL | None = None
    """Where the publisher reaches it; None: at that host and port, over http."""
    secret: str | None = None
    seconds: float
    """How long it watches after the first delivery."""
    slow_seconds: float = SLOW_SECONDS
    """How long the answer takes that a sender must wait for."""


async def check_publisher(
    base: URL,
    token: str,
    clock: Clock,
    *,
    rules: Rules | None = None,
    history: HistoryRules | None = None,
    organization: str | None = None,
    callback: Callback | None = None,
    checks: Sequence[Check[Any]] = PUBLISHER_CHECKS,
    begins: Callable[[str], None] = lambda name: None,
    says: Callable[[str], None] = lambda text: None,
) -> list[Result]:
    """Play the partner against the publisher at `base`, its scheme and host; with a callback, its listener too.

    `says` is told what to set there and what is waited for. Without a callback the checks of deliveries are left out.
    Raises CannotRun when nobody listens there, the token is not taken, or no delivery comes.
    """
    await reach(base, _REACH_SECONDS)
    async with open_session() as session:
        side = PartnerSide(
            session, base, token, clock, rules=rules or Rules(), history=history, organization=organization
        )
        answer = await side.ask(COUNTS, during(side.latest()))
        if answer.status in {None, 401, 403}:
            raise CannotRun(f"the counts cannot be asked for with this token: {answer}")
        results = []
        of_deliveries = [one for one in checks if one in WEBHOOK_CHECKS]
        if callback is not None and of_deliveries:
            seen = await _watch(callback, side, clock, says)
            results += await run_checks(of_deliveries, seen, begins)
        of_endpoints = [one for one in checks if one not in WEBHOOK_CHECKS]
        return results + await run_checks(of_endpoints, side, begins)


async def _watch(callback: Callback, side: PartnerSide, clock: Clock, says: Callable[[str], None]) -> Observation:
    secret, slow_seconds = callback.secret, callback.slow_seconds
    listener = Listener(callback.host, callback.port, callback.url, clock, secret=secret, slow_seconds=slow_seconds)
    async with listener:
        return await observe(listener, side, clock, seconds=callback.seconds, secret=secret, says=says)
