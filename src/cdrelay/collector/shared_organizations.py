"""Organizations whose records more than one source brings.

The lake keeps a record once, whoever brought it. Of an organization that two partners share, such as one with the
Billing feed of a few users and one with everything, more is stored than one provider counts; then equal counts, or a
surplus, prove nothing: what came for the other hides what this source lost. Its Report IDs must tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cdrelay.collector.comparison import Finding
from cdrelay.collector.stores import Stores
from cdrelay.contract.windows import Period

_MOST_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Shared:
    """Those of which counts prove nothing in a span, though by them nothing is missing."""

    doubtful: frozenset[str] = frozenset()
    """Their records have to be fetched and their ids compared."""
    proved: frozenset[str] = frozenset()
    """That was done before, and the provider counts as many as then."""


def shared_organizations(stores: Stores, source: str, found: Sequence[Finding], span: Period, window: Period) -> Shared:
    """Which organizations need more than counts: fewer records than expected came by this source itself.

    Where all windows of the source came whole by their manifests, nothing is in doubt.
    """
    counted = {one.org_uuid: one for one in found if one.expected and not one.missing}
    if not counted or stores.manifests.proves(source, span):
        return Shared()
    own = stores.lake.count_by_organization(span, source)
    shared = {org for org, one in counted.items() if own.get(org, 0) < one.expected}
    if not shared:
        return Shared()
    rows = stores.ledger.rows(window, source=source, most=_MOST_ROWS) if span.start == window.start else []
    proved = {
        row.org_uuid
        for row in rows
        if row.org_uuid in shared
        and row.proof == "ids"
        and row.expected == counted[row.org_uuid].expected
        and row.stored <= counted[row.org_uuid].stored
    }
    return Shared(frozenset(shared - proved), frozenset(proved))
