"""One page of `cdrcountbyorg` (seed). Pure."""

from typing import Annotated

import msgspec

from cdrelay.contract.organization_ids import organization_uuid
from cdrelay.errors import UNREADABLE


class _Count(msgspec.Struct):
    organization: str = msgspec.field(name="orgId")
    count: Annotated[int, msgspec.Meta(ge=0)]


class _Counts(msgspec.Struct):
    cdr_counts: list[_Count]


def read_counts(body: bytes) -> list[tuple[str, int]]:
    """Organizations and counts of one page, in its order, ids as bare UUIDs. Raises ValueError for nonsense."""
    try:
        page = msgspec.json.decode(body, type=_Counts, strict=False)
    except UNREADABLE as error:
        raise ValueError(f"the body is no page of counts: {error}") from error
    return [(organization_uuid(line.organization), line.count) for line in page.cdr_counts]
