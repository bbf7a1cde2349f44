"""The calls of a run: handed to the publisher round by round, late, twice, corrected and out of order."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from io import BytesIO
from random import Random

import aiohttp
import msgspec

from cdrelay.traffic import Faults, Plan, Traffic

_BURST = 10
"""So many times the calls of a round are in a burst."""
_BURST_LASTS = timedelta(milliseconds=50)
_LATE = timedelta(seconds=1)
"""Calls are handed in within this time of their end, in compressed time too, unless they are late."""
_FAULTS = Faults(late=0.08, duplicate=0.08, corrected=0.08, unknown_key=0.03, broken=0.005)


class _Version(msgspec.Struct):
    org_uuid: str = msgspec.field(name="Org UUID")
    report_id: str = msgspec.field(name="Report ID")
    report_time: str = msgspec.field(name="Report time")


class Calls:
    """Hands calls in over HTTP; what the publisher did not acknowledge is handed in again."""

    def __init__(self, seed: int, organizations: int, records_per_second: float, compress: float) -> None:
        common = {"organizations": organizations, "shaped": False, "faults": _FAULTS, "time_scale": compress}
        self._traffic = Traffic(Plan(seed=seed, records_per_second=records_per_second, **common))  # type: ignore[arg-type]
        self._seed = seed
        self.organizations = self._traffic.organizations
        self.acknowledged: dict[tuple[str, str], str] = {}
        """Newest Report time of each record that the publisher took."""
        self.struck: Counter[str] = Counter()
        """What went wrong, by `plan.CALL_FAULTS`: records, as the publisher took them."""

    async def hand_in(self, url: str, key: str, number: int, start: datetime, end: datetime, *, burst: bool) -> None:
        """All that is due in [start, end), in any order; in a burst many calls more."""
        lines = list(self._traffic.between(start, end))
        if burst:
            lines += await asyncio.to_thread(self._many, _BURST * len(lines), start, end)
        Random(f"{self._seed}/{number}/order").shuffle(lines)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for first in range(0, len(lines), 2_000):
                await self._post(session, url + "/v1/intake/records", lines[first : first + 2_000], start)

    def _many(self, count: int, start: datetime, end: datetime) -> list[bytes]:
        quiet = Traffic(Plan(seed=self._seed, organizations=len(self.organizations), shaped=False))
        # At once, so that they lie in one window.
        return list(quiet.records(count, max(start, end - _BURST_LASTS), end))

    async def _post(self, session: aiohttp.ClientSession, url: str, lines: list[bytes], start: datetime) -> None:
        while True:
            try:
                async with session.post(url, data=BytesIO(b"\n".join(lines))) as answer:
                    await answer.read()
                    if answer.status in (200, 422):
                        self._remember(lines, start)
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.3)

    def _remember(self, lines: Iterable[bytes], start: datetime) -> None:
        newest = ""
        for line in lines:
            try:
                one = msgspec.json.decode(line, type=_Version)
                ended = datetime.fromisoformat(one.report_time)
            except ValueError:
                self.struck["call broken"] += 1
                continue  # on purpose: the publisher refuses it
            key = one.org_uuid, one.report_id
            former = self.acknowledged.get(key)
            if former is None:
                self.struck["call late"] += ended < start - _LATE
            else:
                self.struck["call twice" if one.report_time == former else "call corrected"] += 1
            self.struck["calls out of order"] += one.report_time < newest
            newest = max(newest, one.report_time)
            self.acknowledged[key] = max(former or "", one.report_time)
