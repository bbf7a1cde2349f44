"""How many records of an organization's hour are in quarantine: why a window can be short though all came."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from cdrelay.contract.windows import Period
from cdrelay.lake.payload import UNREADABLE
from cdrelay.lake.quarantine import Quarantine
from cdrelay.records.wire import decode_object, read_record

_LOOKED_AT = 10_000
"""So many records are looked at, the newest; where more lie in quarantine, numbers are not the trouble any more."""
_TIMES = ("report_time", "release_time")
"""Where the first is what is wrong with the record, the second tells its hour as well (FACTS 1.1)."""


class QuarantineByHour:
    """Counts the records in a quarantine. Blocking."""

    def __init__(self, quarantine: Quarantine) -> None:
        self._quarantine = quarantine

    def count(self, window: Period) -> Mapping[str, int]:
        """Records of each organization that has any in the window; one that was refused twice is one."""
        found: dict[str, set[object]] = {}
        for one in self._quarantine.list(_LOOKED_AT):
            identity = _identity(one.record)
            if identity is not None and identity[1] in window:
                organization, _moment, report_id = identity
                found.setdefault(organization, set()).add(report_id or one.record)
        return Counter({organization: len(ids) for organization, ids in found.items()})


def _identity(record: bytes) -> tuple[str, datetime, object] | None:
    try:
        values = read_record(decode_object(record)).values
    except UNREADABLE:
        return None
    organization = values.get("org_uuid")
    moment = next((values[name] for name in _TIMES if isinstance(values.get(name), datetime)), None)
    if not isinstance(organization, str) or not isinstance(moment, datetime):
        return None
    return organization, moment, values.get("report_id")
