"""What the tests of the whole loop hand in, and what they find stored."""

import csv
import io
import json
from collections.abc import Iterator

from tests.support.process import Cdrelay


def batches(lines: list[bytes], size: int) -> Iterator[bytes]:
    """Bodies of so many lines."""
    for first in range(0, len(lines), size):
        yield b"\n".join(lines[first : first + size])


def newest_version_of_each(lines: list[bytes]) -> dict[str, str]:
    """The Report time of each Report ID that is to be stored."""
    newest: dict[str, str] = {}
    for line in lines:
        record = json.loads(line)
        newest[record["Report ID"]] = max(record["Report time"], newest.get(record["Report ID"], ""))
    return newest


def stored_versions(cdrelay: Cdrelay) -> list[tuple[str, str]]:
    """Report ID and Report time of every row of the collector's lake."""
    sql = "SELECT report_id, strftime(report_time, '%Y-%m-%dT%H:%M:%S.%gZ') AS report_time FROM records"
    rows = csv.DictReader(io.StringIO(cdrelay.run("query", sql, "--csv")))
    return [(row["report_id"], row["report_time"]) for row in rows]
