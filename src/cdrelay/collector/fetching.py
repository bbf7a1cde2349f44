"""Bringing organizations' records of an hour from the records endpoint into the spool, and what they were."""

import asyncio
from collections import defaultdict
from collections.abc import Callable

from cdrelay.clock import Clock
from cdrelay.collector.partner_client import PartnerClient
from cdrelay.collector.record_ids import ids_of
from cdrelay.contract.answers import ProviderRejected, ProviderUnavailable
from cdrelay.contract.windows import Period
from cdrelay.lake.spool import AskedFor, Envelope, Spool


class Fetching:
    """What is fetched for one hour. What fails for one organization is noted and does not stop the others."""

    def __init__(
        self, source: str, client: PartnerClient, spool: Spool, clock: Clock, new_id: Callable[[], str]
    ) -> None:
        self._source = source
        self._client = client
        self._spool = spool
        self._clock = clock
        self._new_id = new_id
        self._done: dict[str, list[Period]] = defaultdict(list)
        self.asked: set[str] = set()
        """Organizations whose records were asked for."""
        self.ids: dict[str, set[str]] = defaultdict(set)
        """The Report IDs that came, by organization."""
        self.problems: dict[str, str] = {}
        """What kept an organization's records from being fetched."""

    async def fetch(self, organization: str, period: Period) -> None:
        """Bring one organization's records of a period into the spool; those already stored do no harm.

        What was fetched before is not asked for again. Raises ProviderRefused, NoRoom.
        """
        if any(one.start <= period.start and period.end <= one.end for one in self._done[organization]):
            return
        self.asked.add(organization)
        try:
            async for body in self._client.records(organization, period):
                envelope = Envelope(
                    id=self._new_id(),
                    source=self._source,
                    channel="repair",
                    received=self._clock.now(),
                    asked_for=AskedFor(organization, period),
                )
                await asyncio.to_thread(self._spool.put, envelope, body)
                self.ids[organization] |= await asyncio.to_thread(ids_of, body)
        except (ProviderRejected, ProviderUnavailable) as error:
            self.problems[organization] = str(error)
        else:
            self._done[organization].append(period)
