"""What the loader saw of drift, into the control database with the receipts of the payloads."""

from collections.abc import Sequence

import structlog
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.sqlite import insert

from cdrelay.control.tables import drift
from cdrelay.lake.drift import Sighting
from cdrelay.lake.receipts import Receipt

MOST = 500
"""Different ones of a source that are kept. A provider that puts ids into keys must not fill the database."""

_log = structlog.get_logger(__name__)


def count_drift(connection: Connection, receipts: Sequence[Receipt]) -> None:
    """Add what these payloads had; to be called for each payload once. What is new is logged, once.

    Beyond `MOST` of a source, new ones are not kept; those that are kept go on being counted.
    """
    for receipt in receipts:
        source = receipt.envelope.source
        known = _known(connection, source)
        for sighting, number in receipt.drift.items():
            new = tuple(sighting) not in known
            if new and len(known) >= MOST:
                continue
            known.add(tuple(sighting))
            _add(connection, receipt, sighting, number)
            if new:
                _log.warning("drift.new", source=source, kind=sighting.kind, field=sighting.field)


def _known(connection: Connection, source: str) -> set[tuple[str, ...]]:
    question = select(drift.c.kind, drift.c.field, drift.c.value).where(drift.c.source == source)
    return {tuple(row) for row in connection.execute(question)}


def _add(connection: Connection, receipt: Receipt, sighting: Sighting, number: int) -> None:
    received = receipt.envelope.received
    row = insert(drift).values(
        kind=sighting.kind,
        field=sighting.field,
        value=sighting.value,
        source=receipt.envelope.source,
        records=number,
        payload=receipt.envelope.id,
        first_seen=received,
        last_seen=received,
    )
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["kind", "field", "value", "source"],
            set_={
                "records": drift.c.records + row.excluded.records,
                "last_seen": func.max(drift.c.last_seen, row.excluded.last_seen),
            },
        )
    )
