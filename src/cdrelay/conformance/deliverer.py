"""The provider's side of the webhook, as a listener meets it: signed POSTs, and the ways in which they can go wrong."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
from yarl import URL

from cdrelay.clock import Clock
from cdrelay.conformance.calls import Calls, Record, body_of
from cdrelay.conformance.checks import Outcome, failed, passed, warning
from cdrelay.conformance.exchange import Answer, exchange, raw_request, send_and_hang_up
from cdrelay.contract.signature import SIGNATURE_HEADER, sign

REFUSALS = frozenset({401, 403})
"""What says that a signature does not fit (FACTS 1.4)."""
_HEADERS = {"Content-Type": "application/json"}
_PIECE = 256 * 1024
_SETTLED = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient the provider is, and how slow it can be."""

    answer_seconds: float = 15.0
    """Developers report that the provider waits about so long (FACTS 1.5)."""
    large_body_bytes: int = 20 * 1000 * 1000
    """How large a delivery can get; no limit is published (FACTS 1.3)."""
    slow_pieces: int = 8
    """In how many pieces the slow sender sends."""
    pause_seconds: float = 0.25
    """How long it rests after each."""


class Deliverer:
    """Delivers to one listener. Its secret does not show when it is printed."""

    def __init__(
        self, session: aiohttp.ClientSession, url: URL, secret: str | None, clock: Clock, pace: Pace | None = None
    ) -> None:
        self._session = session
        self._url = url
        self._secret = secret
        self._clock = clock
        self._calls = Calls()
        self.pace = pace or Pace()

    @property
    def signs(self) -> bool:
        """Whether a secret is set; without one no delivery has a signature (FACTS 1.4)."""
        return self._secret is not None

    def window_end(self, ago: timedelta = timedelta(0)) -> datetime:
        """The end of a window that was due `ago`."""
        return self._clock.now() - _SETTLED - ago

    def records(self, count: int = 20, ago: timedelta = timedelta(0)) -> list[Record]:
        """Records of such a window that were never delivered before."""
        return self._calls.ended_before(self.window_end(ago), count)

    def lines(self, count: int) -> list[bytes]:
        """The same as JSON text."""
        return self._calls.lines_before(self.window_end(), count)

    def signature(self, body: bytes) -> str | None:
        """The signature that is due with a body."""
        return None if self._secret is None else sign(self._secret, body)

    def wrong_signature(self, body: bytes) -> str:
        """A signature of the same body with a secret that is not the one agreed on."""
        return sign(f"not {self._secret}", body)

    async def deliver(self, body: bytes, more: Mapping[str, str] | None = None) -> Answer:
        """One POST as it should be."""
        return await self._post(_in_pieces(body), len(body), self._headers(body) | dict(more or {}))

    async def deliver_records(self, records: list[Record]) -> Answer:
        """The same, of records."""
        return await self.deliver(body_of(records))

    async def deliver_with(self, body: bytes, signature: str | None) -> Answer:
        """One POST with that signature or without any."""
        headers = _HEADERS | ({} if signature is None else {SIGNATURE_HEADER: signature})
        return await self._post(_in_pieces(body), len(body), headers)

    async def deliver_slowly(self, body: bytes) -> Answer:
        """One POST whose body comes in pieces with rests between them; the answer has its usual time after that."""
        pieces, pause = self.pace.slow_pieces, self.pace.pause_seconds
        step = -(-len(body) // pieces)
        return await self._post(_in_pieces(body, step, pause), len(body), self._headers(body), pieces * pause)

    async def deliver_half(self, body: bytes) -> None:
        """One POST that breaks off in the middle of its body."""
        request = raw_request(self._url, self._headers(body), body)
        await send_and_hang_up(self._url, request[: len(request) - len(body) // 2], self.pace.answer_seconds)

    async def deliver_unheard(self, body: bytes) -> None:
        """One POST sent to its end, whose answer nobody waits for."""
        request = raw_request(self._url, self._headers(body), body)
        await send_and_hang_up(self._url, request, self.pace.answer_seconds)

    async def get(self) -> Answer:
        """A GET of the callback URL."""
        return await exchange(self._session, "GET", self._url, seconds=self.pace.answer_seconds, headers={})

    def _headers(self, body: bytes) -> dict[str, str]:
        signature = self.signature(body)
        return _HEADERS | ({} if signature is None else {SIGNATURE_HEADER: signature})

    async def _post(
        self, pieces: AsyncIterator[bytes], size: int, headers: Mapping[str, str], pause: float = 0.0
    ) -> Answer:
        headers = {**headers, "Content-Length": str(size)}
        seconds = self.pace.answer_seconds + pause
        return await exchange(self._session, "POST", self._url, seconds=seconds, headers=headers, body=pieces)


async def _in_pieces(body: bytes, step: int = _PIECE, pause: float = 0.0) -> AsyncIterator[bytes]:
    for start in range(0, len(body), step):
        yield body[start : start + step]
        if pause:
            await asyncio.sleep(pause)


def accepted(*answers: Answer) -> Outcome:
    """Passed when every answer is 2xx; else the first that is not."""
    for number, answer in enumerate(answers, 1):
        if not answer.taken:
            which = f"delivery {number} of {len(answers)}: " if len(answers) > 1 else ""
            return failed(f"{which}{answer}")
    return passed(str(answers[-1]) if len(answers) == 1 else f"all {len(answers)} {_statuses(answers)}")


def refused(answer: Answer) -> Outcome:
    """Passed when the answer says that the signature does not fit."""
    if answer.status in REFUSALS:
        return passed(str(answer))
    if answer.taken:
        return failed(f"took it: {answer}")
    if answer.status is not None and 400 <= answer.status < 500:
        return warning(f"refused, but not with 401 or 403: {answer}")
    return failed(str(answer))


def _statuses(answers: tuple[Answer, ...]) -> str:
    statuses = sorted({str(answer.status) for answer in answers})
    return f"answered {', '.join(statuses)}, the slowest after {max(answer.seconds for answer in answers):.2f} s"
