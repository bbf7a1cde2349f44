"""Where each page of the ledger is, and reading what stands in an address. Pure."""

import re
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from cdrelay.contract.organization_ids import organization_uuid

PATH = "/ledger"
TRACE_PATH = "/trace"
DRIFT_PATH = "/drift"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{3})?)?Z", re.ASCII)
_ORGANIZATION = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def write_moment(moment: datetime) -> str:
    """As short as it can be: `2026-11-24T11:00Z`; seconds and milliseconds where there are any."""
    unit = "milliseconds" if moment.microsecond else "seconds" if moment.second else "minutes"
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=unit) + "Z"


def read_moment(text: str) -> datetime | None:
    """The moment of an address; None for anything else."""
    if not _MOMENT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def read_organization(text: str) -> str | None:
    """The UUID in an address, as records carry it; None for anything else."""
    return text if _ORGANIZATION.fullmatch(text) else None


def read_beginning(text: str) -> str:
    """How a UUID begins that somebody typed: plain, encoded or a part. What is none is given back as it is."""
    try:
        return organization_uuid(text)
    except ValueError:
        return text.strip().lower()


def organization_address(source: str, org_uuid: str, **query: str) -> str:
    """One organization over the days."""
    return _with(f"{PATH}/{quote(source)}/{org_uuid}", query)


def hour_address(source: str, org_uuid: str, start: datetime, **query: str) -> str:
    """One hour of it."""
    return _with(f"{PATH}/{quote(source)}/{org_uuid}/{write_moment(start)}", query)


def trace_address(report_id: str, at: datetime) -> str:
    """One record's way; `at` is its Report time, or near it, so that not all of the lake has to be looked through."""
    return _with(f"{TRACE_PATH}/{quote(report_id)}", {"at": write_moment(at)})


def map_address(**query: str) -> str:
    """The heat map."""
    return _with(PATH, query)


def certificate_address(source: str, org_uuid: str, start: datetime, end: datetime, form: str) -> str:
    """A certificate to be downloaded."""
    query = {"source": source, "orgId": org_uuid, "from": write_moment(start), "to": write_moment(end), "format": form}
    return _with("/api/ledger/certificate", query)


def _with(path: str, query: dict[str, str]) -> str:
    given = {name: value for name, value in query.items() if value}
    # A colon may stand in a query as it is, and is easier to read.
    return f"{path}?{urlencode(given, safe=':')}" if given else path
