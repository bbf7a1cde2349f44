"""Handing synthetic calls to an intake endpoint as they end, over real HTTP."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp

from cdrelay.clock import Clock
from cdrelay.contract.error_bodies import error_message
from cdrelay.contract.windows import floor_to
from cdrelay.errors import CdrelayError
from cdrelay.traffic.generate import Traffic

_SECOND = timedelta(seconds=1)
_LONGEST_PAUSE_SECONDS = 10.0
_PATIENCE_SECONDS = 10.0
_BYTES_A_POST = 8 * 2**20


class IntakeRefused(CdrelayError):
    """The intake endpoint answered that it will not take the records; trying again would not help."""


class IntakeUnreachable(CdrelayError):
    """The intake endpoint did not take the last records, long after the feeding should have ended."""


@dataclass(frozen=True, slots=True)
class Fed:
    """How far the feeding has come."""

    records: int = 0
    posts: int = 0
    failures: int = 0


class Feeder:
    """Posts each second's calls, as NDJSON. What was not acknowledged is posted again: intake is idempotent."""

    def __init__(self, traffic: Traffic, url: str, key: str, clock: Clock) -> None:
        self._traffic = traffic
        self._url = url.rstrip("/") + "/v1/intake/records"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
        self._clock = clock

    async def run(self, until: datetime | None = None, progress: Callable[[Fed], None] = lambda so_far: None) -> Fed:
        """Feed from now on, until that moment or for ever.

        Raises IntakeRefused, and IntakeUnreachable some seconds after that moment.
        """
        fed = Fed()
        start = floor_to(self._clock.now(), _SECOND)
        async with aiohttp.ClientSession(headers=self._headers) as session:
            while until is None or start < until:
                await self._clock.sleep((start + _SECOND - self._clock.now()).total_seconds())
                # After a pause (a stopped machine, a failing intake) the span is longer than a second.
                end = max(floor_to(self._clock.now(), _SECOND), start + _SECOND)
                for records, body in _bodies(self._traffic.between(start, end)):
                    failures = await self._post(session, body, until)
                    fed = Fed(fed.records + records, fed.posts + 1, fed.failures + failures)
                progress(fed)
                start = end
        return fed

    async def _post(self, session: aiohttp.ClientSession, body: bytes, until: datetime | None) -> int:
        failures = 0
        while True:
            try:
                async with session.post(self._url, data=body) as answer:
                    text = await answer.read()
                    # 422: every record was refused with its reason; broken ones are part of what traffic can send.
                    if answer.status < 300 or answer.status == 422:
                        return failures
                    if answer.status < 500 and answer.status != 429:
                        raise IntakeRefused(f"{self._url} answered {answer.status}: {error_message(text)}")
                    why = f"it answered {answer.status}"
            except (aiohttp.ClientError, TimeoutError) as error:
                why = str(error) or type(error).__name__
            failures += 1
            if until is not None and (self._clock.now() - until).total_seconds() > _PATIENCE_SECONDS:
                raise IntakeUnreachable(f"{self._url} does not take records, tried {failures} times: {why}")
            await asyncio.sleep(min(0.5 * 2**failures, _LONGEST_PAUSE_SECONDS))


def _bodies(lines: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    pieces: list[bytes] = []
    size = 0
    for line in lines:
        pieces.append(line)
        size += len(line) + 1
        if size >= _BYTES_A_POST:
            yield len(pieces), b"\n".join(pieces)
            pieces, size = [], 0
    if pieces:
        yield len(pieces), b"\n".join(pieces)
