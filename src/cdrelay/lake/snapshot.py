"""States of the table: which files it has, and what is known of each without opening it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of the table, with the statistics by which it is chosen."""

    path: str
    """Relative to the table."""
    size: int
    rows: int
    written: int
    """When its records came into the table, in milliseconds since 1970; rewriting them leaves it as it is."""
    first_report_time: datetime
    last_report_time: datetime
    first_load: int
    last_load: int

    @property
    def day(self) -> str:
        """The day of its records, which is the name of its folder."""
        return self.path.partition("/")[0]

    def meets(self, start: datetime, end: datetime) -> bool:
        """Whether it may hold records with a Report time in [start, end]."""
        return self.first_report_time <= end and self.last_report_time >= start


@dataclass(frozen=True)
class Snapshot:
    """One state of the table. Its files stay readable for some time after a later state dropped them (`READERS`)."""

    version: int
    last_load: int
    files: tuple[DataFile, ...]

    def meeting(self, start: datetime, end: datetime) -> list[DataFile]:
        """The files that may hold records with a Report time in [start, end]; thousands of others cost nothing."""
        first, last = start.astimezone(UTC).date().isoformat(), end.astimezone(UTC).date().isoformat()
        days = [files for day, files in self._by_day.items() if first <= day <= last]
        return [file for files in days for file in files if file.meets(start, end)]

    @cached_property
    def _by_day(self) -> dict[str, list[DataFile]]:
        found: dict[str, list[DataFile]] = {}
        for file in self.files:
            found.setdefault(file.day, []).append(file)
        return found
