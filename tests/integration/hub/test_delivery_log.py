"""The delivery log over real HTTP: what is listed, in which words, to whom; and sending again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from cdrelay.callbacks.retry import Delivered, GiveUp, RetryAt, SwitchOff
from tests.integration.hub.conftest import NOW
from tests.integration.hub.setup_bench import Office, words
from tests.support.visitor import Seen, Visitor

URL = "https://callback.example.com/cdr"
TICK = timedelta(minutes=5)


@pytest.fixture
async def ada(office: Office) -> AsyncIterator[Visitor]:
    """The browser of a full administrator whose partner has a webhook; it is 12:00."""
    for partner in (office.partner, office.other):
        office.publisher.webhooks.set(partner.id, URL)
    async with office.signed_in() as visitor:
        yield visitor


@asynccontextmanager
async def later(office: Office, **step: float) -> AsyncIterator[Visitor]:
    """The browser of one who signs in after that time: a session does not last so long."""
    office.clock.advance(timedelta(**step))
    async with office.signed_in() as visitor:
        yield visitor


def shown(seen: Seen) -> list[str]:
    """The times of the windows that are listed, in their order."""
    return [part.partition("</time>")[0].rpartition(">")[2] for part in seen.text.split('<span class="when">')[1:]]


async def test_the_answer_of_a_callback_is_text_on_the_pages(office: Office, ada: Visitor) -> None:
    (one,) = office.window(NOW)
    office.attempt(one, GiveUp("x"), "the callback answered 500", '<script>x</script>"><b onclick=y>')
    for path in ("/deliveries", f"/deliveries/{one}"):
        text = (await ada.get(path)).text
        assert "&lt;script&gt;x&lt;/script&gt;&#34;&gt;&lt;b onclick=y&gt;" in text
        assert "<script" not in text


async def test_windows_are_told_apart_in_words_with_their_attempts(office: Office, ada: Visitor) -> None:
    waiting, failed, delivered = (office.window(NOW - number * TICK)[0] for number in range(3))
    office.attempt(waiting, RetryAt(NOW + timedelta(seconds=10), "x", NOW), "the callback answered 503", "come later")
    office.attempt(failed, GiveUp("x"), "the callback answered 500", "<b>broken</b>")
    office.attempt(delivered, RetryAt(NOW, "x", NOW), "no answer within 30 seconds")
    office.attempt(delivered, Delivered())
    page = await ada.get("/deliveries")
    told = words(page)
    assert shown(page) == ["12:00:00", "11:55:00", "11:50:00"]
    assert "12:00:00 waiting 10 records 1 attempt: the callback answered 503; next 12:00:10" in told
    assert "11:55:00 failed 10 records given up after 1 attempt: the callback answered 500" in told
    assert "11:50:00 delivered 10 records arrived 12:00:00, at attempt 2" in told
    assert "12 ms" in told
    assert "come later" in told
    assert "&lt;b&gt;broken&lt;/b&gt;" in page.text


async def test_the_strip_shows_what_is_missing_and_counts_a_window_by_its_last_round(office: Office) -> None:
    office.publisher.webhooks.set(office.partner.id, URL)
    async with later(office, hours=2, minutes=30) as ada:
        for number in range(1, 13):  # 12:05 to 13:00: all of the hour after the webhook was set
            office.attempt(office.window(NOW + number * TICK)[0], Delivered())
        office.attempt(office.window(NOW + 13 * TICK)[0], GiveUp("x"), "the callback answered 500")
        told = words(await ada.get("/deliveries"))
        assert "2026-11-24 11:00 UTC: no window was due" in told
        assert "2026-11-24 12:00 UTC: 11 delivered" in told
        assert "2026-11-24 13:00 UTC: 1 failed, 10 missing, 1 delivered" in told
        assert "12 delivered, 16 missing, 1 failed." in told  # the tick of the moment is still being cut
        office.attempt(office.window(NOW + 13 * TICK, round_=1)[0], Delivered())
        assert "2026-11-24 13:00 UTC: 10 missing, 2 delivered" in words(await ada.get("/deliveries"))


async def test_a_window_is_as_grave_as_its_gravest_part_and_a_delivery_leads_to_the_others(
    office: Office, ada: Visitor
) -> None:
    first, second, third = office.window(NOW, parts=3)
    office.attempt(first, Delivered())
    office.attempt(second, GiveUp("x"), "the callback answered 413")
    assert "12:00:00 failed 30 records in 3 parts" in words(await ada.get("/deliveries"))
    page = await ada.get(f"/deliveries/{second}")
    told = words(page)
    assert "State failed" in told
    assert "Part 2 of 3" in told
    assert "part 1 (delivered), part 3 (waiting)" in told
    assert f"/deliveries/{third}" in page.text
    assert "1 attempt 1. 2026-11-24 12:00:00 the callback answered 413 12 ms" in told


async def test_the_log_is_filtered_by_state_and_day_and_paged(office: Office) -> None:
    office.publisher.webhooks.set(office.partner.id, URL)
    async with later(office, hours=24) as ada:
        for number in range(130):
            (delivery,) = office.window(NOW + timedelta(hours=24) - number * 2 * TICK)
            if number % 2:
                office.attempt(delivery, Delivered())
        first = await ada.get("/deliveries")
        assert (len(shown(first)), shown(first)[0]) == (50, "12:00:00")
        assert 'href="/deliveries?page=2" rel="next"' in first.text
        third = await ada.get("/deliveries?page=3")
        assert len(shown(third)) == 30
        assert 'rel="next"' not in third.text
        assert shown(await ada.get("/deliveries?page=4")) == []
        day = await ada.get("/deliveries?state=delivered&day=2026-11-24&page=1")
        assert (len(shown(day)), shown(day)[0], shown(day)[-1]) == (29, "23:50:00", "14:30:00")
        assert "waiting" not in words(day).partition("Windows, the newest first")[2].partition("Show all")[2]
        pending = await ada.get("/deliveries?state=pending")
        assert len(shown(pending)) == 50
        assert 'href="/deliveries?state=pending&amp;page=2"' in pending.text


async def test_what_makes_no_sense_in_the_address_asks_for_nothing(office: Office, ada: Visitor) -> None:
    office.window(NOW)
    for query in (
        "state=lost",
        "day=yesterday",
        "day=0001-01-01",
        "page=0",
        "page=-1",
        "page=%D9%A3",
        "page=1e9",
        "again=x",
    ):
        page = await ada.get(f"/deliveries?{query}")
        assert (page.status, shown(page)) == (200, ["12:00:00"]), query


async def test_another_partners_deliveries_are_as_unknown_as_none(office: Office, ada: Visitor) -> None:
    (theirs,) = office.window(NOW, office.other)
    assert shown(await ada.get("/deliveries")) == []
    for guessed in (theirs, "00000000-0000-0000-0000-000000000000", "nonsense"):
        page = await ada.get(f"/deliveries/{guessed}")
        assert (page.status, "There is no delivery" in page.text) == (404, True)
    async with office.signed_in("read_only", office.other) as owner:
        assert (await owner.get(f"/deliveries/{theirs}")).status == 200


async def test_one_who_reads_sees_the_log_without_controls(office: Office, ada: Visitor) -> None:
    (delivery,) = office.window(NOW)
    office.attempt(delivery, SwitchOff("gone"), "the callback answered 410")
    async with office.signed_in("read_only") as reader:
        for path in ("/deliveries", f"/deliveries/{delivery}"):
            page = await reader.get(path)
            assert page.status == 200
            assert page.forms("/deliveries/send-again") + page.forms("/setup") == []
        csrf = page.form("/sign-out").fields["csrf"]
        asked = {"csrf": csrf, "from": "2026-11-24T12:00", "to": "2026-11-24T12:00"}
        assert (await reader.post("/deliveries/send-again", asked)).status == 403


async def test_why_and_since_when_it_is_off_stands_above_the_log_until_it_is_on(office: Office, ada: Visitor) -> None:
    waiting = office.window(NOW, parts=2)
    office.attempt(waiting[0], RetryAt(NOW, "x", NOW), "the callback answered 500")
    office.clock.advance(timedelta(minutes=7))
    office.attempt(waiting[0], SwitchOff("the callback answered 410: it is gone"), "the callback answered 410")
    page = await ada.get("/deliveries")
    told = words(page)
    assert "The callback answered 410: it is gone. Off since 2026-11-24 12:07:00 UTC, now." in told
    assert "failed since 2026-11-24 12:00:00 UTC, 7 minutes ago. 2 deliveries wait." in told
    assert "2 attempts: the callback answered 410 " in told  # no next try while nothing is sent
    await ada.send(page.form("/setup/switch-on"))
    assert "switched off" not in words(await ada.get("/deliveries"))


async def test_a_range_is_sent_again_to_its_last_window(office: Office, ada: Visitor) -> None:
    office.clock.advance(timedelta(milliseconds=1))
    for _ in range(4):
        office.clock.advance(TICK)
        office.publisher.ticker.tick_once()
    page = await ada.get("/deliveries")
    sent = await ada.send(page.form("/deliveries/send-again"), **{"from": "2026-11-24T12:10", "to": "2026-11-24T12:15"})
    page = await ada.get(sent.location)
    assert "2 windows are being sent again" in page.text
    assert "12:15:00 waiting 0 records, sent again" in words(page)
    assert shown(page) == ["12:20:00", "12:15:00", "12:15:00", "12:10:00", "12:10:00", "12:05:00"]


async def test_one_window_is_sent_again_from_its_page(office: Office, ada: Visitor) -> None:
    office.clock.advance(TICK)
    office.publisher.ticker.tick_once()
    (delivery,) = (one for one in office.publisher.outbox.latest() if one.partner_id == office.partner.id)
    assert (await ada.get(f"/deliveries/{delivery.id}")).forms("/deliveries/send-again") == []  # it still waits
    office.attempt(delivery.id, Delivered())
    sent = await ada.send((await ada.get(f"/deliveries/{delivery.id}")).form("/deliveries/send-again"))
    assert "1 window is being sent again" in (await ada.get(sent.location)).text


REFUSED = [
    ("", "2026-11-24T12:00", "from", "date and a time are needed"),
    ("2026-11-24T11:00", "soon", "to", "date and a time are needed"),
    ("2026-11-24T11:00Z", "2026-11-24T12:00", "from", "date and a time are needed"),
    ("2026-11-22T11:55", "2026-11-24T12:00", "from", "within the last 48 hours"),
    ("2026-11-24T11:00", "2026-11-24T12:05", "to", "within the last 48 hours"),
    ("2026-11-24T12:00", "2026-11-24T11:00", "to", "last window must not be before"),
    ("2026-11-24T11:00", "2026-11-24T12:00", "from", "no window in that time"),
]


async def test_a_range_that_cannot_be_sent_is_refused_at_its_field_and_stays_typed(
    office: Office, ada: Visitor
) -> None:
    page = await ada.get("/deliveries")
    for start, end, field, rule in REFUSED:
        refused = await ada.send(page.form("/deliveries/send-again"), **{"from": start, "to": end})
        assert refused.status == 422
        (told,) = refused.text.split(f'id="{field}-refusal">')[1:]
        assert rule in told.partition("</p>")[0]
        assert f'aria-describedby="{field}-refusal' in refused.text
        fields = refused.form("/deliveries/send-again").fields
        assert (fields["from"], fields["to"]) == (start, end)
    for csrf in ("", "0" * 64):
        fields = {"csrf": csrf, "from": "2026-11-24T11:00", "to": "2026-11-24T12:00"}
        assert (await ada.post("/deliveries/send-again", fields)).status == 403


async def test_without_a_webhook_the_log_says_so(office: Office) -> None:
    async with office.signed_in() as visitor:
        told = words(await visitor.get("/deliveries"))
    assert "No webhook is set up, so nothing is delivered. Set it up" in told
    assert "missing" not in told.partition("Each cell")[0]


async def test_while_attempts_fail_the_webhook_is_not_said_to_be_well(office: Office, ada: Visitor) -> None:
    (one,) = office.window(NOW)
    assert '<p class="standing good">' in (await ada.get("/setup")).text
    office.attempt(one, RetryAt(NOW, "x", NOW), "the callback answered 500")
    office.clock.advance(timedelta(minutes=7))
    failing = await ada.get("/setup")
    assert '<p class="standing warn">' in failing.text
    assert "Deliveries are on, but they fail" in words(failing)
    assert "since 2026-11-24 12:00 UTC, 7 minutes ago." in words(failing)
    office.attempt(one, Delivered())
    assert '<p class="standing good">' in (await ada.get("/setup")).text
