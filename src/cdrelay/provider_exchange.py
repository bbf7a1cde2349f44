"""Asking a provider's endpoints with a token, as patiently as its answers want: what both halves have in common."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, Self, TypeVar
from urllib.parse import urlencode

import aiohttp
import structlog

from cdrelay.clock import Clock
from cdrelay.contract.addresses import AddressRefused, next_page
from cdrelay.contract.answers import Again, Answer, Elsewhere, GiveUp, Patience, ProviderRejected, Take, decide
from cdrelay.contract.date_header import clock_is_off
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period
from cdrelay.errors import CdrelayError

T = TypeVar("T")

PAGES = 10_000
"""No period has more pages; a listing that claims so goes in circles."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """How a client behaves towards a provider."""

    answer_seconds: float
    body_bytes: int
    patience: Patience


def with_query(path: str, period: Period, more: Mapping[str, str]) -> str:
    """What is asked for: all endpoints for records take their period in the same two parameters."""
    query = {"startTime": write_time(period.start), "endTime": write_time(period.end), **more}
    return f"{path}?{urlencode(query, safe=':')}"


class TokenFor(Protocol):
    """Gives the access token to ask a provider with; raises a CdrelayError when there is none."""

    async def __call__(self, refused: str | None = None) -> str:
        """A valid one; with `refused`, which the provider did not take, another one or the same when there is none."""
        ...


def _always(token: str) -> TokenFor:
    async def given(refused: str | None = None) -> str:  # nobody renews it
        return token

    return given


class AnswerTooLarge(CdrelayError):
    """An answer has more bytes than are taken."""


class ProviderExchange:
    """Asks one provider in one name. Use it as a context: leaving closes the connections.

    Raises ProviderRefused (401, 403), ProviderRejected (this request), ProviderUnavailable (no sensible answer), and
    what `token` raises when it is not a token but gives one. That is asked once, and again when the token is refused
    (401); the request is then made again with the new one. The token goes to `base`, to hosts of the provider's domain
    that a 451 or a next page names, and nowhere else.
    """

    def __init__(
        self,
        base: str,
        token: str | TokenFor,
        clock: Clock,
        limits: ClientLimits,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.requests = 0
        self.clock_is_off: str | None = None
        """What the last answer says of this machine's clock, where that is plainly wrong."""
        self._base = base
        self._token_for = _always(token) if isinstance(token, str) else token
        self._token: str | None = None
        self._clock = clock
        self._limits = limits
        self._jitter = jitter
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=self._limits.answer_seconds),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def next_page(self, answer: Answer, target: str) -> str | None:
        """The address of the page after `answer` to `target`; None when there is none. Raises ProviderRejected."""
        try:
            return next_page(answer.headers.get("Link"), self._address(target))
        except AddressRefused as error:
            raise ProviderRejected(str(error)) from error

    async def ask(self, target: str, read: Callable[[bytes], T]) -> tuple[Answer, T] | None:
        """The answer to `target`, a path with its query or an address, and what `read` makes of it; None for 404.

        `read` raises ValueError for a body that makes no sense. Waits and asks again as decided.
        """
        attempt = 0
        renewed = False
        while True:
            attempt += 1
            self._token = token = self._token or await self._token_for()
            answer, content = await self._exchange(self._address(target), token, read)
            if answer.status == 401 and not renewed:
                renewed = True
                if await self._renewed(token):
                    continue
            match decide(answer, attempt, self._base, self._clock.now(), self._limits.patience):
                case Take() if content is not None:
                    return answer, content
                case GiveUp(error):
                    if answer.status == 400 and self.clock_is_off:  # a period that is right here may be wrong there
                        raise ProviderRejected(f"{error}; {self.clock_is_off}", 400) from error
                    raise error
                case Elsewhere(base):
                    _log.info("provider.moved", to=base)
                    self._base = base
                case Again(seconds):
                    _log.info("provider.asked_again", status=answer.status, attempt=attempt, seconds=seconds)
                    # Up to a tenth more, so that clients that were stopped together do not come back together.
                    await self._clock.sleep(seconds * (1 + self._jitter() / 10))
                case _:
                    return None

    async def _renewed(self, refused: str) -> bool:
        """Whether there is another token than the one that was refused, which may be renewed by another request."""
        if self._token == refused:
            self._token = await self._token_for(refused)
        return self._token != refused

    def _address(self, target: str) -> str:
        return target if target.startswith("http") else self._base + target

    async def _exchange(self, address: str, token: str, read: Callable[[bytes], T]) -> tuple[Answer, T | None]:
        """One request. What goes wrong on the way is part of the answer; nothing is raised."""
        if self._session is None:
            raise RuntimeError("a ProviderExchange is used as a context")
        self.requests += 1
        try:
            # A redirect could lead the token anywhere.
            headers = {"Authorization": f"Bearer {token}"}
            async with self._session.get(address, headers=headers, allow_redirects=False) as response:
                self.clock_is_off = clock_is_off(response.headers.get("Date"), self._clock.now())
                answer = Answer(response.status, response.headers, await self._body(response.content))
        except (aiohttp.ClientError, TimeoutError, OSError, AnswerTooLarge, ValueError) as error:
            # ValueError: the provider has sent us to an address that makes no sense, such as a name with an empty part.
            # The text of such an error can hold the whole address, so its kind has to do.
            return Answer(None, {}, problem=f"no answer ({type(error).__name__})"), None
        if answer.status != 200:
            # What is said of a refusal goes to logs and pages; some servers say which token they refused.
            return replace(answer, body=answer.body.replace(token.encode(), b"[token]")), None
        try:
            return answer, await asyncio.to_thread(read, answer.body)
        except ValueError as error:
            return replace(answer, problem=f"HTTP 200, {error}"), None

    async def _body(self, content: aiohttp.StreamReader) -> bytes:
        pieces, size = [], 0
        async for piece in content.iter_any():
            size += len(piece)
            if size > self._limits.body_bytes:
                raise AnswerTooLarge(f"the answer is larger than {self._limits.body_bytes} bytes")
            pieces.append(piece)
        return b"".join(pieces)


class ProviderClient:
    """What asks for something in particular through an exchange of its own. Use it as a context, as the exchange."""

    def __init__(self, exchange: ProviderExchange) -> None:
        self._exchange = exchange

    @property
    def requests(self) -> int:
        """How many were made."""
        return self._exchange.requests

    @property
    def clock_is_off(self) -> str | None:
        """What the last answer says of this machine's clock, where that is plainly wrong."""
        return self._exchange.clock_is_off

    async def __aenter__(self) -> Self:
        await self._exchange.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exchange.__aexit__(kind, error, trace)
