"""What the engine holds on to."""

from datetime import UTC, datetime, timedelta

from cdrelay.contract.windows import Period
from tests.support.lake_builder import LakeBuilder, record

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = Period(NOON, NOON + timedelta(hours=1))


def test_files_that_were_read_leave_nothing_in_the_engines_memory(lake: LakeBuilder) -> None:
    """Their footers stayed, 0.1 MB each, also of files that were gone: after some thousand loads they had all of it."""
    for number in range(20):
        lake.load(record(number, NOON))
        lake.lake.count_by_organization(HOUR)

    (held,) = lake.engine.execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()").fetchone() or (0,)

    assert held < 1_000_000
