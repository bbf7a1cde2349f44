"""The checks of a publisher's two endpoints, in the order in which they are run."""

from collections.abc import Callable, Sequence

from yarl import URL

from cdrelay.clock import Clock
from cdrelay.conformance.checks import CannotRun, Check, Result, run_checks
from cdrelay.conformance.exchange import open_session, reach
from cdrelay.conformance.partner_side import COUNTS, PartnerSide, during
from cdrelay.conformance.publisher_answers import ANSWER_CHECKS
from cdrelay.conformance.publisher_times import TIME_CHECKS
from cdrelay.contract.rules import Rules

_REACH_SECONDS = 15.0

PUBLISHER_CHECKS: tuple[Check[PartnerSide], ...] = (*TIME_CHECKS, *ANSWER_CHECKS)


async def check_publisher(
    base: URL,
    token: str,
    clock: Clock,
    *,
    rules: Rules | None = None,
    organization: str | None = None,
    checks: Sequence[Check[PartnerSide]] = PUBLISHER_CHECKS,
    begins: Callable[[str], None] = lambda name: None,
) -> list[Result]:
    """Play the partner against the publisher at `base`, its scheme and host.

    Raises CannotRun when nobody listens there or the token is not taken.
    """
    await reach(base, _REACH_SECONDS)
    async with open_session() as session:
        side = PartnerSide(session, base, token, clock, rules=rules or Rules(), organization=organization)
        answer = await side.ask(COUNTS, during(side.latest()))
        if answer.status in {None, 401, 403}:
            raise CannotRun(f"the counts cannot be asked for with this token: {answer}")
        return await run_checks(checks, side, begins)
