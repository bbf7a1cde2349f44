"""What a running loop says on the terminal: the first time each thing happens, then one line now and then."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Milestone = tuple[str, Callable[[dict[str, Any]], int], str]


# In the order in which a record travels.
MILESTONES: tuple[Milestone, ...] = (
    ("calls in", lambda s: s["publisher"]["records"], "{:,} call records taken in and stored by the publisher"),
    ("window cut", lambda s: s["publisher"]["windows"], "window cut: the calls that are due, late ones among them"),
    (
        "delivered",
        lambda s: s["publisher"]["deliveries"]["delivered"],
        "signed delivery accepted by the collector's webhook",
    ),
    ("stored", lambda s: s["collector"]["records"], "{:,} records stored by the collector, each once"),
    (
        "reconciled",
        lambda s: s["collector"]["confirmed"],
        "{:,} records counted by the reconciliation endpoint, and all of them are stored",
    ),
)


@dataclass(slots=True)
class Milestones:
    """Remembers what has been said."""

    said: int = 0

    def new(self, status: dict[str, Any]) -> list[str]:
        """The sentences for what has happened for the first time, in order; each is told once."""
        sentences = []
        while self.said < len(MILESTONES):
            _name, number, sentence = MILESTONES[self.said]
            if not (count := number(status)):
                break
            sentences.append(sentence.format(count))
            self.said += 1
        return sentences


def summary(status: dict[str, Any]) -> str:
    """The state of the loop in one line."""
    publisher, collector = status["publisher"], status["collector"]
    deliveries, ledger = publisher["deliveries"], collector["ledger"]
    return (
        f"in {publisher['records']:,} · windows {publisher['windows']:,} · delivered {deliveries['delivered']:,}"
        f" (waiting {deliveries['pending']:,}, failed {deliveries['failed']:,}) · stored {collector['records']:,}"
        f" · confirmed {collector['confirmed']:,}, windows short {ledger['short']:,}, lost {ledger['lost']:,}"
    )
