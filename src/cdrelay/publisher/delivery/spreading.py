"""Spreads a window: in one pass over its records, what each partner is owed goes into the outbox.

Bodies are durable before any row says that they are to be sent; rows of one window are written together. Spreading the
same window again writes over what an earlier try left, and adds nothing for partners that have it already.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import count
from typing import Protocol

from cdrelay.clock import Clock
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import window_of_tick
from cdrelay.errors import CdrelayError
from cdrelay.lake.cut import Cut
from cdrelay.lake.lots import Lot
from cdrelay.lake.selection import Claims, Selection
from cdrelay.publisher.delivery.bodies import FRAME_BYTES, Body, BodyWriter, Packers
from cdrelay.publisher.delivery.deliveries import Delivery, delivery_id
from cdrelay.publisher.delivery.outbox import Outbox
from cdrelay.publisher.directory.entitlement import Entitlement
from cdrelay.publisher.parties import Webhook

# What all bodies that are being built may hold unpacked, together.
_BUILDING_BYTES = 128 * 1024 * 1024
# Packing lets go of the interpreter, and waiting for the disk takes no processor: some at a time.
_WRITERS = 4


class WindowReader(Protocol):
    """What spreading needs of the lake."""

    def window(self, before: Cut | None, now: Cut) -> Selection:
        """What is due at `now` and was not at `before`."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """The difference of two cuts, as it is sent the first time (round 0) or again."""

    tick: datetime
    before: Cut | None
    now: Cut
    round: int = 0


@dataclass(slots=True)
class Spread:
    """What became of a window."""

    deliveries: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """The partners whose share could not be written, and why."""


class _Share:
    """What one partner is owed of the window: parts that are written, and the one that is being built."""

    def __init__(self, webhook: Webhook, begin: Callable[[], BodyWriter]) -> None:
        self.partner_id = webhook.partner_id
        self._begin = begin
        self._numbers = count(1)
        self.building = begin()
        self.written: list[tuple[Future[None], Delivery]] = []

    def take_body(self) -> tuple[int, Body]:
        """The next part and its number; another one is begun."""
        body, self.building = self.building.finish(), self._begin()
        return next(self._numbers), body


class Spreader:
    """Writes the deliveries of windows. Only one at a time may do so: hold the outbox alone while it runs."""

    def __init__(
        self,
        lake: WindowReader,
        entitlement: Entitlement,
        outbox: Outbox,
        clock: Clock,
        rules: Rules,
        *,
        send_empty_windows: bool,
    ) -> None:
        self._lake = lake
        self._entitlement = entitlement
        self._outbox = outbox
        self._clock = clock
        self._rules = rules
        self._send_empty = send_empty_windows

    def spread(self, window: Window, webhooks: Sequence[Webhook]) -> Spread:
        """Write what each of these partners is owed of the window; blocking.

        A partner whose share cannot be written keeps no other from its own. Raises what lake and database raise.
        """
        if not webhooks:
            return Spread()
        frame_bytes = min(FRAME_BYTES, _BUILDING_BYTES // len(webhooks))
        with ThreadPoolExecutor(_WRITERS, "outbox") as writers:
            packers = Packers(writers)
            shares = [_Share(webhook, partial(BodyWriter, packers, frame_bytes)) for webhook in webhooks]
            for lot in self._records(window, webhooks):
                for number, start, end in lot.runs():
                    self._add(window, shares[number], lot, start, end, writers)
            for share in shares:
                if share.building.records or (self._send_empty and not share.written):
                    self._write(window, share, writers)
        return self._commit(shares)

    def _add(self, window: Window, share: _Share, lot: Lot, start: int, end: int, writers: ThreadPoolExecutor) -> None:
        """Records of a lot to the share; each part that is full is written."""
        most = self._rules.records_per_post
        while start < end:
            until = min(end, start + most - share.building.records)
            share.building.add(lot.report_ids[start:until], lot.text(start, until))
            if share.building.records == most:
                self._write(window, share, writers)
            start = until

    def _records(self, window: Window, webhooks: Sequence[Webhook]) -> Iterator[Lot]:
        selected = self._lake.window(window.before, window.now)
        feeds = [(webhook.partner_id, webhook.resource_type) for webhook in webhooks]
        claims: Claims = self._entitlement.claims(feeds, selected)
        return selected.records(claims)

    def _write(self, window: Window, share: _Share, writers: ThreadPoolExecutor) -> None:
        part, body = share.take_body()
        delivery = Delivery(
            id=delivery_id(share.partner_id, window.tick, part, window.round),
            partner_id=share.partner_id,
            tick=window.tick,
            round=window.round,
            window=window_of_tick(window.tick, self._rules),
            part=part,
            parts=0,
            records=body.records,
            body_bytes=body.size,
            digest=body.digest,
            next_attempt_at=self._clock.now(),
        )
        share.written.append((writers.submit(self._keep, delivery.id, body), delivery))

    def _keep(self, delivery_id: str, body: Body) -> None:
        # What it waits for was given to the same threads before it, and so is not behind it.
        self._outbox.write_body(delivery_id, body.packed())

    def _commit(self, shares: Sequence[_Share]) -> Spread:
        spread, rows = Spread(), []
        for share in shares:
            try:
                for writing, _ in share.written:
                    writing.result()
            except (CdrelayError, OSError) as error:
                spread.failures[share.partner_id] = str(error)
            else:
                rows.append([delivery for _, delivery in share.written])
        # All at once and only now: how many parts there are must be known before the first of them is sent.
        spread.deliveries = self._outbox.add_windows(rows)
        return spread
