"""What became of each payload, kept in the control database by the loader between commit and clean-up."""

from collections.abc import Sequence
from typing import Literal

from sqlalchemy.dialects.sqlite import insert

from cdrelay.control.database import Database
from cdrelay.control.tables import payloads
from cdrelay.lake.load import Receipt


class Receipts:
    """The receipts of one half."""

    def __init__(self, database: Database, half: Literal["publisher", "collector"]) -> None:
        self._database = database
        self._half = half

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
            connection.execute(insert(payloads).on_conflict_do_nothing(), rows)
