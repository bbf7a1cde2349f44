"""Windows sent again: whole, as a further round, within 48 hours, also for a webhook that came later (TRAPS 20)."""

from datetime import datetime, timedelta

import pytest

from cdrelay.contract.windows import Period
from cdrelay.publisher.delivery.deliveries import Delivery
from cdrelay.publisher.delivery.resending import Resent
from cdrelay.publisher.errors import WebhookUnknown, WindowOutOfReach
from cdrelay.publisher.parties import Partner
from tests.integration.publisher.publisher_bench import START, Bench, ids, record, report_id


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def ticks(first: float, last: float) -> Period:
    """Those from the first to the last, in minutes after the start, both included."""
    return Period(at(first), at(last) + timedelta(milliseconds=1))


def of_round(bench: Bench, number: int, partner: Partner) -> list[Delivery]:
    mine = [one for one in bench.outbox.latest(1_000) if (one.round, one.partner_id) == (number, partner.id)]
    return sorted(mine, key=lambda one: (one.tick, one.part))


def reports(bench: Bench, deliveries: list[Delivery]) -> list[list[str]]:
    return [sorted(ids(bench.outbox.read_body(one.id))) for one in deliveries]


@pytest.fixture
def partner(bench: Bench) -> Partner:
    """Two windows were cut: one record in that of :05, two in that of :10; another partner has them, too."""
    partner = bench.partner("one")
    for each in (partner, bench.partner("two")):
        bench.hook(each)
    bench.spool(record("first", at(-1)))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    bench.spool(record("second", at(3)), record("third", at(4)))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    return partner


def test_a_range_of_windows_is_sent_again_whole_and_as_often_as_asked(bench: Bench, partner: Partner) -> None:
    original = of_round(bench, 0, partner)
    for number in (1, 2):
        assert bench.resending().send_again(partner.id, ticks(5, 10)) == Resent(windows=2, deliveries=2)
        again = of_round(bench, number, partner)
        assert [one.window for one in again] == [one.window for one in original]
        assert [one.digest for one in again] == [one.digest for one in original]
        assert reports(bench, again) == reports(bench, original)
        assert {one.state for one in again} == {"pending"}
    assert len({one.id for one in bench.outbox.latest(1_000)}) == 4 + 4
    assert of_round(bench, 1, next(one for one in bench.directory.partners() if one.id != partner.id)) == []


def test_one_window_is_sent_again_and_the_next_tick_owes_nothing_of_it(bench: Bench, partner: Partner) -> None:
    assert bench.resending().send_again(partner.id, ticks(10, 10)).windows == 1
    assert reports(bench, of_round(bench, 1, partner)) == [sorted([report_id("second"), report_id("third")])]
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    assert reports(bench, of_round(bench, 0, partner))[-1] == []


def test_a_webhook_that_came_later_gets_what_was_before_it(bench: Bench, partner: Partner) -> None:
    late = bench.partner("late")
    bench.hook(late)
    bench.resending().send_again(late.id, ticks(5, 10))
    assert reports(bench, of_round(bench, 0, late)) == reports(bench, of_round(bench, 0, partner))


def test_a_corrected_record_comes_with_its_newer_window(bench: Bench, partner: Partner) -> None:
    bench.spool(record("first", at(1)))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    bench.resending().send_again(partner.id, ticks(5, 15))
    assert reports(bench, of_round(bench, 1, partner)) == [
        [], sorted([report_id("second"), report_id("third")]), [report_id("first")],
    ]  # fmt: skip


def test_what_is_out_of_reach_and_who_has_no_webhook_is_refused(bench: Bench, partner: Partner) -> None:
    with pytest.raises(WindowOutOfReach, match="can still be sent"):
        bench.resending().send_again(partner.id, ticks(20, 60))
    with pytest.raises(WebhookUnknown):
        bench.resending().send_again(bench.partner("three").id, ticks(5, 10))
    bench.clock.advance(at(5) + timedelta(hours=48) - bench.clock.now())
    # The calls of the window of :10 ended before :05, those of the window of :05 are out of reach.
    assert bench.resending().send_again(partner.id, ticks(5, 10)).windows == 1
    bench.advance(seconds=1)
    with pytest.raises(WindowOutOfReach):
        bench.resending().send_again(partner.id, ticks(5, 10))
