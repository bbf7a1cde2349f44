"""What the tests of the hub put into a running process, and how they read its page."""

from datetime import timedelta
from html.parser import HTMLParser
from uuid import uuid4

from cdrelay.collector.comparison import STATES, Verdict
from cdrelay.collector.sources import SourceChange
from cdrelay.contract.windows import Period
from cdrelay.lake.spool import Envelope
from cdrelay.publisher.delivery.deliveries import Delivery, State, delivery_id
from cdrelay.traffic import Plan, Traffic
from tests.integration.hub.conftest import NOW, Served

HOUR = timedelta(hours=1)


def store_records(served: Served, count: int) -> None:
    """Records that the collector has received and loaded, and one that it had to put aside."""
    collector = served.running.collector
    assert collector is not None
    records = [*Traffic(Plan()).records(count, NOW - HOUR, NOW), b'{"Report ID":"broken"}']
    envelope = Envelope(id=str(uuid4()), source="webex", channel="webhook", received=NOW)
    collector.store.spool.put(envelope, b'{"items":[' + b",".join(records) + b"]}")
    collector.store.loader.drain()


def write_ledger(served: Served) -> None:
    collector = served.running.collector
    assert collector is not None
    collector.sources.add("webex", SourceChange())
    for number, state in enumerate(STATES):
        window = Period(NOW - (number + 2) * HOUR, NOW - (number + 1) * HOUR)
        collector.ledger.write("webex", [Verdict(str(uuid4()), window, 10, 9, 0, state)], NOW)


def write_verdict(served: Served, expected: int, stored: int) -> None:
    """Of an hour of its own, so that two do not add up."""
    collector = served.running.collector
    assert collector is not None
    if not collector.sources.list():
        collector.sources.add("webex", SourceChange())
    start = NOW - (expected + 1) * HOUR
    verdict = Verdict(str(uuid4()), Period(start, start + HOUR), expected, stored, 0, "matched")
    collector.ledger.write("webex", [verdict], NOW)


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def having(self, tag: str, name: str = "") -> list[dict[str, str | None]]:
        """The attributes of the elements of a tag, and of a class."""
        return [
            attrs for found, attrs in self.elements if found == tag and name in (attrs.get("class") or "").split(" ")
        ]


def write_delivery(served: Served, age: timedelta, state: State, size: int = 1_000) -> None:
    """Of one record, of the tick `age` ago."""
    publisher = served.running.publisher
    assert publisher is not None
    known = [one for one in publisher.directory.partners() if one.name == "Reseller"]
    partner_id = (known[0] if known else publisher.directory.add_partner("Reseller")).id
    tick = NOW - age
    window = Period(tick - timedelta(minutes=10), tick - timedelta(minutes=5))
    delivery = Delivery(delivery_id(partner_id, tick, 1), partner_id, tick, window, 1, 1, 1, size, state=state)
    publisher.outbox.add_windows([[delivery]])
