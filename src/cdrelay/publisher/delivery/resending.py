"""Sends windows again: they are cut anew from the lake, between the same two cuts, as a further round.

So it works for what was delivered, for what was given up, and for what nobody was sent because the webhook came later.
A record that was corrected since is no longer in its old window; its newer version is in the window it came with.
"""

from dataclasses import dataclass

from cdrelay.clock import Clock
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.publisher.delivery.cuts import Cuts
from cdrelay.publisher.delivery.outbox import Outbox
from cdrelay.publisher.delivery.spreading import Spreader, Window
from cdrelay.publisher.delivery.webhooks import Webhooks
from cdrelay.publisher.errors import OutboxUnwritable, WindowOutOfReach


@dataclass(frozen=True, slots=True)
class Resent:
    """What is sent again."""

    windows: int
    deliveries: int


class Resending:
    """For one partner at a time. What it writes, the sender sends as it sends everything else."""

    def __init__(
        self, cuts: Cuts, spreader: Spreader, outbox: Outbox, webhooks: Webhooks, clock: Clock, rules: Rules
    ) -> None:
        self._cuts = cuts
        self._spreader = spreader
        self._outbox = outbox
        self._webhooks = webhooks
        self._clock = clock
        self._rules = rules

    def send_again(self, partner_id: str, ticks: Period) -> Resent:
        """Send the windows of the ticks in the period again, each whole; blocking. Doing so twice sends them twice.

        Raises WebhookUnknown, and WindowOutOfReach when no window of the period can be sent any more: after 48 hours a
        call is neither delivered nor answered for (seed). Of a period that is partly out of reach, the rest is sent.
        """
        webhook = self._webhooks.get(partner_id)
        earliest = self._clock.now() - self._rules.reach
        windows = deliveries = 0
        with self._outbox.alone():
            for cut, before in self._cuts.between(ticks):
                if cut.cut.cutoff < earliest:
                    continue
                last = self._outbox.last_round(partner_id, cut.tick)
                window = Window(cut.tick, before, cut.cut, 0 if last is None else last + 1)
                spread = self._spreader.spread(window, [webhook])
                for why in spread.failures.values():
                    raise OutboxUnwritable(why)
                windows += 1
                deliveries += spread.deliveries
        if not windows:
            raise WindowOutOfReach("there is no window in that time that can still be sent")
        return Resent(windows, deliveries)
