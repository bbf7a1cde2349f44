"""What became of each payload, kept in the control database by the loader between commit and clean-up."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert

from cdrelay.control.database import Database
from cdrelay.control.drift import count_drift
from cdrelay.control.tables import manifests, payloads, sources
from cdrelay.lake.load import Receipt
from cdrelay.lake.load_again import first_name


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
            _settle_manifests(connection, receipts)
        for receipt in receipts:
            if receipt.manifest_state in ("differs", "quarantined"):
                self._report("load", _difference(receipt))

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


def _settle_manifests(connection: Connection, receipts: Sequence[Receipt]) -> None:
    """What lacked only records that were in quarantine is whole once all of these are loaded again."""
    for receipt in receipts:
        name = first_name(receipt.envelope.id)
        if name is not None and not receipt.quarantined:
            of_payload = (manifests.c.source == receipt.envelope.source, manifests.c.payload == name)
            waiting = manifests.c.state == "quarantined"
            connection.execute(update(manifests).where(*of_payload, waiting).values(state="verified"))


def _manifest_row(receipt: Receipt) -> list[dict[str, Any]]:
    """Its row; none where the payload came without a manifest."""
    manifest = receipt.envelope.manifest
    if manifest is None:
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
