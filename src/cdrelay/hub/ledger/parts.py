"""What the pages of the ledger are made from, and the frame that they share."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Response

from cdrelay.clock import Clock
from cdrelay.collector.certification import Certificates
from cdrelay.collector.heat_map import HeatMaps, OrgKey
from cdrelay.collector.ledger import Ledger
from cdrelay.collector.manifests import Manifests
from cdrelay.collector.silence import Explanation, Silence
from cdrelay.collector.trace import Tracing
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.hub.ledger.addresses import PATH, read_organization
from cdrelay.hub.navigation import COLLECTOR
from cdrelay.hub.pages import render_page
from cdrelay.lake.origins import Origins


@dataclass(frozen=True, slots=True)
class LedgerParts:
    """All of it belongs to the collector of this process."""

    database: Database
    heat_maps: HeatMaps
    ledger: Ledger
    origins: Origins
    manifests: Manifests
    certificates: Certificates
    silence: Silence
    tracing: Tracing
    clock: Clock
    rules: Rules

    def key(self, source: str, org_uuid: str, period: Period) -> OrgKey | None:
        """The organization of an address; None when neither the ledger nor the lake of that time has heard of it."""
        organization = read_organization(org_uuid)
        if organization is None or source not in self.heat_maps.sources():
            return None
        key = OrgKey(source, organization)
        stored = self.heat_maps.knows(key) or self.origins.records(organization, period, skip=0, most=1)
        return key if stored else None

    def explained(self, key: OrgKey, period: Period) -> Explanation | None:
        """Why nothing came; None where something did."""
        found = self.silence.explain(key.source, key.org_uuid, period)
        return None if found.kind == "records" else found


def no_organization(source: str, org_uuid: str) -> str:
    """What programs are told where `LedgerParts.key` finds none."""
    return (
        f"no such organization is known: source {source[:64]!r} has no organization {org_uuid!r}, neither in its ledger"
        " nor with records of this time in the lake"
    )


def page(template: str, *, status: int = 200, path: str = PATH, now: datetime, **context: Any) -> Response:
    """A page of the ledger; `path` is that of the navigation."""
    return render_page(f"ledger/{template}", None, status=status, path=path, navigation=COLLECTOR, now=now, **context)


def unknown(now: datetime, reason: str) -> Response:
    """The page for an address that leads to nothing."""
    return page("unknown.html", status=404, now=now, reason=reason)
