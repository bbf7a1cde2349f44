"""What became of each payload, kept in the control database by the loader between commit and clean-up."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, false, func, not_, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from cdrelay.control.database import Database
from cdrelay.control.drift import count_drift
from cdrelay.control.forgetting import count_of, forget
from cdrelay.control.tables import cuts, manifests, payloads, sources
from cdrelay.lake.load_again import first_name
from cdrelay.lake.receipts import Receipt

SUMMED = ("records", "repeated", "corrected", "quarantined")
"""What is added up over all receipts, also those that are gone: `HALF.NAME` among the forgotten sums."""


class Receipts:
    """The receipts of one half and, in the same transaction, what the manifests turned out to be, and the drift."""

    def __init__(
        self,
        database: Database,
        half: Literal["publisher", "collector"],
        report: Callable[[str, str], None] = lambda part, what: None,
    ) -> None:
        """`report` is told, as an incident, of a payload whose records are not those of its manifest."""
        self._database = database
        self._half = half
        self._report = report

    def keep(self, receipts: Sequence[Receipt]) -> None:
        """Keep them; a receipt for a payload that has one already is a repeated load after a crash and changes nothing.

        Raises DatabaseUnavailable; the loader then keeps the spool files and loads them again.
        """
        if not receipts:
            return
        rows = [
            {
                "id": receipt.envelope.id,
                "half": self._half,
                "source": receipt.envelope.source,
                "channel": receipt.envelope.channel,
                "received_at": receipt.envelope.received,
                "bytes": receipt.size,
                "records": receipt.records,
                "added": receipt.added,
                "corrected": receipt.corrected,
                "repeated": receipt.repeated,
                "quarantined": receipt.quarantined,
                "load_seq": receipt.load_seq,
                "loaded_at": receipt.loaded,
            }
            for receipt in receipts
        ]
        with self._database.write() as connection:
            if self._half == "collector":
                count_drift(connection, _without_receipt(connection, [one for one in receipts if one.drift]))
            connection.execute(insert(payloads).on_conflict_do_nothing(), rows)
            _keep_manifests(connection, receipts)
            for receipt in receipts:
                _judge_again(connection, receipt)
        for receipt in receipts:
            if receipt.manifest_state in ("differs", "quarantined"):
                self._report("load", _difference(receipt))

    def last_load(self) -> int:
        """The number of the last load that brought something, or that a window was cut by; 0: there was none."""
        brought = select(func.max(payloads.c.load_seq)).where(
            payloads.c.half == self._half, payloads.c.added + payloads.c.corrected > 0
        )
        with self._database.read() as connection:
            last = connection.scalar(brought) or 0
            if self._half == "publisher":
                last = max(last, connection.scalar(select(func.max(cuts.c.load_seq))) or 0)
        return last

    def forget_before(self, moment: datetime) -> int:
        """Remove the receipts of what came and was loaded before; how many.

        The last of each source and channel stay: by them is known since when it is silent. So do those of the last load
        that brought something: by them is known that a lake is gone.
        """
        newest = select(payloads.c.source, payloads.c.channel, func.max(payloads.c.received_at))
        with self._database.read() as connection:
            rows = connection.execute(
                newest.where(payloads.c.half == self._half).group_by(payloads.c.source, payloads.c.channel)
            ).all()
        last = [
            (payloads.c.source == source) & (payloads.c.channel == channel) & (payloads.c.received_at == at)
            for source, channel, at in rows
        ]
        old = (
            (payloads.c.half == self._half)
            & (payloads.c.received_at < moment)
            & (payloads.c.loaded_at < moment)
            & (payloads.c.load_seq < self.last_load())
            & not_(or_(false(), *last))
        )
        summed = {f"{self._half}.{name}": func.sum(payloads.c[name]) for name in SUMMED}
        return forget(self._database, payloads, old, {f"{self._half}.payloads": count_of(payloads), **summed})

    def of_later_loads(self, load_seq: int) -> list[str]:
        """The ids of payloads that brought something in loads after the one with this number.

        One that only repeated what was there has the number of a load that may not have been committed.
        """
        later = (payloads.c.half == self._half, payloads.c.load_seq > load_seq)
        brought = payloads.c.added + payloads.c.corrected > 0
        with self._database.read() as connection:
            return list(connection.scalars(select(payloads.c.id).where(*later, brought)))


def _without_receipt(connection: Connection, receipts: Sequence[Receipt]) -> list[Receipt]:
    has_one = select(payloads.c.id)
    return [
        receipt
        for receipt in receipts
        if connection.execute(has_one.where(payloads.c.id == receipt.envelope.id)).first() is None
    ]


def _keep_manifests(connection: Connection, receipts: Sequence[Receipt]) -> None:
    rows = [row for receipt in receipts for row in _manifest_row(receipt)]
    if rows:
        # A source may have been removed since the payload came: nobody asks for its windows any more.
        there = set(connection.scalars(select(sources.c.name)))
        if rows := [row for row in rows if row["source"] in there]:
            connection.execute(insert(manifests).on_conflict_do_nothing(), rows)


def _judge_again(connection: Connection, receipt: Receipt) -> None:
    """Of a payload whose records are loaded again: the manifest is that of the first, and so is its row.

    A whole body that could not be read is compared with it anew. What lacked only records that were in quarantine is
    whole once all of these are loaded.
    """
    name = first_name(receipt.envelope.id)
    if name is None:
        return
    row = update(manifests).where(manifests.c.source == receipt.envelope.source, manifests.c.payload == name)
    if receipt.manifest_state is not None:
        connection.execute(row.where(manifests.c.state == "differs").values(state=receipt.manifest_state))
    elif not receipt.quarantined:
        connection.execute(row.where(manifests.c.state == "quarantined").values(state="verified"))


def _manifest_row(receipt: Receipt) -> list[dict[str, Any]]:
    """Its row; none where the payload came without a manifest, or has that of the payload which it loads again."""
    manifest = receipt.envelope.manifest
    if manifest is None or first_name(receipt.envelope.id) is not None:
        return []
    row = {
        "source": receipt.envelope.source,
        "window_start": manifest.window.start,
        "window_end": manifest.window.end,
        "part": manifest.part,
        "parts": manifest.parts,
        "payload": receipt.envelope.id,
        "records": manifest.count,
        "digest": manifest.digest,
        "state": receipt.manifest_state,
        "received_at": receipt.envelope.received,
    }
    return [row]


def _difference(receipt: Receipt) -> str:
    manifest, envelope = receipt.envelope.manifest, receipt.envelope
    assert manifest is not None  # noqa: S101  # it has a state
    why = f"{receipt.quarantined} of its records are in quarantine" if receipt.quarantined else "its records are others"
    return (
        f"payload {envelope.id} of source {envelope.source} is not what its manifest says, part {manifest.part} of"
        f" {manifest.parts} of the window from {manifest.window.start:%Y-%m-%dT%H:%M:%SZ}: {why}"
    )
