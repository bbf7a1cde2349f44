"""A test delivery: one signed POST of no records, over the same guarded client as real deliveries."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cdrelay.callbacks.bodies import PlainBody
from cdrelay.callbacks.client import CallbackClient
from cdrelay.callbacks.headers import common_headers, signature_headers
from cdrelay.callbacks.retry import Answered, answer_kept, in_words

TEST_HEADER = "X-Cdrelay-Test"
_BODY = b'{"items":[]}'


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What came of it."""

    arrived: bool
    """Whether the answer was a 2xx, as a delivery needs it."""
    outcome: str
    status: int | None = None
    milliseconds: int = 0
    answer: str = ""
    signed: bool = False
    sent: bool = True

    @classmethod
    def not_sent(cls, why: str) -> "TrialResult":
        """Nothing was tried."""
        return cls(arrived=False, outcome=why, sent=False)


@dataclass(frozen=True, slots=True)
class Trials:
    """Sends tests with what deliveries are sent with: limits, guard and signatures."""

    open_callbacks: Callable[[], CallbackClient]
    sha256: bool = False
    """Whether deliveries carry the second signature."""

    async def try_out(self, url: str, secret: str | None) -> TrialResult:
        """Send one now; failures are results."""
        headers = common_headers(_BODY) | {TEST_HEADER: "true"} | signature_headers(secret, _BODY, sha256=self.sha256)
        started = time.perf_counter()
        async with self.open_callbacks() as callbacks:
            outcome = await callbacks.post(url, headers, PlainBody(_BODY))
        milliseconds = round((time.perf_counter() - started) * 1000)
        answered = outcome if isinstance(outcome, Answered) else None
        return TrialResult(
            arrived=answered is not None and 200 <= answered.status < 300,
            outcome=in_words(outcome),
            status=answered.status if answered else None,
            milliseconds=milliseconds,
            answer=answer_kept(answered.text) if answered else "",
            signed=secret is not None,
        )
