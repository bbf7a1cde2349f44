"""How many records of an organization's hour are in quarantine: why a window can be short though all came."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from cdrelay.collector.schedule import second_looks
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.errors import UNREADABLE
from cdrelay.lake.quarantine import PutAside, Quarantine
from cdrelay.records.wire import decode_object, read_record

_LOOKED_AT = 10_000
"""So many records are looked at, the newest; where more lie in quarantine, numbers are not the trouble any more."""
_TIMES = ("report_time", "release_time")
"""Where the first is what is wrong with the record, the second tells its hour as well (FACTS 1.1)."""


@dataclass(frozen=True, slots=True)
class Lacked:
    """What an organization lacked of a window when that was last compared."""

    records: int
    at: datetime
    """When the provider was asked."""


class QuarantineByHour:
    """Counts the records in a quarantine that are in no other version in the lake. Blocking."""

    def __init__(self, quarantine: Quarantine, stored: Callable[[str, Period], set[str]], rules: Rules) -> None:
        """`stored` tells the Report IDs of an organization's records in the lake, by Report time."""
        self._quarantine = quarantine
        self._stored = stored
        self._rules = rules

    def count(self, window: Period) -> Mapping[str, int]:
        """Records of each organization that has any in the window; one that was refused twice is one."""
        return {organization: len(keys) for organization, keys in self._by_organization(window).items()}

    def vain(
        self, missing: Mapping[str, int], window: Period, now: datetime, before: Mapping[str, Lacked]
    ) -> frozenset[str]:
        """Of organizations that lack so many records of a window, those for which fetching again brings the same.

        The records endpoint gave at least so many that could not be stored, and still are not. `before` is what they
        lacked when the window was last compared: if that was less, the provider has withdrawn some that lie in
        quarantine, and they explain nothing that is missing since. At its second looks a window is fetched all the
        same: the provider may have mended its records, and the number may hide another loss.
        """
        looks = [look for look in second_looks(window, self._rules) if look <= now]
        return frozenset(
            organization
            for organization, keys in self._by_organization(window, given=True).items()
            if 0 < missing.get(organization, 0) <= _counted(keys, before.get(organization))
            and not any(max(keys.values()) < look for look in looks)
        )

    def _by_organization(self, window: Period, *, given: bool = False) -> dict[str, dict[object, datetime]]:
        """By what a record is known again: when it came last."""
        found: dict[str, dict[object, datetime]] = defaultdict(dict)
        for one, organization, key in self._of_window(window):
            if one.asked_for is not None or not given:
                # The time of receipt is missing where nobody needs it: of what was put aside before it was noted.
                came = one.received or window.start
                found[organization][key] = max(came, found[organization].get(key, came))
        return {
            organization: keys
            for organization, all_ in found.items()
            if (keys := self._missing(organization, all_, window))
        }

    def _missing(self, organization: str, keys: dict[object, datetime], window: Period) -> dict[object, datetime]:
        """Without those of which a version is stored; it may be of another hour."""
        around = Period(window.start - self._rules.reach, window.end + self._rules.reach)
        stored = self._stored(organization, around) if any(isinstance(key, str) for key in keys) else set()
        return {key: came for key, came in keys.items() if key not in stored}

    def _of_window(self, window: Period) -> Iterator[tuple[PutAside, str, object]]:
        for one in self._quarantine.list(_LOOKED_AT):
            if one.whole_body:
                continue  # nobody knows how many records, and whose
            values, content = _read(one.record)
            organization, moment = values.get("org_uuid"), _moment(values)
            if one.asked_for is not None:
                organization, moment = one.asked_for.org_uuid, one.asked_for.period.start
            if isinstance(organization, str) and moment in window:
                report_id = values.get("report_id")
                yield one, organization, report_id.lower() if isinstance(report_id, str) else content


def _counted(keys: Mapping[object, datetime], before: Lacked | None) -> int:
    """How many of the records in quarantine the provider counts, at most."""
    if before is None:
        return len(keys)
    return min(len(keys), before.records + sum(came > before.at for came in keys.values()))


def _read(record: bytes) -> tuple[Mapping[str, Any], bytes]:
    """What can be read of it, and its content: the same, however it was spaced."""
    try:
        decoded = decode_object(record)
        return read_record(decoded).values, msgspec.json.encode(decoded, order="sorted")
    except UNREADABLE:
        return {}, record


def _moment(values: Mapping[str, Any]) -> datetime | None:
    return next((values[name] for name in _TIMES if isinstance(values.get(name), datetime)), None)
