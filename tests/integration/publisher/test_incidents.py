"""What went wrong lately."""

from cdrelay.control.incidents import KEPT, Incident
from tests.integration.publisher.publisher_bench import START, Bench


def test_the_last_200_incidents_are_kept_the_newest_first(bench: Bench) -> None:
    for number in range(KEPT + 5):
        bench.incidents.record("send", f"number {number}")
    kept = bench.incidents.latest(1_000)
    assert len(kept) == KEPT == 200
    assert kept[0] == Incident(START, "send", f"number {KEPT + 4}")
    assert kept[-1].what == "number 5"
    assert bench.incidents.latest(1) == kept[:1]


def test_an_incident_that_cannot_be_kept_causes_no_other(bench: Bench) -> None:
    with bench.foundation.database.write() as connection:
        connection.exec_driver_sql("DROP TABLE incidents")
    bench.incidents.record("send", "nobody will know")
