"""A publisher's deliveries over real HTTP, with faults by name; what it should deliver is in a provider's endpoints."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from cdrelay.clock import SystemClock
from cdrelay.contract.manifest import Manifest, digest_of
from cdrelay.contract.rules import Rules
from cdrelay.contract.signature import SIGNATURE_HEADER, sign
from cdrelay.contract.windows import Period, ceil_to, window_of_tick
from tests.support.provider import Call

FAULTS = {
    "signs other bytes": "delivery-signature",
    "signs in capitals": "delivery-signature",
    "does not sign": "delivery-signature",
    "sends a bare array": "delivery-shape",
    "says it is text": "delivery-shape",
    "delivers between ticks": "on-the-grid",
    "leaves a tick out": "nothing-left-out",
    "leaves a record out": "nothing-left-out",
    "includes the end of a window": "nothing-too-young",
    "does not let calls rest": "nothing-too-young",
    "sends a record twice": "no-record-twice",
    "counts one too many": "manifest-kept",
    "has another digest": "manifest-kept",
    "leaves a part out": "manifest-kept",
    "sends other bytes again": "same-bytes-again",
    "follows redirects": "redirect-refused",
    "does not wait for an answer": "slow-answer",
}
"""Each with the check that is for it."""
HARMLESS = {"says nothing of itself", "never sends again"}
"""What a publisher may do."""
Record = dict[str, Any]


@dataclass(slots=True)
class Deliverer:
    """Delivers `calls` to `url` at every tick, each window in two parts, until it is cancelled."""

    url: str
    calls: list[Call]
    rules: Rules
    secret: str
    fault: str = ""
    clock: SystemClock = field(default_factory=SystemClock)
    delivered: int = 0
    """Windows."""

    async def run(self) -> None:
        """Forever."""
        timeout = aiohttp.ClientTimeout(total=0.2 if self.fault == "does not wait for an answer" else 10)
        tick = ceil_to(self.clock.now(), self.rules.tick)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                late = self.rules.tick * (0.75 if self.fault == "delivers between ticks" else 0.01)
                await self._sleep_until(tick + late)
                if self.fault != "leaves a tick out" or self.delivered != 1:
                    await self._deliver(session, tick)
                self.delivered += 1
                tick += self.rules.tick

    async def _sleep_until(self, moment: datetime) -> None:
        await self.clock.sleep((moment - self.clock.now()).total_seconds())

    async def _deliver(self, session: aiohttp.ClientSession, tick: datetime) -> None:
        window = window_of_tick(tick, self.rules)
        records = self._records(window)
        half = len(records) // 2
        parts = [records[:half], records[half:]]
        for number, part in enumerate(parts, 1):
            if self.fault != "leaves a part out" or number == 1:
                await self._post(session, self._body(part), self._headers(window, number, part))

    def _records(self, window: Period) -> list[Record]:
        moved = {
            "includes the end of a window": Period(window.start, window.end + timedelta(milliseconds=1)),
            "does not let calls rest": Period(window.end, window.end + self.rules.tick),
        }.get(self.fault, window)
        records = [dict(call.wire()) for call in self.calls if call.ended in moved]
        if self.fault == "leaves a record out":
            return records[1:]
        before = [dict(call.wire()) for call in self.calls if call.ended < window.start]
        return records + before[-1:] if self.fault == "sends a record twice" else records

    def _headers(self, window: Period, part: int, records: list[Record]) -> dict[str, str]:
        kind = "text/plain" if self.fault == "says it is text" else "application/json"
        if self.fault == "says nothing of itself":
            return {"Content-Type": kind}
        count = len(records) + (self.fault == "counts one too many")
        digest = digest_of(["another"] if self.fault == "has another digest" else [one["Report ID"] for one in records])
        return {"Content-Type": kind} | Manifest(window, part, 2, count, digest).headers()

    def _body(self, records: list[Record]) -> bytes:
        return json.dumps(records if self.fault == "sends a bare array" else {"items": records}).encode()

    def _signature(self, body: bytes) -> dict[str, str]:
        match self.fault:
            case "does not sign":
                return {}
            case "signs other bytes":
                return {SIGNATURE_HEADER: sign(self.secret, body + b" ")}
            case "signs in capitals":
                return {SIGNATURE_HEADER: sign(self.secret, body).upper()}
            case _:
                return {SIGNATURE_HEADER: sign(self.secret, body)}

    async def _post(self, session: aiohttp.ClientSession, body: bytes, headers: Mapping[str, str]) -> None:
        """Until it is taken, the same each time."""
        for _ in range(1 if self.fault == "never sends again" else 10):
            if await self._taken(session, body, {**headers, **self._signature(body)}):
                return
            await self.clock.sleep(0.05)
            body += b"\n" if self.fault == "sends other bytes again" else b""

    async def _taken(self, session: aiohttp.ClientSession, body: bytes, headers: Mapping[str, str]) -> bool:
        follow = self.fault == "follows redirects"
        try:
            async with session.post(self.url, data=body, headers=headers, allow_redirects=follow) as answer:
                return answer.status < 300
        except (TimeoutError, aiohttp.ClientError):
            return False
