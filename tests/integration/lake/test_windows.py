"""Windows as differences of two cuts: every version of every record is due exactly once, whatever happens between.

Each example is one schedule of loads, merges and cuts; within it forty records live lives of their own, so that a few
schedules are a few hundred interleavings.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdrelay.clock import ManualClock
from cdrelay.contract.rules import Rules
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import window_of_tick
from cdrelay.lake.cut import Cut
from cdrelay.lake.upkeep import compact
from tests.support.lake_builder import ORG, OTHER_ORG, LakeBuilder, read_window, record, report_id

START = datetime(2026, 11, 24, 23, 40, tzinfo=UTC)
TICK = timedelta(minutes=5)
SETTLE = timedelta(minutes=5)
LIVES = 40
Version = tuple[str, str]
"""Report ID and Report time."""

step = st.sampled_from(["load", "load", "load", "tick", "tick", "two ticks", "merge", "again"])


@dataclass
class Feed:
    """A calling platform and a publisher's ticks over one lake."""

    lake: LakeBuilder
    clock: ManualClock
    random: Random
    cut: Cut | None = None
    given: dict[Version, int] = field(default_factory=dict)
    """The versions that came and were the newest then, by the number of the load."""
    newest: dict[str, datetime] = field(default_factory=dict)
    due: list[Counter[Version]] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    last_payload: list[dict[str, str]] = field(default_factory=list)

    def load(self) -> None:
        """Some records: fresh ones, late ones, corrected ones and repeats, at the edges as often as between them."""
        now, some = self.clock.now(), []
        for life in self.random.sample(range(LIVES), self.random.randint(1, 12)):
            name = str(life)
            before = self.newest.get(report_id(name))
            match self.random.choice(["fresh", "late", "edge", "repeat"]):
                case "fresh":
                    ended = now - timedelta(seconds=self.random.randint(0, 400))
                case "late":
                    ended = now - timedelta(minutes=self.random.randint(10, 600))
                case "edge":
                    ended = now - self.random.randint(0, 3) * TICK - self.random.choice([0, 1]) * timedelta.resolution
                case _:
                    ended = before or now
            some.append(record(name, ended, org=ORG if life % 2 else OTHER_ORG))
        self.take(some)

    def take(self, some: list[dict[str, str]]) -> None:
        """Load these, and note which of them were newer than what there was."""
        self.last_payload = some
        self.lake.load(*some)
        number = self.lake.lake.last_load()
        newest_of_batch: dict[str, datetime] = {}
        for one in some:
            ended = datetime.fromisoformat(one["Report time"])
            newest_of_batch[one["Report ID"]] = max(ended, newest_of_batch.get(one["Report ID"], ended))
        for name, ended in newest_of_batch.items():
            if name not in self.newest or self.newest[name] < ended:
                self.newest[name] = ended
                self.given[name, ended.isoformat()] = number

    def tick(self) -> None:
        """Cut, and take what is due."""
        self.clock.advance(TICK)
        now = Cut(self.lake.lake.last_load(), self.clock.now() - SETTLE)
        texts = read_window(self.lake.lake, self.cut, now, [ORG, OTHER_ORG])
        wires = [json.loads(text) for text in texts]
        self.due.append(
            Counter((wire["Report ID"], datetime.fromisoformat(wire["Report time"]).isoformat()) for wire in wires)
        )
        self.cuts.append(now)
        self.cut = now

    def expected_at(self, before: Cut | None, now: Cut) -> Counter[Version]:
        """What one tick owes, by the rule and without a lake: the newest versions that the cut holds anew."""
        owed: Counter[Version] = Counter()
        for (name, ended), number in self.given.items():
            newer = [n for (other, _), n in self.given.items() if other == name and number < n <= now.load_seq]
            moment = datetime.fromisoformat(ended)
            if newer or number > now.load_seq or moment >= now.cutoff:
                continue
            if before is None or number > before.load_seq or moment >= before.cutoff:
                owed[name, ended] += 1
        return owed


def play(feed: Feed, steps: list[str]) -> None:
    for each in steps:
        match each:
            case "load":
                feed.load()
            case "tick":
                feed.tick()
            case "two ticks":
                feed.tick()
                feed.tick()
            case "merge":
                compact(feed.lake.table, feed.lake.engine, many=2)
            case "again":
                feed.take(feed.last_payload)
    for _ in range(3):
        feed.tick()


@settings(max_examples=9)
@given(steps=st.lists(step, min_size=6, max_size=18), seed=st.integers(0, 2**32))
def test_every_version_is_due_once_in_the_tick_that_owes_it(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], seed: int
) -> None:
    clock = ManualClock(START)
    lake = LakeBuilder(tmp_path_factory.mktemp("windows"), clock)
    feed = Feed(lake, clock, Random(seed))
    try:
        play(feed, steps)
        befores = [None, *feed.cuts[:-1]]
        owed = [feed.expected_at(before, now) for before, now in zip(befores, feed.cuts, strict=True)]
        assert feed.due == owed
        sent = sum(feed.due, Counter())
        assert max(sent.values(), default=1) == 1, "twice"
        last = {(name, ended.isoformat()) for name, ended in feed.newest.items()}
        assert last <= sent.keys(), "skipped"
    finally:
        lake.close()


def test_a_regular_record_is_due_in_the_tick_of_its_window(lake: LakeBuilder, clock: ManualClock) -> None:
    """Loaded before its window closes, a record is in exactly the delivery that the contract names."""
    start = clock.now()
    ends = [start + timedelta(seconds=seconds) for seconds in range(0, 1200, 75)]
    cut, found = Cut(0, start), {}
    for number in range(1, 6):
        begin = start + (number - 1) * TICK
        lake.load(*(record(end, end) for end in ends if begin <= end < begin + TICK))
        clock.advance(TICK)
        now = Cut(lake.lake.last_load(), clock.now() - SETTLE)
        found[clock.now()] = [json.loads(text)["Report time"] for text in read_window(lake.lake, cut, now, [ORG])]
        cut = now
    windows = {tick: window_of_tick(tick, Rules()) for tick in found}
    assert found == {tick: [write_time(end) for end in ends if end in windows[tick]] for tick in found}


def test_the_same_two_cuts_give_the_same_records_after_a_merge(lake: LakeBuilder) -> None:
    for number in range(4):
        lake.load(record(number, START - timedelta(minutes=7 + number) - timedelta(hours=8)))
    cuts = Cut(1, START - timedelta(days=1)), Cut(3, START)
    before = list(read_window(lake.lake, *cuts, [ORG]))
    assert compact(lake.table, lake.engine, many=2) == 4
    assert list(read_window(lake.lake, *cuts, [ORG])) == before
    assert len(before) == 3
