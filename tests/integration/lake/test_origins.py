"""Which records of an organization there are and where they came from, against what was put in."""

from datetime import UTC, datetime, timedelta

from cdrelay.contract.manifest import digest_of
from cdrelay.contract.windows import Period
from tests.support.lake_builder import ORG, OTHER_ORG, LakeBuilder, record, report_id

START = datetime(2026, 11, 23, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
BOTH = Period(START, START + 2 * HOUR)


def fill(lake: LakeBuilder) -> list[str]:
    """Three records in the first hour and two in the second, by two payloads; and one of somebody else."""
    first = lake.put(*(record(n, START + n * MINUTE) for n in range(3)), record("x", START, OTHER_ORG))
    lake.loader.drain()
    second = lake.put(*(record(n, START + HOUR + n * MINUTE) for n in (3, 4)), channel="repair")
    lake.loader.drain()
    return [first, second]


def test_records_are_listed_by_time_a_page_at_a_time(lake: LakeBuilder) -> None:
    first, second = fill(lake)

    pages = [lake.lake.origins.records(ORG, BOTH, skip=skip, most=2) for skip in (0, 2, 4, 6)]

    assert [[one.report_id for one in page] for page in pages] == [
        [report_id(0), report_id(1)],
        [report_id(2), report_id(3)],
        [report_id(4)],
        [],
    ]
    last = pages[2][0]
    assert (last.payload, last.channel, last.load_seq) == (second, "repair", 2)
    assert (pages[0][0].payload, pages[0][0].report_time) == (first, START)


def test_payloads_are_told_with_what_each_brought(lake: LakeBuilder) -> None:
    first, second = fill(lake)

    assert [(one.payload, one.channel, one.records) for one in lake.lake.origins.payloads(ORG, BOTH)] == [
        (first, "webhook", 3),
        (second, "repair", 2),
    ]


def test_an_inventory_counts_by_hour_and_its_digest_is_that_of_a_manifest(lake: LakeBuilder) -> None:
    fill(lake)

    inventory = lake.lake.origins.inventory(ORG, BOTH, HOUR)

    assert inventory.by_span == {START: 3, START + HOUR: 2}
    assert inventory.records == 5
    assert inventory.digest == digest_of(report_id(n) for n in range(5))


def test_a_period_includes_its_start_and_not_its_end(lake: LakeBuilder) -> None:
    fill(lake)

    assert lake.lake.origins.inventory(ORG, Period(START + MINUTE, START + 2 * MINUTE), HOUR).by_span == {START: 1}


def test_nothing_is_there_before_anything_came(lake: LakeBuilder) -> None:
    inventory = lake.lake.origins.inventory(ORG, BOTH, HOUR)

    assert (inventory.records, inventory.digest) == (0, digest_of([]))
    assert lake.lake.origins.payloads(ORG, BOTH) == lake.lake.origins.records(ORG, BOTH, skip=0, most=9) == []
