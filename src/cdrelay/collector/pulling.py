"""Pulling the records of one customer's organization, for a source without a partner or a public address.

`cdr_stream` is pulled continuously. After an outage longer than its reach, `cdr_feed` is asked for what lies before it,
up to 30 days where the provider gives so much, else 48 hours; what lies before that is a gap, which is told and kept
with the source. What was pulled is in the spool before the cursor moves, so that a kill at any moment costs nothing: a
window is pulled again, and the lake keeps one row for each record.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

import structlog

from cdrelay.clock import Clock
from cdrelay.collector.errors import TokenMissing
from cdrelay.collector.incident_log import IncidentLog
from cdrelay.collector.record_numbers import count_records
from cdrelay.collector.sources import Source, Sources
from cdrelay.collector.tokens import Tokens
from cdrelay.contract.answers import ProviderRejected
from cdrelay.contract.history import HistoryRules
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period
from cdrelay.lake.payload import BodyTooLarge, BodyUnreadable
from cdrelay.lake.spool import Channel, Envelope, Spool
from cdrelay.provider_exchange import ClientLimits, ProviderExchange
from cdrelay.provider_history import PullRules, pages, pull_rules, read_cursor

_GAP_REACHES = 14
"""Gaps that are found within so many reaches of the stream (a week) are told as one, from the first to the last."""

_log = structlog.get_logger(__name__)


class Puller:
    """Pulls one window of a source at a time. One at a time for each source, in one process."""

    def __init__(
        self,
        sources: Sources,
        tokens: Tokens,
        spool: Spool,
        *,
        incidents: IncidentLog,
        clock: Clock,
        rules: HistoryRules,
        limits: ClientLimits,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._sources = sources
        self._tokens = tokens
        self._spool = spool
        self._incidents = incidents
        self._clock = clock
        self._limits = limits
        self._new_id = new_id
        self._stream, self._feed = (pull_rules(api, rules) for api in ("cdr_stream", "cdr_feed"))
        self._far_feed = replace(self._feed, window=replace(rules.feed, reach=rules.feed_longest_reach))
        self._not_so_far: set[str] = set()
        """Sources whose provider does not give 30 days."""

    @property
    def pace_seconds(self) -> float:
        """Between two windows."""
        return self._stream.pace.total_seconds()

    async def pull(self, name: str) -> int:
        """Pull the next window of a source; how many records came, each of which may have come before.

        Raises ProviderError, NoRoom, SourceUnknown, TokenMissing and what `Tokens.access_token` raises; then the cursor
        stays, and all of the window is asked for again.
        """
        source, now = await asyncio.to_thread(self._sources.get, name), self._clock.now()
        cursor = _cursor(source, now)
        rules = self._rules_for(source, cursor, now)
        period = rules.next_window(cursor, now)
        if rules is not self._stream:
            period = self._before_the_stream(rules, period, now)
        if period is None:
            return 0
        records, gap = 0, None
        try:
            records = await self._pages(source, rules, period)
        except ProviderRejected as error:
            if rules is self._stream or error.status == 451:
                raise
            if rules is self._far_feed:
                _log.info("pull.reach_is_shorter", source=name)
                self._not_so_far.add(name)
                return 0
            # The stream must not wait for what the feed will never give.
            gap = Period(cursor or period.start, period.end)
            await self._tell_gap(source, gap, str(error))
        else:
            if (gap := rules.gap(cursor, now)) is not None:
                await self._tell_gap(source, gap, "out of the provider's reach")
        at_end = rules is self._stream and period.end == rules.newest(now)
        await asyncio.to_thread(self._move, source, write_time(period.end), now if at_end else None, gap)
        return records

    def _rules_for(self, source: Source, cursor: datetime | None, now: datetime) -> PullRules:
        if self._stream.gap(cursor, now) is None:
            return self._stream
        return self._feed if source.name in self._not_so_far else self._far_feed

    def _before_the_stream(self, rules: PullRules, period: Period | None, now: datetime) -> Period | None:
        """The window of the feed, no further than the stream takes over.

        It goes on a little into the stream's reach, as that shrinks while the feed is asked; no more than the stream
        reaches back over the cursor, so that what it alone has is not passed over.
        """
        if period is None:
            return None
        return replace(period, end=min(period.end, self._stream.oldest(now) + self._stream.overlap))

    async def _pages(self, source: Source, rules: PullRules, period: Period) -> int:
        base = source.history_base
        if base is None:
            raise TokenMissing(source.name, "there is no api address")
        channel: Channel = "stream" if rules is self._stream else "history"
        token = self._tokens.token_for(source.name)
        records = 0
        async with ProviderExchange(base, token, self._clock, self._limits) as exchange:
            async for body, count in pages(exchange, rules, period, source.org_uuid, self._count, self._clock):
                if count:
                    envelope = Envelope(
                        id=self._new_id(), source=source.name, channel=channel, received=self._clock.now()
                    )
                    await asyncio.to_thread(self._spool.put, envelope, body)
                records += count
        return records

    def _count(self, body: bytes) -> int:
        try:
            return count_records(body, "", self._limits.body_bytes)
        except (BodyUnreadable, BodyTooLarge) as error:
            raise ValueError(str(error)) from error

    async def _tell_gap(self, source: Source, gap: Period, why: str) -> None:
        """Before the cursor passes it: a kill in between tells it twice, not never."""
        what = f"records from {write_time(gap.start)} to {write_time(gap.end)} may be missing: {why}"
        await asyncio.to_thread(self._incidents.record, "pull", f"source {source.name}: {what}")

    def _move(self, source: Source, cursor: str, pulled_at: datetime | None, gap: Period | None) -> None:
        def move(now: Source) -> Source:
            # Where an operator has set the cursor meanwhile, theirs holds.
            moved = cursor if now.cursor == source.cursor else now.cursor
            moved_on = replace(now, cursor=moved, pulled_at=pulled_at or now.pulled_at, pull_problem=None)
            return moved_on if gap is None else self._with_gap(moved_on, gap)

        self._sources.alter(source.name, move)

    def _with_gap(self, source: Source, gap: Period) -> Source:
        found_at, former = self._clock.now(), source.gap
        lately = found_at - _GAP_REACHES * self._stream.window.reach
        if former is not None and source.gap_found_at is not None and source.gap_found_at > lately:
            gap = Period(min(former.start, gap.start), max(former.end, gap.end))
        return replace(source, gap_from=gap.start, gap_until=gap.end, gap_found_at=found_at)


def _cursor(source: Source, now: datetime) -> datetime | None:
    """Where it stands; None where it lies ahead, because the clock was set back: all that the stream gives is due."""
    cursor = read_cursor(source.cursor)
    return None if cursor is not None and cursor > now else cursor
