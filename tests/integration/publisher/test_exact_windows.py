"""Windows are exact: every version of a record goes to every partner once, in the window it is due in.

Each schedule mixes intake, corrections, late records, repeats, loads, ticks on time, ticks missed, and the process
killed inside a tick, at random. Forty records live in it at the same time, so one schedule is some hundreds of
interleavings of a record's life with the ticks. What is expected is told by a model that knows no load numbers: what a
state holds and the one before it did not.
"""

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cdrelay.clock import ManualClock
from cdrelay.contract.rules import Rules
from cdrelay.contract.times import write_time
from cdrelay.publisher.parties import Partner
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, START, Bench, ids, record, report_id
from tests.integration.publisher.test_ticks import Dying, KilledError

SCHEDULES = 8
STEPS = 45
LIVES = 40
RULES = Rules()
KILL_POINTS = [
    ("loader", "drain", 1), ("lake", "last_load", 1), ("cuts", "add", 1), ("cuts", "add", 2), ("lake", "window", 1),
    ("outbox", "write_body", 1), ("outbox", "write_body", 3), ("outbox", "add_windows", 1), ("cuts", "mark_spread", 1),
    ("outbox", "sweep", 1),
]  # fmt: skip
Version = tuple[str, str]
"""Report ID and Report time."""


class Feed:
    """A calling platform, a publisher that is killed now and then, and what the partners are to get."""

    def __init__(self, home: Path, random: Random) -> None:
        self.random = random
        self.bench = Bench(home, ManualClock(START))
        self.partners = {"a": self._partner("a", [ORG]), "both": self._partner("both", [ORG, OTHER_ORG])}
        self.bench.ticker().tick_once()  # the first cut; nothing is owed before it
        self.newest: dict[int, datetime] = {}
        self.acknowledged: dict[int, datetime] = {}
        self.expected: dict[datetime, set[tuple[int, str]]] = {}
        self._in_last_state: set[tuple[int, str]] = set()
        self._last_tick = self.bench.cuts.last()
        self.interleavings = 0

    def _partner(self, name: str, organizations: list[str]) -> Partner:
        partner = self.bench.partner(name, organizations)
        self.bench.hook(partner)
        return partner

    def intake(self) -> None:
        """Some records, fresh, late, at the edges, corrected, repeated; acknowledged, and perhaps not loaded."""
        now, some = self.bench.clock.now(), []
        for life in self.random.sample(range(LIVES), self.random.randint(1, 9)):
            before = self.newest.get(life)
            match self.random.choice(["fresh", "late", "edge", "repeat", "older"]):
                case "fresh":
                    ended = now - timedelta(milliseconds=self.random.randint(0, 400_000))
                case "late":
                    ended = now - timedelta(minutes=self.random.randint(10, 600))
                case "edge":
                    tick = now - (now - START) % RULES.tick
                    ended = tick - self.random.randint(0, 3) * RULES.tick - self.random.choice([0, 1]) * _MILLISECOND
                case "older" if before is not None:
                    ended = before - timedelta(minutes=1)
                case _:
                    ended = before or now
            ended -= timedelta(microseconds=ended.microsecond % 1000)
            some.append(record(life, ended, _org(life)))
            self.newest[life] = max(ended, before or ended)
        self.bench.spool(*some)

    def load(self) -> None:
        """The loader comes by."""
        self.bench.store.loader.drain()

    def tick(self, *, missed: int = 0, kill: bool = False) -> None:
        """Time goes on, past some ticks, and the ticker runs, or dies while it does."""
        self.bench.clock.advance(RULES.tick * (missed + self.random.random()))
        if not kill:
            self.bench.ticker(per_post=4).tick_once()
            self._note_cuts()
            return
        part, method, call = self.random.choice(KILL_POINTS)
        real = {
            "loader": self.bench.store.loader,
            "lake": self.bench.store.lake,
            "cuts": self.bench.cuts,
            "outbox": self.bench.outbox,
        }
        dying: Any = Dying(real[part], method, call, after=self.random.random() < 0.5)
        try:
            self.bench.ticker(per_post=4, **{part: dying}).tick_once()
        except KilledError:
            self.bench = self.bench.again()
        self._note_cuts()

    def _note_cuts(self) -> None:
        """What each new cut owes: the state it saw, but for what was in the state before."""
        ticks = [one for one in self._ticks() if self._last_tick is None or one > self._last_tick.tick]
        for tick in ticks:
            cutoff = tick - RULES.settle
            state = {(life, write_time(ended)) for life, ended in self.newest.items() if ended < cutoff}
            self.expected[tick] = state - self._in_last_state
            self._in_last_state = state
            self.interleavings += len(self.newest)
        self._last_tick = self.bench.cuts.last()

    def _ticks(self) -> list[datetime]:
        last, tick, found = self.bench.cuts.last(), START, []
        while last is not None and tick <= last.tick:
            found.append(tick)
            tick += RULES.tick
        return found

    def delivered(self, partner: Partner) -> dict[datetime, Counter[str]]:
        """What lies in the outbox for a partner: the Report IDs of each window."""
        found: dict[datetime, Counter[str]] = {}
        for one in self.bench.outbox.latest(100_000):
            if one.partner_id == partner.id:
                found.setdefault(one.tick, Counter()).update(ids(self.bench.outbox.read_body(one.id)))
        return found


_MILLISECOND = timedelta(milliseconds=1)


def _org(life: int) -> str:
    return ORG if life % 2 else OTHER_ORG


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_every_version_is_delivered_once_and_in_its_window(tmp_path: Path, seed: int) -> None:
    feed = Feed(tmp_path, Random(seed))
    steps = {"intake": 10, "load": 4, "tick": 5, "missed": 2, "killed": 4, "killed after a pause": 1}
    for step in feed.random.choices(list(steps), list(steps.values()), k=STEPS):
        match step:
            case "intake":
                feed.intake()
            case "load":
                feed.load()
            case "tick":
                feed.tick()
            case "missed":
                feed.tick(missed=feed.random.randint(1, 4))
            case "killed":
                feed.tick(kill=True)
            case _:
                feed.tick(missed=3, kill=True)
    feed.tick(missed=3)  # and then nothing is under way any more
    assert feed.interleavings > 300
    for name, partner in feed.partners.items():
        got = feed.delivered(partner)
        for tick, versions in feed.expected.items():
            due = Counter(report_id(life) for life, _ in versions if name == "both" or _org(life) == ORG)
            assert got.pop(tick) == due, f"{name}, {tick}"
        assert {tick: records for tick, records in got.items() if records} == {}
    feed.bench.close()
