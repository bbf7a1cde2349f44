"""`/drift`: how records differ from the documents, and the columns that keys were given."""

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import Response

from cdrelay.collector.drift import Drift, DriftRow
from cdrelay.hub.ledger.addresses import DRIFT_PATH
from cdrelay.hub.ledger.parts import LedgerParts, page
from cdrelay.lake.drift import Difference


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one kind."""

    kind: Difference
    heading: str
    what: str
    rows: list[DriftRow]


_KINDS: dict[Difference, tuple[str, str]] = {
    "key": ("Unknown keys", "Kept beside the columns from the first record on, and given back as they came."),
    "value": ("New values", "Of fields whose values are documented. They are in their columns like any other."),
    "misfit": ("Values of another type", "They fit no column; kept beside them, and given back as they came."),
}


def drift_page(parts: LedgerParts) -> Response:
    """All differences, the latest found first."""
    rows = Drift(parts.database).rows()
    return page("drift.html", path=DRIFT_PATH, now=parts.clock.now(), sections=list(_sections(rows)))


def _sections(rows: list[DriftRow]) -> Iterator[Section]:
    for kind, (heading, what) in _KINDS.items():
        if of_kind := [row for row in rows if row.kind == kind]:
            yield Section(kind, heading, what, of_kind)
