"""What follows from an attempt at a delivery. Pure: the moment and the jitter are passed in."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cdrelay.contract.retry_after import read_retry_after

GONE = 410
UNAUTHORIZED = (401, 403)
"""What a listener answers when a signature does not fit (FACTS 1.4)."""
TOO_MANY_REQUESTS = 429
SERVICE_UNAVAILABLE = 503
_ANSWER_KEPT = 200


@dataclass(frozen=True, slots=True)
class Answered:
    """The callback answered with an HTTP status."""

    status: int
    retry_after: str | None = None
    text: str = ""
    """The beginning of the answer."""


@dataclass(frozen=True, slots=True)
class NotReached:
    """No answer came; `reason` says why: name unknown, connection or address refused, TLS, too slow."""

    reason: str


@dataclass(frozen=True, slots=True)
class Withheld(NotReached):
    """It never left, for something of ours that whoever runs this must mend; `reason` is for the other end, too."""

    cause: str
    """What it is, for whoever runs this."""


@dataclass(frozen=True, slots=True)
class Unsendable:
    """There is nothing to send any more; `reason` says why."""

    reason: str


Outcome = Answered | NotReached | Unsendable  # a Withheld is a NotReached


@dataclass(frozen=True, slots=True)
class Delivered:
    """Any 2xx: the partner has it."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Send the same body again, not before `moment`; what else is due for the partner now waits until `others_from`."""

    moment: datetime
    reason: str
    others_from: datetime
    """Not after `moment`."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not send it again; the partner fetches its records from the records endpoint, if it still can."""

    reason: str


@dataclass(frozen=True, slots=True)
class SwitchOff:
    """Send nothing more to this callback until the webhook is switched on again."""

    reason: str
    failing_since: datetime | None = None
    """What the decision rests on, when it is sustained failure; it is void when that has changed meanwhile."""


Decision = Delivered | RetryAt | GiveUp | SwitchOff


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed delivery is sent again."""

    first: timedelta
    """Longest wait before the second attempt; each further one is twice as long."""
    longest: timedelta
    """No wait exceeds it, also when the callback asks for more."""
    reach: timedelta
    """How long after the end of its window a delivery is still of use (seed: 48 hours)."""
    switch_off_after: timedelta | None = None
    """How long a callback may fail without one success before its webhook is switched off; None: for ever."""


def decide(
    attempt: int,
    outcome: Outcome,
    *,
    now: datetime,
    window_end: datetime,
    policy: RetryPolicy,
    jitter: float,
    failing_since: datetime | None = None,
) -> Decision:
    """What follows from `outcome` of the attempt of that number (from 1) at `now`; `jitter` is from 0 to 1.

    `failing_since` is the partner's first failed attempt since its last success, None when this is the first. A
    delivery waits twice as long after each failure of its own. The partner's others wait for as long as the callback
    has been failing, which doubles just so: a dead callback is tried rarely however much is pending for it, and a
    single delivery that it does not like holds up the others for no time at all.
    """
    match outcome:
        case Unsendable(reason):
            return GiveUp(reason)
        case Answered(status) if 200 <= status < 300:
            return Delivered()
        case Answered(status) if status == GONE:
            return SwitchOff("the callback answered 410: it is gone")
    reason = in_words(outcome)
    failing = now - failing_since if failing_since else timedelta(0)
    if policy.switch_off_after is not None and failing_since and failing >= policy.switch_off_after:
        return SwitchOff(f"nothing arrived since {failing_since:%Y-%m-%d %H:%M} UTC; lastly: {reason}", failing_since)
    asked = _asked(outcome, now, policy)
    others = _by_chance(min(failing, policy.longest), jitter) if asked is None else asked
    own = _by_chance(_doubled(attempt, policy), jitter) if asked is None else asked
    moment = now + max(own, others)
    if moment > window_end + policy.reach:
        return GiveUp(f"{reason}; the window will be out of reach before the next attempt")
    return RetryAt(moment, reason, now + others)


def in_words(outcome: Outcome) -> str:
    """What happened, for the row of the attempt and the log. Holds nothing of the answer's text."""
    match outcome:
        case Answered(status) if 200 <= status < 300:
            return "delivered"
        case Answered(status) if 300 <= status < 400:
            return f"the callback answered {status}: redirects are not followed"
        case Answered(status):
            return f"the callback answered {status}"
        case NotReached(reason) | Unsendable(reason):
            return reason


def answer_kept(text: str) -> str:
    """The part of an answer that is kept: 200 characters, without what cannot be printed."""
    return "".join(sign if sign.isprintable() else " " for sign in text[:_ANSWER_KEPT])


def _asked(outcome: Outcome, now: datetime, policy: RetryPolicy) -> timedelta | None:
    """How long the callback itself wants to be left alone; None when it does not say."""
    if not isinstance(outcome, Answered) or outcome.status not in (TOO_MANY_REQUESTS, SERVICE_UNAVAILABLE):
        return None
    asked = read_retry_after(outcome.retry_after, now, policy.longest)
    # Never sooner than the first wait: a callback that asks for 0 seconds would be hammered.
    return None if asked is None else min(max(asked, policy.first), policy.longest)


def _doubled(attempt: int, policy: RetryPolicy) -> timedelta:
    # The exponent is capped because 2**1000 is no duration; 30 doublings exceed every clamp.
    return min(policy.first * 2 ** min(attempt - 1, 30), policy.longest) if policy.first else timedelta(0)


def _by_chance(wait: timedelta, jitter: float) -> timedelta:
    """Half of it is chance, so that what failed together does not come again together."""
    return wait * (0.5 + 0.5 * jitter)
