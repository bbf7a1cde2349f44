"""What the control database knows of a source when it is decided what to compare."""

from datetime import timedelta

from sqlalchemy import insert

from cdrelay.collector.agenda import Agenda
from cdrelay.collector.manifests import Manifests
from cdrelay.collector.schedule import SILENT_TICKS
from cdrelay.collector.sources import SourceChange
from cdrelay.contract.windows import Period
from cdrelay.control.tables import payloads
from tests.integration.collector.collector_bench import START, Bench


def test_a_long_time_without_deliveries_is_a_gap(bench: Bench) -> None:
    bench.sources.add("webex", SourceChange())
    rules = bench.settings.rules
    came = [START, START + rules.tick, START + rules.tick + SILENT_TICKS * rules.tick]
    nothing = dict.fromkeys(("bytes", "records", "added", "corrected", "repeated", "quarantined", "load_seq"), 0)
    rows = [
        nothing
        | {
            "id": str(number),
            "half": "collector",
            "source": "webex",
            "channel": "webhook",
            "received_at": moment,
            "loaded_at": moment,
        }
        for number, moment in enumerate(came)
    ]
    with bench.database.write() as connection:
        connection.execute(insert(payloads), rows)

    facts = Agenda(bench.database, Manifests(bench.database)).facts("webex", came[-1] + timedelta(seconds=1), rules)

    assert list(facts.gaps) == [Period(came[1], came[2])]
