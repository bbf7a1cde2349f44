"""Checks of a publisher: what it does when a callback fails, redirects, or takes its time."""

from cdrelay.conformance.checks import Outcome, check, failed, passed, warning
from cdrelay.conformance.listener import ELSEWHERE, Arrival
from cdrelay.conformance.observation import Observation


@check("TRAPS 19", "A delivery that was answered 500 and comes again has the same body, byte for byte.")
async def same_bytes_again(seen: Observation) -> Outcome:
    """The first delivery is answered so."""
    first, *again = seen.of(seen.troubled("500"))
    if not again:
        # No retry is published (FACTS 1.5), so that it may rightly be lost until it is fetched.
        return warning("it did not come again while the kit watched")
    if any(one.digest != first.digest for one in again):
        return failed("it came again with other bytes")
    return passed(f"it came again after {(again[0].at - first.at).total_seconds():.1f} s, {first.size} bytes")


@check("FACTS 1.5; TRAPS 18", "A redirect is no delivery, and is not followed.")
async def redirect_refused(seen: Observation) -> Outcome:
    """Another delivery is answered 307, to an address beside the callback."""
    first, *again = seen.of(seen.troubled("redirect"))
    if any(one.path.endswith(f"/{ELSEWHERE}") for one in seen.arrivals):
        return failed("it was followed")
    return passed(f"it was not followed{_afterwards(first, again)}")


def _afterwards(first: Arrival, again: list[Arrival]) -> str:
    return f"; it came again after {(again[0].at - first.at).total_seconds():.1f} s" if again else ""


@check("FACTS 1.5", "An answer that takes a while is waited for, and the delivery is not sent again.")
async def slow_answer(seen: Observation) -> Outcome:
    """Well below the 15 seconds after which a sender is said to give up."""
    first, *again = seen.of(seen.troubled("slow"))
    if again:
        return failed(
            f"it came again after {(again[0].at - first.at).total_seconds():.1f} s, though it was answered 200"
        )
    if first.answered_at is None:
        return failed("the sender did not wait for the answer")
    return passed(f"answered after {(first.answered_at - first.at).total_seconds():.1f} s; it did not come again")


ATTEMPT_CHECKS = (same_bytes_again, slow_answer, redirect_refused)
