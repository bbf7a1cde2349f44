"""Records for the deliveries of a check, from synthetic traffic, and what can be odd about them. Pure."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from cdrelay.contract.times import read_time, write_time
from cdrelay.traffic import Plan, Traffic

Record = dict[str, Any]
_SPAN = timedelta(minutes=5)
_ORGANIZATIONS = 3


class Calls:
    """Records that no other call of it gives, as they are on the wire."""

    def __init__(self, seed: int = 1) -> None:
        self._traffic = Traffic(Plan(seed=seed, organizations=_ORGANIZATIONS, shaped=False))
        self._asked = 0

    def ended_before(self, end: datetime, count: int = 20) -> list[Record]:
        """`count` records of whole calls, of several organizations, that ended in the 5 minutes before `end`."""
        return [json.loads(line) for line in self.lines_before(end, count)]

    def lines_before(self, end: datetime, count: int) -> list[bytes]:
        """The same as JSON text: for bodies that are large."""
        # Another period gives other calls. Each is longer than the last, so no two are the same wherever they end.
        self._asked += 1
        return list(self._traffic.records(count, end - _SPAN - timedelta(milliseconds=self._asked), end))


def body_of(records: Sequence[Record]) -> bytes:
    """The body of a delivery (FACTS 1.3), as compact as it is usually sent."""
    return json.dumps({"items": records}, separators=(",", ":")).encode()


def oddly_spaced(records: Sequence[Record]) -> bytes:
    """A body that no usual serialiser writes: odd blanks, keys not in order, some characters as escapes."""
    turned = [dict(reversed(record.items())) for record in records]
    text = json.dumps({"items": turned}, indent=3, separators=(" ,", "  :\t"))
    return text.replace('"items"', '"\\u0069tems"', 1).encode()


def named(records: Sequence[Record], name: str) -> list[Record]:
    """The records with that user name."""
    return [{**record, "User": name} for record in records]


def plain_utf8(records: Sequence[Record]) -> bytes:
    """A body whose letters beyond ASCII are not escaped."""
    return json.dumps({"items": records}, separators=(",", ":"), ensure_ascii=False).encode()


def newer(records: Sequence[Record]) -> list[Record]:
    """A second version of each record: the same Report ID, a Report time one minute later, a longer Duration."""
    return [
        {
            **record,
            "Report time": write_time(read_time(record["Report time"]) + timedelta(minutes=1)),
            "Duration": int(record["Duration"]) + 7,
        }
        for record in records
    ]


def with_unknown_keys(records: Sequence[Record]) -> list[Record]:
    """Keys that no one has documented, of each JSON type, at the end and at the beginning."""
    more: Mapping[str, Any] = {"Call quality score": "4.2", "Nested detail": {"codec": "opus", "hops": [1, 2]}}
    return [{"Carbon footprint": 0.25, **record, **more, "Flagged": True, "Nothing": None} for record in records]


def with_odd_types(records: Sequence[Record]) -> list[Record]:
    """Numbers as text, text as numbers or booleans, null for a gap, a value no enumeration lists (FACTS 4)."""
    odd: Mapping[str, Any] = {
        "Ring duration": 12,
        "Answered": True,
        "Hold duration": "0",
        "Site timezone": 60,
        "Department ID": None,
        "Call type": "SIP_SOMETHING_NEW",
    }
    return [{**record, **odd, "Duration": str(record["Duration"])} for record in records]
