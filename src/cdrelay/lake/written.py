"""Files on their way into the table, and their statistics as Delta's protocol has them."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cdrelay.contract.times import write_time

_STATISTICS = {"org_uuid": str, "report_id": str, "report_time": "time", "release_time": "time", "load_seq": int}


@dataclass(frozen=True, slots=True)
class Written:
    """A Parquet file that is on disk and in no commit yet."""

    path: str
    size: int
    rows: int
    statistics: Mapping[str, Mapping[str, str]]
    since: int | None = None
    """When its records came into the table, in milliseconds since 1970; None: now."""


def delta_statistics(file: Written) -> str:
    """The statistics as Delta's protocol wants them: JSON, times in ISO 8601 with milliseconds.

    Times are cut to milliseconds downwards for the least and upwards for the greatest, so that they still enclose.
    """
    least, greatest, gaps = {}, {}, {}
    for name, kind in _STATISTICS.items():
        values = file.statistics[name]
        gaps[name] = int(values["null_count"])
        if "min" in values:
            least[name] = _statistic(kind, values["min"], up=False)
            with suppress(OverflowError):  # the last millisecond of the calendar: no bound is a bound too
                greatest[name] = _statistic(kind, values["max"], up=True)
    return json.dumps({"numRecords": file.rows, "minValues": least, "maxValues": greatest, "nullCount": gaps})


def _statistic(kind: Any, text: str, *, up: bool) -> Any:
    if kind != "time":
        return kind(text)
    moment = datetime.fromisoformat(text)
    beyond = moment.microsecond % 1000
    moment += timedelta(microseconds=(1000 - beyond if beyond and up else -beyond))
    return write_time(moment)
