"""Making a certificate of completeness out of the ledger and the lake."""

from collections.abc import Callable
from datetime import datetime

from cdrelay import __version__
from cdrelay.clock import Clock
from cdrelay.collector.agenda import Agenda
from cdrelay.collector.certificate import Certificate, CertifiedHour
from cdrelay.collector.errors import CertificateRefused
from cdrelay.collector.heat_marks import due_edge
from cdrelay.collector.ledger import Ledger
from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.collector.retention import KeptSince
from cdrelay.collector.silence import Explanation, Silence
from cdrelay.contract.query import in_words
from cdrelay.contract.rules import Rules
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import EPOCH, Period, floor_to
from cdrelay.lake.origins import Origins

MOST_HOURS = 24 * 366
"""The longest period of a certificate, in hours of the contract."""


class Certificates:
    """Makes them. Blocking; raises DatabaseUnavailable."""

    def __init__(
        self,
        ledger: Ledger,
        agenda: Agenda,
        stock: Origins,
        silence: Silence,
        clock: Clock,
        rules: Rules,
        *,
        kept_since: Callable[[datetime], KeptSince],
        made_by: str,
    ) -> None:
        """`kept_since` says from when on records stay at a moment; `made_by` is the installation's name."""
        self._ledger = ledger
        self._agenda = agenda
        self._stock = stock
        self._clock = clock
        self._rules = rules
        self._kept_since = kept_since
        self._made_by = made_by
        self._silence = silence

    def certificate(self, source: str, org_uuid: str, period: Period) -> Certificate:
        """Of one organization, as one source knows it. Raises CertificateRefused: the message names the rule.

        Making it again gives the same but for the time, unless ledger or lake say something else by then.
        """
        now = self._clock.now()
        hours = self._whole_hours(period, now)
        # In this order, so that what is compared or stored in between can only make it say less.
        compared = self._agenda.compared_whole(source, period, self._rules)
        rows = self._ledger.rows(period, org_uuid, source=source, most=MOST_HOURS + 1)
        known = {row.window: row for row in rows}
        stock = self._stock.inventory(org_uuid, period, self._rules.count_span)
        edge, forgotten = due_edge(now, self._rules), self._ledger.forgotten_until(source) or EPOCH
        kept_since = self._kept_since(now).of(org_uuid) or EPOCH
        certified = []
        for hour in hours:
            in_lake = stock.by_span.get(hour.start, 0)
            row = known.get(hour)
            if row is None and not in_lake and (at := compared.get(hour.start)) is not None:
                row = LedgerRow(source, org_uuid, hour, 0, 0, "matched", 0, checked_at=at)
            certified.append(
                CertifiedHour(
                    hour,
                    row,
                    in_lake,
                    due=hour.end <= edge,
                    row_kept=hour.end > forgotten,
                    records_kept=hour.end > kept_since,
                )
            )
        return Certificate(
            source=source,
            org_uuid=org_uuid,
            period=period,
            hours=certified,
            digest=stock.digest,
            silence=self._explained(source, org_uuid, period),
            made_at=now,
            made_by=self._made_by,
            version=__version__,
            hour_in_words=in_words(self._rules.count_span),
        )

    def _explained(self, source: str, org_uuid: str, period: Period) -> Explanation | None:
        found = self._silence.explain(source, org_uuid, period)
        return None if found.kind == "records" else found

    def _whole_hours(self, period: Period, now: datetime) -> list[Period]:
        span = self._rules.count_span
        for name, moment in (("from", period.start), ("to", period.end)):
            if floor_to(moment, span) != moment:
                whole = write_time(floor_to(moment, span))
                raise CertificateRefused(
                    f"{name}: must be a whole hour of the ledger ({in_words(span)}), such as {whole}"
                )
        if period.end > now:
            raise CertificateRefused(f"to: the period must be over; it is {write_time(now)} here")
        number = period.length // span
        if number > MOST_HOURS:
            raise CertificateRefused(f"to: at most {MOST_HOURS:,} hours after from; these are {number:,}")
        return [Period(period.start + at * span, period.start + (at + 1) * span) for at in range(number)]
