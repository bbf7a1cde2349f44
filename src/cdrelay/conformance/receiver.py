"""The checks of a listener, in the order in which they are run."""

import asyncio
from collections.abc import Callable, Sequence

from yarl import URL

from cdrelay.clock import Clock
from cdrelay.conformance.calls import body_of
from cdrelay.conformance.checks import Check, Outcome, Result, check, failed, passed, run_checks, warning
from cdrelay.conformance.deliverer import Deliverer, Pace, accepted
from cdrelay.conformance.exchange import open_session, reach
from cdrelay.conformance.receiver_records import RECORD_CHECKS
from cdrelay.conformance.receiver_signatures import SIGNATURE_CHECKS

_NO_DELIVERY = frozenset({404, 405})


@check(
    "TRAPS 16", "A delivery that breaks off in the middle leaves nothing behind: the same one, whole, is then taken."
)
async def half_a_body(side: Deliverer) -> Outcome:
    """The connection is closed after half of it."""
    body = body_of(side.records(200))
    await side.deliver_half(body)
    return accepted(await side.deliver(body))


@check("FACTS 1.5", "A delivery whose body comes slowly is waited for.")
async def slow_sender(side: Deliverer) -> Outcome:
    """In pieces, with rests between them."""
    return accepted(await side.deliver_slowly(body_of(side.records(100))))


@check("TRAPS 15", "Two deliveries at the same moment are both taken, also when they are the same.")
async def two_at_once(side: Deliverer) -> Outcome:
    """One payload twice, and another beside them."""
    same, other = body_of(side.records(100)), body_of(side.records(100))
    return accepted(*await asyncio.gather(*map(side.deliver, (same, same, other))))


@check("FACTS 1.1, 1.5", "A delivery whose answer was lost comes again, and is taken again.")
async def repeat_after_no_answer(side: Deliverer) -> Outcome:
    """The client hangs up as soon as it has sent everything."""
    body = body_of(side.records(100))
    await side.deliver_unheard(body)
    return accepted(await side.deliver(body))


@check("FACTS 1.3", "Deliveries are POSTs; a GET is answered 404 or 405.")
async def get_is_no_delivery(side: Deliverer) -> Outcome:
    """What a browser or a scanner sends."""
    answer = await side.get()
    if answer.status in _NO_DELIVERY:
        return passed(str(answer))
    return failed(str(answer)) if answer.taken or answer.status is None else warning(f"neither 404 nor 405: {answer}")


RECEIVER_CHECKS: tuple[Check[Deliverer], ...] = (
    *SIGNATURE_CHECKS,
    *RECORD_CHECKS,
    half_a_body,
    slow_sender,
    two_at_once,
    repeat_after_no_answer,
    get_is_no_delivery,
)


async def check_receiver(
    url: URL,
    secret: str | None,
    clock: Clock,
    *,
    checks: Sequence[Check[Deliverer]] = RECEIVER_CHECKS,
    pace: Pace | None = None,
    begins: Callable[[str], None] = lambda name: None,
) -> list[Result]:
    """Play the provider against the listener at `url`. Raises CannotRun when nobody listens there."""
    pace = pace or Pace()
    await reach(url, pace.answer_seconds)
    async with open_session() as session:
        return await run_checks(checks, Deliverer(session, url, secret, clock, pace), begins)
