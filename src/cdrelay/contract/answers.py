"""What an answer of a provider's endpoints means and what to do about it. Pure (FACTS 2.3, 3.3; TRAPS 24)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cdrelay.contract.addresses import redirected_base
from cdrelay.contract.error_bodies import error_message, is_error_body
from cdrelay.contract.retry_after import read_retry_after
from cdrelay.errors import CdrelayError

_FIRST_WAIT_SECONDS = 1.0
_FIRST_WAIT_WHEN_BUSY_SECONDS = 5.0
"""The public SDK's wait for a 429 without Retry-After (FACTS 3.3)."""
_BUSY = frozenset({423, 425, 429})
_PASSING = _BUSY | {None, 200, 408, 500, 502, 503, 504}
"""What another attempt may mend; a 200 is among them for the sake of bodies that make no sense."""


class ProviderError(CdrelayError):
    """The provider did not give what was asked for; `status` is that of HTTP, None without answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ProviderRefused(ProviderError):
    """The provider does not let this token in (401) or does not let it do this (403): asking on is of no use."""


class ProviderRejected(ProviderError):
    """The provider calls this request wrong, such as a period out of its reach: the next request may still succeed."""


class ProviderUnavailable(ProviderError):
    """No sensible answer came in all attempts: unreachable, too busy, an error page, or a body that makes no sense."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One exchange. `status` is None without answer; `problem` says why, or what makes no sense in a body of 200."""

    status: int | None
    headers: Mapping[str, str]
    body: bytes = b""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on: attempts at one request, and the longest wait between two of them."""

    attempts: int
    longest_wait_seconds: float


@dataclass(frozen=True, slots=True)
class Take:
    """It is the answer."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing of what was asked for: 204, or 404 in the words of the API (FACTS 3.3, 3.5)."""


@dataclass(frozen=True, slots=True)
class Again:
    """Ask again after that many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Ask there at once, and in future."""

    base: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Stop asking this."""

    error: ProviderError


Decision = Take | Nothing | Again | Elsewhere | GiveUp


def decide(answer: Answer, attempt: int, base: str, now: datetime, patience: Patience) -> Decision:
    """What to do about `answer`, which came to the attempt of that number (from 1) at `base`."""
    match answer.status:
        case 200 if answer.problem is None:
            return Take()
        case 204 | 404 if answer.status == 204 or is_error_body(answer.body):
            return Nothing()
        case 451:
            return _sent_away(answer, attempt, base, patience)
        case status if status in _PASSING:
            if attempt < patience.attempts:
                return Again(_wait(answer, attempt, now, patience))
            text = f"no usable answer in {attempt} attempts, the last was: {_said(answer)}"
            return GiveUp(ProviderUnavailable(text, status))
    return GiveUp(_refusal(answer))


def _refusal(answer: Answer) -> ProviderError:
    match answer.status:
        case 401 | 403 if answer.body.lstrip().startswith(b"<"):
            # A page of a proxy or a gateway on the way: about the token it says nothing.
            text = f"the provider, or what stands before it, does not let us in: {_said(answer)}"
            return ProviderRefused(text, answer.status)
        case 401:
            return ProviderRefused(f"the access token is not valid, or no longer: {_said(answer)}", 401)
        case 403:
            return ProviderRefused(f"the access token has no right to call records: {_said(answer)}", 403)
        case 404:
            # A proxy, a gateway or another server: taken for "no records", it would pass for proof that there are none.
            text = f"there are no such endpoints at this address, or the answer is not the provider's: {_said(answer)}"
            return ProviderRejected(text, 404)
        case status:
            return ProviderRejected(_said(answer), status)


def _sent_away(answer: Answer, attempt: int, base: str, patience: Patience) -> Decision:
    found = redirected_base(error_message(answer.body), base)
    if found is None or attempt >= patience.attempts:
        text = f"the records lie in another region and no host of the provider is named: {_said(answer)}"
        return GiveUp(ProviderRejected(text, 451))
    return Elsewhere(found)


def _wait(answer: Answer, attempt: int, now: datetime, patience: Patience) -> float:
    first = _FIRST_WAIT_WHEN_BUSY_SECONDS if answer.status in _BUSY else _FIRST_WAIT_SECONDS
    longest = patience.longest_wait_seconds
    asked = read_retry_after(answer.headers.get("Retry-After"), now, timedelta(seconds=longest))
    return min(first * 2.0 ** min(attempt - 1, 30), longest) if asked is None else asked.total_seconds()


def _said(answer: Answer) -> str:
    if answer.problem is not None:
        return answer.problem
    return f"HTTP {answer.status}, {error_message(answer.body) or 'without a word'}"
