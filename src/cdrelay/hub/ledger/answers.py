"""What `/api/ledger` answers, as OpenAPI says it."""

from typing import Literal

from pydantic import BaseModel, Field

from cdrelay.collector.certificate import HourFinding, Verdict
from cdrelay.collector.comparison import Proof, State
from cdrelay.collector.heat_map import HeatCell, HeatMap, HeatRow, Sums
from cdrelay.collector.heat_marks import Mark
from cdrelay.collector.under_repair import UnderRepair
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period


class LedgerSums(BaseModel):
    """Hours of organizations by how they are marked, and records."""

    lost: int
    short: int
    unchecked: int = Field(description="Not compared with the provider’s count")
    surplus: int
    open: int
    repaired: int
    matched: int
    quiet: int = Field(description="Matched, and there was no call")
    expected: int
    stored: int
    missing: int = Field(description="Records, at least")


class LedgerCell(BaseModel):
    """One organization and hour."""

    start: str = Field(alias="from")
    state: Mark
    expected: int | None = Field(description="None: never compared")
    stored: int | None


class LedgerOrganization(BaseModel):
    """One organization, hour by hour."""

    source: str
    org_id: str = Field(alias="orgId")
    sums: LedgerSums
    hours: list[LedgerCell]


class NextEdge(BaseModel):
    """The short hours that leave the provider's reach first."""

    hour_from: str = Field(alias="hourFrom")
    leaves_at: str = Field(alias="leavesAt")
    organizations: int
    missing: int


class LedgerRepair(BaseModel):
    """What is short now, whatever was asked for."""

    hours: int
    organizations: int
    missing: int
    next_edge: NextEdge | None = Field(alias="nextEdge")


class LedgerAnswer(BaseModel):
    """One page of organizations, the worst first."""

    now: str
    start: str = Field(alias="from")
    end: str = Field(alias="to")
    hour_seconds: float = Field(alias="hourSeconds", description="How long an hour is; less in compressed time")
    sums: LedgerSums
    repair: LedgerRepair
    page: int
    pages: int
    total_organizations: int = Field(alias="totalOrganizations")
    organizations: list[LedgerOrganization]


class CertifiedHourAnswer(BaseModel):
    """One hour of a certificate."""

    start: str = Field(alias="from")
    end: str = Field(alias="to")
    finding: HourFinding
    state: State | None
    expected: int | None
    stored: int | None
    in_lake: int = Field(alias="inLake")
    missing: int
    proof: Proof
    ways: list[str]
    reason: str | None
    checked_at: str | None = Field(alias="checkedAt")
    complete_since: str | None = Field(alias="completeSince")


class SilenceAnswer(BaseModel):
    """Why little or nothing came."""

    kind: str
    text: str


class StockAnswer(BaseModel):
    """The records in the lake."""

    in_lake: int = Field(alias="inLake")
    digest: str
    digest_of: str = Field(alias="digestOf")


class CertificateAnswer(BaseModel):
    """A certificate of completeness."""

    kind: Literal["cdrelay certificate of completeness"]
    source: str
    org_id: str = Field(alias="orgId")
    start: str = Field(alias="from")
    end: str = Field(alias="to")
    verdict: Verdict
    statement: str
    expected: int
    stored: int
    missing: int
    surplus: int
    not_kept: int = Field(alias="notKept")
    hours: dict[str, int]
    proofs: dict[str, int]
    records: StockAnswer
    silence: SilenceAnswer | None
    made_at: str = Field(alias="madeAt")
    made_by: str = Field(alias="madeBy")
    version: str
    by_hour: list[CertifiedHourAnswer] = Field(alias="byHour")


class Refusal(BaseModel):
    """Why there is no answer."""

    message: str


def sums_json(sums: Sums) -> dict[str, int]:
    """As `LedgerSums`."""
    return {name: getattr(sums, name) for name in LedgerSums.model_fields}


def repair_json(repair: UnderRepair) -> dict[str, object]:
    """As `LedgerRepair`."""
    edge = repair.edge
    return {
        "hours": repair.hours,
        "organizations": repair.organizations,
        "missing": repair.missing,
        "nextEdge": None
        if edge is None
        else {
            "hourFrom": write_time(edge.window_start),
            "leavesAt": write_time(edge.leaves_at),
            "organizations": edge.organizations,
            "missing": edge.missing,
        },
    }


def map_json(drawn: HeatMap, period: Period) -> dict[str, object]:
    """The part of `LedgerAnswer` that is the map."""
    return {
        "from": write_time(period.start),
        "to": write_time(period.end),
        "sums": sums_json(drawn.sums),
        "page": drawn.page,
        "pages": drawn.pages,
        "totalOrganizations": drawn.organizations,
        "organizations": [_row_json(row) for row in drawn.rows],
    }


def _row_json(row: HeatRow) -> dict[str, object]:
    return {
        "source": row.key.source,
        "orgId": row.key.org_uuid,
        "sums": sums_json(row.sums),
        "hours": [_cell_json(cell) for cell in row.cells],
    }


def _cell_json(cell: HeatCell) -> dict[str, object]:
    return {
        "from": write_time(cell.period.start),
        "state": cell.mark,
        "expected": cell.expected if cell.compared else None,
        "stored": cell.stored if cell.compared else None,
    }
