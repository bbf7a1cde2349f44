"""Ticks on a real lake: windows, late and corrected records, kills at every step."""

import asyncio
import json
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import update

from cdrelay.callbacks.bodies import PackedBody
from cdrelay.callbacks.retry import Delivered
from cdrelay.contract.windows import Period
from cdrelay.control.tables import deliveries
from cdrelay.lake.cut import Cut
from cdrelay.publisher.delivery.deliveries import Attempt, delivery_id
from cdrelay.publisher.delivery.outbox import Outbox
from cdrelay.publisher.delivery.recording import Attempts, Judged
from cdrelay.publisher.delivery.set_back import TakenBack, take_back_what_is_ahead
from cdrelay.publisher.parties import Partner
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, START, Bench, ids, record, report_id


def minutes(number: float) -> datetime:
    """That long after 17:00."""
    return START + timedelta(minutes=number)


def windows(bench: Bench) -> dict[datetime, list[str]]:
    """The Report IDs of each tick's deliveries, in order."""
    return {tick: [one for body in bodies for one in ids(body)] for tick, bodies in bench.bodies().items()}


def test_calls_that_ended_10_to_5_minutes_ago_are_due(bench: Bench) -> None:
    bench.hook(bench.partner())
    bench.ticker().tick_once()  # the cut of 17:00; the webhook is younger
    bench.spool(
        record("in, at the start", minutes(-5)),
        record("in, at the end", minutes(0) - timedelta(milliseconds=1)),
        record("too young by nothing", minutes(0)),
    )
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    assert windows(bench) == {minutes(5): [report_id("in, at the start"), report_id("in, at the end")]}
    (delivery,) = bench.outbox.latest()
    assert delivery.window == Period(minutes(-5), minutes(0))
    assert (delivery.part, delivery.parts, delivery.records, delivery.state) == (1, 1, 2, "pending")


def test_ticking_again_within_a_tick_does_nothing(bench: Bench) -> None:
    bench.hook(bench.partner())
    bench.advance(minutes=5)
    assert bench.ticker().tick_once().deliveries == 1
    assert bench.ticker().tick_once() == type(bench.ticker().tick_once())()
    assert bench.outbox.windows() == 1


def test_an_empty_window_is_one_empty_list_or_nothing_as_set(bench: Bench) -> None:
    bench.hook(bench.partner())
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    assert bench.bodies() == {minutes(5): [b'{"items":[]}']}
    bench.advance(minutes=5)
    bench.ticker(send_empty=False).tick_once()
    assert list(bench.bodies()) == [minutes(5)]
    assert bench.cuts.to_spread() == []


def test_a_late_record_rides_in_the_next_window(bench: Bench) -> None:
    bench.hook(bench.partner())
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    bench.spool(record("late", minutes(-40)))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    assert windows(bench) == {minutes(5): [], minutes(10): [report_id("late")]}


def test_a_corrected_record_is_sent_again_in_its_new_version(bench: Bench) -> None:
    bench.hook(bench.partner())
    bench.spool(record("one", minutes(-1), Duration="5"))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    bench.spool(record("one", minutes(-0.5), Duration="35"))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    sent = {tick: json.loads(bodies[0])["items"] for tick, bodies in bench.bodies().items()}
    assert {tick: [str(one["Duration"]) for one in items] for tick, items in sent.items()} == {
        minutes(5): ["5"],
        minutes(10): ["35"],
    }


def test_a_record_handed_in_again_unchanged_is_not_sent_again(bench: Bench) -> None:
    bench.hook(bench.partner())
    bench.spool(record("one", minutes(-1)))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    bench.spool(record("one", minutes(-1)))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    assert windows(bench) == {minutes(5): [report_id("one")], minutes(10): []}


def test_three_missed_ticks_are_three_windows_oldest_first(bench: Bench) -> None:
    bench.hook(bench.partner())
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    for number in range(3):
        bench.spool(record(number, minutes(number * 5 + 1)))
    bench.advance(minutes=15)
    report = bench.ticker().tick_once()
    assert (report.cut, report.deliveries) == (3, 3)
    expected = {minutes(10): [report_id(0)], minutes(15): [report_id(1)], minutes(20): [report_id(2)]}
    assert windows(bench) == {minutes(5): []} | expected
    # What the sender sees first is the oldest.
    assert bench.outbox.due(bench.clock.now())[0].delivery.tick == minutes(5)


class LoadsNothing:
    """A loader whose spool is only drained later."""

    def drain(self) -> None:
        """Leave everything where it is."""


def test_a_record_acknowledged_before_the_cut_but_loaded_after_is_in_the_next_window(bench: Bench) -> None:
    bench.hook(bench.partner())
    bench.spool(record("slow", minutes(-1)))
    bench.advance(minutes=5)
    bench.ticker(loader=LoadsNothing()).tick_once()
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    assert windows(bench) == {minutes(5): [], minutes(10): [report_id("slow")]}


def test_a_window_is_cut_into_parts_that_each_know_how_many_there_are(bench: Bench) -> None:
    bench.hook(bench.partner())
    bench.spool(*(record(number, minutes(-1) + timedelta(seconds=number)) for number in range(5)))
    bench.advance(minutes=5)
    bench.ticker(per_post=2).tick_once()
    shape = [(one.part, one.parts, one.records) for one in bench.outbox.latest()]
    assert shape == [(1, 3, 2), (2, 3, 2), (3, 3, 1)]
    assert windows(bench)[minutes(5)] == [report_id(number) for number in range(5)]


def test_each_partner_gets_its_own_organizations_only(bench: Bench) -> None:
    one, two = bench.partner("one", [ORG]), bench.partner("two", [OTHER_ORG])
    nobody = bench.partner("none", [])
    for partner in (one, two, nobody):
        bench.hook(partner)
    bench.spool(record("a", minutes(-1), ORG), record("b", minutes(-1), OTHER_ORG))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    got = {each.partner_id: ids(bench.outbox.read_body(each.id)) for each in bench.outbox.latest()}
    assert got == {one.id: [report_id("a")], two.id: [report_id("b")], nobody.id: []}


def test_a_webhook_set_on_the_tick_gets_the_next_one(bench: Bench) -> None:
    partner = bench.partner()
    bench.webhooks.set(partner.id, "https://callback.example/")
    bench.ticker().tick_once()
    assert bench.outbox.latest() == []
    bench.advance(minutes=5)
    assert bench.ticker().tick_once().deliveries == 1


def test_a_webhook_that_is_off_has_its_windows_wait(bench: Bench) -> None:
    partner = bench.partner()
    bench.hook(partner)
    bench.webhooks.set_active(partner.id, False)
    bench.advance(minutes=5)
    assert bench.ticker().tick_once().deliveries == 1
    assert bench.outbox.due(bench.clock.now()) == []
    bench.webhooks.set_active(partner.id, True)
    assert len(bench.outbox.due(bench.clock.now())) == 1


class KilledError(Exception):
    """The process dies here."""


class Dying:
    """Stands before a part and dies in one of its methods, before or after the method has done its work."""

    def __init__(self, real: Any, method: str, call: int, *, after: bool) -> None:
        self._real, self._method, self._call, self._after = real, method, call, after
        self._calls = count(1)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name != self._method:
            return real

        def dies(*arguments: Any) -> Any:
            last = next(self._calls) == self._call
            if last and not self._after:
                raise KilledError
            result = real(*arguments)
            if last:
                raise KilledError
            return result

        return dies


KILL_POINTS = [
    *(("loader", "drain", 1, after) for after in (False, True)),
    ("lake", "last_load", 1, True),
    *(("cuts", "add", 1, after) for after in (False, True)),
    *(("lake", "window", 1, after) for after in (False, True)),
    # Six bodies, three for each of two partners.
    *(("outbox", "write_body", call, after) for call in (1, 2, 4, 6) for after in (False, True)),
    *(("outbox", "add_windows", 1, after) for after in (False, True)),
    *(("cuts", "mark_spread", 1, after) for after in (False, True)),
    *(("outbox", "sweep", 1, after) for after in (False, True)),
]


@pytest.mark.parametrize(("part", "method", "call", "after"), KILL_POINTS)
def test_killed_anywhere_the_tick_is_repeated_exactly(
    bench: Bench, part: str, method: str, call: int, after: bool
) -> None:
    for name in ("one", "two"):
        bench.hook(bench.partner(name))
    bench.spool(*(record(number, minutes(-1) + timedelta(seconds=number)) for number in range(5)))
    bench.advance(minutes=5)
    real = {"loader": bench.store.loader, "lake": bench.store.lake, "cuts": bench.cuts, "outbox": bench.outbox}
    killed = bench.ticker(per_post=2, **{part: Dying(real[part], method, call, after=after)})
    with pytest.raises(KilledError):
        killed.tick_once()
    seen_before = {one.id: bench.outbox.read_body(one.id) for one in bench.outbox.latest()}
    cut_before = bench.cuts.last()

    alive = bench.again()
    # What comes meanwhile belongs to the next window if the cut was made, and to this one if it was not.
    alive.spool(record("meanwhile", minutes(-2)))
    alive.advance(minutes=5)
    alive.ticker(per_post=2).tick_once()

    for seen, body in seen_before.items():
        assert alive.outbox.read_body(seen) == body
    by_partner: dict[str, list[str]] = {}
    for one in alive.outbox.latest():
        by_partner.setdefault(one.partner_id, []).extend(ids(alive.outbox.read_body(one.id)))
    everything = sorted([*(report_id(number) for number in range(5)), report_id("meanwhile")])
    assert [sorted(got) for got in by_partner.values()] == [everything, everything]
    if cut_before is not None:
        first = [one for one in alive.outbox.latest() if one.tick == minutes(5)]
        assert sum(one.records for one in first) == 10
    bodies = {path.name.removesuffix(".json.zst") for path in alive.outbox.folder.glob("*.json.zst")}
    assert bodies == {one.id for one in alive.outbox.latest()}
    alive.close()


class BrokenFor:
    """An outbox that cannot take the bodies of one partner's window, as when its disk has bad places."""

    def __init__(self, outbox: Outbox, partner: Partner, tick: datetime) -> None:
        self._outbox = outbox
        self._broken = delivery_id(partner.id, tick, 1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._outbox, name)

    def write_body(self, delivery_id: str, body: PackedBody) -> None:
        """Break for the one window."""
        if delivery_id == self._broken:
            raise OSError("the disk of this partner is broken")
        self._outbox.write_body(delivery_id, body)


def test_a_partner_that_fails_keeps_no_other_from_its_window_and_is_made_up_for(bench: Bench) -> None:
    unlucky, lucky = bench.partner("a", [ORG]), bench.partner("b", [OTHER_ORG])
    for partner in (unlucky, lucky):
        bench.hook(partner)
    bench.spool(record("a", minutes(-1), ORG), record("b", minutes(-1), OTHER_ORG))
    bench.advance(minutes=5)
    report = bench.ticker(outbox=BrokenFor(bench.outbox, unlucky, minutes(5))).tick_once()
    assert (report.deliveries, report.failures) == (1, 1)
    assert [one.partner_id for one in bench.outbox.latest()] == [lucky.id]
    assert "the disk of this partner is broken" in bench.incidents.latest()[0].what
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    got = {(one.partner_id, one.tick): ids(bench.outbox.read_body(one.id)) for one in bench.outbox.latest()}
    assert got[unlucky.id, minutes(5)] == [report_id("a")]
    assert len(got) == 4


def test_a_partner_that_fails_for_48_hours_is_tried_no_longer(bench: Bench) -> None:
    partner = bench.partner()
    bench.hook(partner)
    bench.advance(minutes=5)
    broken = BrokenFor(bench.outbox, partner, minutes(5))
    bench.ticker(outbox=broken).tick_once()
    assert [one.tick for one in bench.cuts.to_spread()] == [minutes(5)]
    bench.advance(hours=48, minutes=5)
    bench.ticker(outbox=broken).tick_once()
    assert minutes(5) not in [one.tick for one in bench.cuts.to_spread()]


def test_a_full_disk_under_the_outbox_is_an_incident_and_no_loss(bench: Bench) -> None:
    bench.hook(bench.partner())
    bench.spool(record("one", minutes(-1)))
    bench.advance(minutes=5)
    there = bench.outbox.folder
    gone = Outbox(bench.foundation.database, there / "gone", bench.clock)
    (there / "gone").rmdir()
    (there / "gone").write_text("no folder")
    with pytest.raises(NotADirectoryError):
        bench.ticker(outbox=gone).tick_once()  # not even the lock can be taken
    (there / "gone").unlink()
    bench.ticker().tick_once()
    assert windows(bench) == {minutes(5): [report_id("one")]}


def test_deliveries_out_of_reach_are_given_up_and_their_bodies_go(bench: Bench) -> None:
    partner = bench.partner()
    bench.hook(partner)
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    bench.webhooks.set_active(partner.id, False)
    bench.clock.advance(minutes(0) + timedelta(hours=48) - bench.clock.now())
    bench.ticker().tick_once()
    waiting = bench.outbox.statistics().pending
    assert bench.outbox.statistics().failed == 0  # exactly 48 hours after its end it is still of use
    bench.advance(milliseconds=1)
    bench.ticker().tick_once()
    statistics = bench.outbox.statistics()
    assert (statistics.pending, statistics.failed) == (waiting - 1, 1)
    assert len(list(bench.outbox.folder.glob("*.json.zst"))) == waiting - 1


async def test_two_tickers_at_once_write_every_window_once(bench: Bench) -> None:
    for name in ("one", "two", "three"):
        bench.hook(bench.partner(name))
    bench.spool(*(record(number, minutes(-1)) for number in range(20)))
    bench.advance(minutes=5)
    both = await asyncio.gather(*(asyncio.to_thread(bench.ticker(per_post=3).tick_once) for _ in range(2)))
    assert sorted(report.deliveries for report in both) == [0, 21]
    assert all(len(ids(body)) <= 3 for body in bench.bodies()[minutes(5)])


async def test_the_loop_ticks_on_every_multiple_and_goes_on_after_an_error(bench: Bench) -> None:
    class Stumbles:
        """A loader that fails the first time."""

        times = 0

        def drain(self) -> None:
            """Fail once."""
            self.times += 1
            if self.times == 1:
                raise OSError("stumbled")

    bench.hook(bench.partner())
    loop = asyncio.create_task(bench.ticker(loader=Stumbles()).run())

    async def until_windows(number: int) -> None:
        async with asyncio.timeout(20):
            while await asyncio.to_thread(bench.outbox.windows) < number:
                bench.advance(seconds=30)
                await asyncio.sleep(0.005)

    await until_windows(3)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    assert any("OSError" in one.what for one in bench.incidents.latest())


def test_cuts_that_no_window_is_between_any_more_go_and_nothing_is_sent_twice(bench: Bench) -> None:
    partner = bench.partner()
    bench.hook(partner)
    bench.spool(record("first", minutes(-1)))
    reach, ticker = bench.settings.rules.reach, bench.ticker(keep_log=timedelta(days=3))
    for _ in range(3):
        bench.advance(minutes=5)
        ticker.tick_once()
    cut = bench.outbox.windows()
    assert ticker.tick_once().cut == 0
    bench.advance(days=4)
    ticker.tick_once()  # after a long silence: what is in reach is cut, and the old ones are of no more use
    kept = bench.cuts.between(Period(START, bench.clock.now() + timedelta(days=1)))
    oldest = bench.clock.now() - timedelta(days=3)
    assert [one.tick for one, _ in kept if one.tick < oldest] == [minutes(15)]  # the state before the next
    assert bench.outbox.windows() > cut
    assert bench.outbox.windows() == len(kept) + 2
    bench.advance(days=2)
    ticker.tick_once()
    assert bench.cuts.forget_before(bench.clock.now() - reach) >= 0
    earliest = bench.cuts.between(Period(bench.clock.now() - reach, bench.clock.now()))
    assert all(before is not None for _, before in earliest)
    resent = bench.resending().send_again(partner.id, Period(earliest[1][0].tick, earliest[2][0].tick))
    assert resent.windows == 1
    assert [one.records for one in bench.outbox.latest(10_000) if one.round] == [0]


def test_a_cut_that_is_not_spread_and_the_one_before_it_stay_however_old(bench: Bench) -> None:
    for number in range(1, 6):
        bench.cuts.add(minutes(5 * number), Cut(number, minutes(5 * number - 5)))
        if number != 3:
            bench.cuts.mark_spread(minutes(5 * number), bench.clock.now())
    assert bench.cuts.forget_before(minutes(1_000)) == 1
    assert bench.cuts.before(minutes(15)) == Cut(2, minutes(5))
    bench.cuts.mark_spread(minutes(15), bench.clock.now())
    assert bench.cuts.forget_before(minutes(1_000)) == 3
    assert bench.cuts.forget_before(minutes(1_000)) == 0
    last = bench.cuts.last()
    assert last is not None
    assert (last.tick, bench.outbox.windows()) == (minutes(25), 5)


def test_the_delivery_log_forgets_what_is_old_and_no_longer_pending(bench: Bench) -> None:
    for name in ("one", "two"):
        bench.hook(bench.partner(name))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    arrived, waiting = bench.outbox.latest()
    attempts = Attempts(bench.foundation.database, bench.clock, bench.alerts)
    attempt = Attempt(1, bench.clock.now(), 1, 200, "delivered", "")
    attempts.record([Judged(arrived, attempt, Delivered(), "https://callback.example/")])
    assert bench.outbox.forget_before(minutes(5)) == 0
    assert bench.outbox.forget_before(minutes(5) + timedelta.resolution) == 1
    assert [one.id for one in bench.outbox.latest()] == [waiting.id]
    assert bench.outbox.attempts_of(arrived.id) == []


def test_the_log_of_the_48_hours_is_never_forgotten(bench: Bench) -> None:
    bench.hook(bench.partner())
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    bench.outbox.give_up_before(minutes(60))
    bench.advance(minutes=5)
    bench.ticker(keep_log=timedelta(seconds=1)).tick_once()
    assert [one.tick for one in bench.outbox.latest()] == [minutes(10), minutes(5)]


def test_that_the_clock_was_set_back_is_told_once_and_windows_go_on_when_it_has_caught_up(bench: Bench) -> None:
    bench.hook(bench.partner())
    bench.advance(minutes=60)
    ticker = bench.ticker()
    ticker.tick_once()
    bench.clock.set_back(timedelta(minutes=60))
    bench.spool(record("meanwhile", minutes(1)))
    for _ in range(3):
        bench.advance(minutes=5)
        assert ticker.tick_once().cut == 0
    (told,) = [one.what for one in bench.incidents.latest() if "set back" in one.what]
    assert f"before {minutes(60):%Y-%m-%d %H:%M} UTC" in told
    bench.advance(minutes=50)
    assert ticker.tick_once().cut == 1
    assert windows(bench)[minutes(65)] == [report_id("meanwhile")]


def test_after_a_clock_that_was_ahead_windows_go_on_at_once_and_nothing_is_missed(bench: Bench) -> None:
    bench.hook(bench.partner())
    bench.ticker().tick_once()
    bench.spool(record("before the step", minutes(-2)))
    bench.clock.advance(timedelta(hours=1))
    bench.hook(bench.partner("set while it was ahead", [OTHER_ORG]))
    bench.ticker().tick_once()
    bench.spool(record("while it was ahead", minutes(1)))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    bench.clock.set_back(timedelta(hours=1))
    bench.spool(record("after it", minutes(3)), record("of the other", minutes(3), OTHER_ORG))
    bench.advance(minutes=5)
    assert bench.ticker().tick_once().cut == 0

    taken = take_back_what_is_ahead(bench.foundation.database, bench.outbox, bench.clock, bench.settings.rules)
    again = take_back_what_is_ahead(bench.foundation.database, bench.outbox, bench.clock, bench.settings.rules)

    assert (taken.ticks, again) == (13, TakenBack(0, 0))
    assert taken.deliveries > 0
    assert (bench.outbox.with_body(), bench.outbox.latest()) == ([], [])
    bench.ticker().tick_once()
    assert {one.tick for one in bench.outbox.latest()} == {minutes(5), minutes(10)}
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    came = [one for found in windows(bench).values() for one in found]
    assert sorted(came) == sorted(map(report_id, ["before the step", "while it was ahead", "after it", "of the other"]))

    bench.clock.advance(minutes(60) - bench.clock.now())
    bench.spool(record("when its time comes", minutes(52)))
    bench.ticker().tick_once()
    assert report_id("when its time comes") in windows(bench)[minutes(60)]


def test_what_was_given_up_under_a_clock_that_was_ahead_by_the_reach_comes_all_the_same(bench: Bench) -> None:
    bench.hook(bench.partner())
    bench.ticker().tick_once()
    bench.spool(record("out of reach by a wrong clock", minutes(-2)))
    ahead = bench.settings.rules.reach
    bench.clock.advance(ahead)
    bench.ticker().tick_once()
    bench.clock.set_back(ahead)
    bench.advance(minutes=5)
    assert bench.outbox.statistics().failed == 1

    take_back_what_is_ahead(bench.foundation.database, bench.outbox, bench.clock, bench.settings.rules)
    bench.ticker().tick_once()

    assert windows(bench) == {minutes(5): [report_id("out of reach by a wrong clock")]}


def test_a_window_that_was_spread_late_under_a_clock_that_was_ahead_does_not_take_the_one_after_it_away(
    bench: Bench,
) -> None:
    bench.hook(bench.partner())
    bench.ticker().tick_once()
    bench.spool(record("late", minutes(-2)))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    bench.spool(record("after it", minutes(3)))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    # As where a partner's window of the first could only be written while the clock was ahead.
    bench.cuts.mark_spread(minutes(5), minutes(90))

    take_back_what_is_ahead(bench.foundation.database, bench.outbox, bench.clock, bench.settings.rules)
    bench.ticker().tick_once()

    assert windows(bench) == {minutes(5): [report_id("late")], minutes(10): [report_id("after it")]}


def test_what_waits_for_a_moment_ahead_is_due_at_once_when_that_is_taken_back(bench: Bench) -> None:
    bench.hook(bench.partner())
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    (waiting,) = bench.outbox.latest()
    with bench.foundation.database.write() as connection:
        connection.execute(update(deliveries).values(next_attempt_at=bench.clock.now() + timedelta(days=1)))
    assert bench.outbox.due(bench.clock.now()) == []

    take_back_what_is_ahead(bench.foundation.database, bench.outbox, bench.clock, bench.settings.rules)

    assert [one.delivery.id for one in bench.outbox.due(bench.clock.now())] == [waiting.id]
