"""Whoever must know is told: administrators by mail and an alert URL, with a real mail server and a real callback."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, insert, select

from cdrelay.callbacks.client import trusted_authorities
from cdrelay.callbacks.retry import Answered, NotReached, Outcome, Unsendable
from cdrelay.clock import ManualClock
from cdrelay.contract.signature import verify
from cdrelay.control.tables import administrators
from cdrelay.control.tables import alerts as alerts_table
from cdrelay.notices.mail import MailServer, NoticeMail
from cdrelay.notices.queue import Notice
from cdrelay.notices.sending import NoticeSender
from cdrelay.publisher.alerts.alerts import switched_off
from cdrelay.publisher.alerts.telling import AlertWebhooks
from cdrelay.publisher.parties import Partner
from cdrelay.wiring import delivery_workers
from tests.integration.publisher.publisher_bench import START, Bench
from tests.integration.publisher.test_sending import put, state
from tests.support.authority import Authority, make_authority
from tests.support.callback import Answer, Callback
from tests.support.mailbox import PASSWORD, USER, Mailbox, mail_server

ALLOWED = {"allow_http_callbacks": True, "allow_callbacks_to_private_addresses": True}
MAIL = {"mail_server": "127.0.0.1:1", "mail_from": "cdrelay@example.com"}
GONE = "the callback answered 410: it is gone"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A publisher that has a mail server."""
    opened = Bench(tmp_path / "home", ManualClock(START), **MAIL, **ALLOWED)
    yield opened
    opened.close()


@pytest.fixture
def partner(bench: Bench) -> Partner:
    """One with two full administrators, and two others who are told nothing."""
    partner = bench.partner("Reseller One")
    people = {"ada": "full", "grace": "full", "read": "read_only", "some": "assigned"}
    rows = [
        {"id": name, "partner_id": partner.id, "email": f"{name}@example.com", "name": name, "role": role}
        | {"failures": 0, "created_at": START}
        for name, role in people.items()
    ]
    with bench.foundation.database.write() as connection:
        connection.execute(insert(administrators), rows)
    return partner


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Vouches for the mail server."""
    return make_authority(tmp_path_factory.mktemp("authority"))


def by_mail(bench: Bench, port: int, **server: object) -> NoticeMail:
    """Mail to a server on that port."""
    what = MailServer("127.0.0.1", port, "cdrelay@example.com", **({"starttls": False, "seconds": 2.0} | server))  # type: ignore[arg-type]
    return NoticeMail(what, trusted_authorities(), bench.alerts.mail_text)


async def send(bench: Bench, mail: NoticeMail) -> int:
    """All mail that is due."""
    try:
        return await NoticeSender("mail", bench.alerts.notices, mail.tell, bench.clock, lambda: 1.0).send_due()
    finally:
        mail.close()


async def tell_webhooks(bench: Bench) -> int:
    """All alerts for URLs that are due."""
    async with bench.callbacks(answer_seconds=0.5) as callbacks:
        channel = AlertWebhooks(bench.webhooks.secret, callbacks, sha256=bench.settings.sign_sha256)
        return await NoticeSender("webhook", bench.alerts.notices, channel.tell, bench.clock, lambda: 1.0).send_due()


async def switch_off(bench: Bench, partner: Partner, alert_url: str | None = None, secret: str | None = None) -> None:
    """A real delivery is answered with 410."""
    async with Callback(otherwise=Answer(410)) as callback, bench.sender() as sender:
        bench.webhooks.set(partner.id, callback.url, secret=secret, alert_url=alert_url)
        put(bench, partner)
        assert await sender.send_due() == 1
    assert not bench.webhooks.get(partner.id).active


def latest(bench: Bench) -> Sequence[Row[Any]]:
    """All alerts, the newest first."""
    with bench.foundation.database.read() as connection:
        return connection.execute(select(alerts_table).order_by(alerts_table.c.id.desc())).all()


def rows(bench: Bench) -> list[tuple[str, str]]:
    """Channel and target of all alerts."""
    return sorted((row.channel, row.target) for row in latest(bench))


ADDRESSES = [("mail", "ada@example.com"), ("mail", "grace@example.com")]


async def test_a_webhook_that_is_switched_off_is_told_to_full_administrators_and_the_alert_url(
    bench: Bench, partner: Partner
) -> None:
    await switch_off(bench, partner, alert_url="https://alerts.example.com/")
    assert rows(bench) == [*ADDRESSES, ("webhook", "https://alerts.example.com/")]
    assert all(GONE in row.what for row in latest(bench))


async def test_without_a_mail_server_nothing_waits_for_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "no mail", ManualClock(START), **ALLOWED)
    await switch_off(bench, bench.partner(), alert_url="https://alerts.example.com/")
    assert rows(bench) == [("webhook", "https://alerts.example.com/")]
    bench.close()


async def test_sustained_failure_is_told_as_well(bench: Bench, partner: Partner) -> None:
    async with Callback(otherwise=Answer(500)) as callback, bench.sender() as sender:
        bench.hook(partner, callback.url)
        put(bench, partner)
        await sender.send_due()
        bench.advance(hours=24)
        await sender.send_due()
    assert rows(bench) == ADDRESSES
    assert "nothing arrived since" in latest(bench)[0].what


async def test_administrators_get_a_mail_that_says_what_happened(bench: Bench, partner: Partner) -> None:
    await switch_off(bench, partner, secret="the-webhook-secret")
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        assert await send(bench, by_mail(bench, port)) == 2
        assert await send(bench, by_mail(bench, port)) == 0
    assert sorted(mailbox.envelopes) == [
        ("cdrelay@example.com", ["ada@example.com"]),
        ("cdrelay@example.com", ["grace@example.com"]),
    ]
    message = mailbox.messages[0]
    assert message["Subject"] == "Your call detail records webhook was switched off"
    assert (message["From"], message["Auto-Submitted"]) == ("cdrelay@example.com", "auto-generated")
    text = message.get_content()
    assert all(part in text for part in ("Reseller One", GONE, "2026-11-24 17:00 UTC"))
    assert "the-webhook-secret" not in text
    assert "127.0.0.1" not in text  # where partners keep tokens of their own
    assert [row.sent_at for row in latest(bench)] == [START, START]


async def test_mail_goes_over_starttls_with_a_password(bench: Bench, partner: Partner, authority: Authority) -> None:
    bench.alerts.raise_for_partner(partner.id, switched_off("why"))
    mailbox = Mailbox()
    async with mail_server(mailbox, authority) as port:
        server = MailServer("127.0.0.1", port, "cdrelay@example.com", True, USER, PASSWORD)
        mail = NoticeMail(server, trusted_authorities(authority.ca_file), bench.alerts.mail_text)
        assert await send(bench, mail) == 2
    assert mailbox.over_tls == [True, True]
    assert PASSWORD not in repr(server)


async def outcome_of(bench: Bench, mail: NoticeMail, target: str = "ada@example.com") -> Outcome:
    """One try."""
    try:
        return await mail.tell(Notice(1, START, "nobody", "mail", target, "subject", "what"))
    finally:
        mail.close()


@pytest.mark.parametrize(
    ("server", "outcome"),
    [
        ({"starttls": True, "user": USER, "password": PASSWORD}, "no TLS with the mail server"),  # nobody vouches
        ({"starttls": False}, "the mail server answered 530"),
    ],
)
async def test_what_the_mail_server_does_not_allow_is_tried_again(
    bench: Bench, authority: Authority, server: dict[str, object], outcome: str
) -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox, authority) as port:
        found = await outcome_of(bench, by_mail(bench, port, **server))
    assert isinstance(found, NotReached)
    assert outcome in found.reason
    assert mailbox.messages == []


async def test_a_wrong_password_is_told_without_it(bench: Bench, authority: Authority) -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox, authority) as port:
        server = MailServer("127.0.0.1", port, "cdrelay@example.com", True, USER, "wrong-password")
        mail = NoticeMail(server, trusted_authorities(authority.ca_file), bench.alerts.mail_text)
        assert await outcome_of(bench, mail) == NotReached("the mail server answered 535")


async def test_a_server_without_starttls_gets_neither_password_nor_mail(bench: Bench) -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        found = await outcome_of(bench, by_mail(bench, port, starttls=True, user=USER, password=PASSWORD))
    assert isinstance(found, NotReached)
    assert mailbox.messages == []


@pytest.mark.parametrize(
    ("answer", "kind"), [("550 no such user", Unsendable), ("451 later", NotReached), ("250 OK", Answered)]
)
async def test_an_address_that_does_not_exist_is_given_up(bench: Bench, answer: str, kind: type[Outcome]) -> None:
    mailbox = Mailbox()
    mailbox.answers = [answer] if kind is not Answered else []
    async with mail_server(mailbox) as port:
        found = await outcome_of(bench, by_mail(bench, port))
    assert isinstance(found, kind)


@pytest.mark.parametrize("target", ["a@example.com, b@example.com", "a@example.com\nBcc: b@example.com", "<a>"])
async def test_an_address_that_is_more_than_one_is_never_sent_to(bench: Bench, target: str) -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        assert isinstance(await outcome_of(bench, by_mail(bench, port), target), Unsendable)
    assert mailbox.messages == []


async def test_mail_that_does_not_get_through_is_tried_again_for_a_day(bench: Bench, partner: Partner) -> None:
    bench.alerts.raise_for_partner(partner.id, switched_off("why"))
    attempts, mailbox = [], Mailbox()
    while latest(bench)[0].next_attempt_at is not None:
        attempts.append(bench.clock.now() - START)
        await send(bench, by_mail(bench, 1))
        bench.advance(minutes=1)
        while not bench.alerts.notices.due("mail", 9) and latest(bench)[0].next_attempt_at is not None:
            bench.advance(minutes=1)
    assert [step.total_seconds() / 60 for step in attempts[:8]] == [0, 1, 3, 7, 15, 31, 63, 123]
    assert attempts[-1] <= timedelta(hours=24)
    assert all("given up" in row.problem for row in latest(bench))
    async with mail_server(mailbox) as port:
        assert await send(bench, by_mail(bench, port)) == 0


async def test_mail_waits_while_the_server_is_away_and_comes_once_it_is_back(bench: Bench, partner: Partner) -> None:
    bench.alerts.raise_for_partner(partner.id, switched_off("why"))
    assert await send(bench, by_mail(bench, 1)) == 2
    assert await send(bench, by_mail(bench, 1)) == 0
    bench.advance(minutes=1)
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        assert await send(bench, by_mail(bench, port)) == 2
    assert len(mailbox.messages) == 2
    assert [row.problem for row in latest(bench)] == [None, None]


async def test_a_mail_that_nobody_could_send_for_a_day_is_not_sent_any_more(bench: Bench, partner: Partner) -> None:
    bench.alerts.raise_for_partner(partner.id, switched_off("why"))
    bench.advance(hours=24, seconds=1)
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        await send(bench, by_mail(bench, port))
    assert mailbox.messages == []
    assert bench.alerts.notices.due("mail", 9) == []


async def test_a_mail_server_that_says_nothing_is_not_waited_for_long(bench: Bench) -> None:
    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    over = asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(5):
        assert isinstance(await outcome_of(bench, by_mail(bench, port, seconds=0.3)), NotReached)
    over.set()
    server.close()


async def test_the_alert_url_is_told_with_the_signature_of_deliveries(bench: Bench, partner: Partner) -> None:
    async with Callback() as alerts:
        await switch_off(bench, partner, alerts.url, "example-secret")
        assert await tell_webhooks(bench) == 1
        assert await tell_webhooks(bench) == 0
    (request,) = alerts.requests
    assert json.loads(request.body) == {
        "type": "webhook.switchedOff",
        "partnerId": partner.id,
        "reason": GONE,
        "at": "2026-11-24T17:00:00.000Z",
    }
    assert request.headers["Content-Type"] == "application/json"
    assert verify(["example-secret"], request.body, request.headers["X-Spark-Signature"])
    assert not [name for name in request.headers if name.startswith("X-Cdrelay")]  # it is no delivery


async def test_an_alert_url_goes_through_the_same_guard_as_deliveries(tmp_path: Path) -> None:
    open_one = Bench(tmp_path / "home", ManualClock(START), **ALLOWED)
    partner = open_one.partner()
    async with Callback() as alerts:
        await switch_off(open_one, partner, alerts.url)
        open_one.close()
        guarded = Bench(tmp_path / "home", ManualClock(START), allow_http_callbacks=True)
        assert await tell_webhooks(guarded) == 1
        assert alerts.requests == []
        assert "is loopback" in latest(guarded)[0].problem
        guarded.close()


async def test_an_alert_url_that_fails_is_told_again_and_one_that_is_gone_is_not(
    bench: Bench, partner: Partner
) -> None:
    async with Callback() as alerts:
        await switch_off(bench, partner, alerts.url)
        alerts.answers.extend([Answer(500), Answer(410)])
        assert await tell_webhooks(bench) == 1
        bench.advance(minutes=1)
        assert await tell_webhooks(bench) == 1
        bench.advance(hours=2)
        assert await tell_webhooks(bench) == 0
        assert len(alerts.requests) == 2


async def test_an_alert_url_that_hangs_keeps_no_other_from_being_told(bench: Bench, partner: Partner) -> None:
    async with Callback(otherwise=Answer(hangs=True)) as hangs, Callback() as alerts:
        await switch_off(bench, partner, hangs.url)
        await switch_off(bench, bench.partner("Reseller Two", []), alerts.url)
        assert await tell_webhooks(bench) == 2
        assert len(alerts.requests) == 1


async def give_up(bench: Bench, partner: Partner, ticks: int) -> None:
    """A delivery of that window is given up: its body is gone."""
    delivery = put(bench, partner, ticks=ticks)
    bench.outbox.remove_body(delivery)
    async with bench.sender() as sender:
        await sender.send_due()
    assert state(bench, delivery)[0] == "failed"


async def test_what_is_given_up_is_told_once_a_day_at_most_and_nothing_is_left_out(
    bench: Bench, partner: Partner
) -> None:
    bench.hook(partner)
    assert bench.alerts.raise_for_given_up() == 0
    await give_up(bench, partner, 0)
    bench.advance(minutes=1)
    assert bench.alerts.raise_for_given_up() == 2
    assert "given up: 1" in latest(bench)[0].what
    bench.advance(minutes=1)
    await give_up(bench, partner, 1)
    await give_up(bench, partner, 2)
    bench.advance(hours=23)
    assert bench.alerts.raise_for_given_up() == 0
    bench.advance(hours=1)
    assert bench.alerts.raise_for_given_up() == 2
    what = latest(bench)[0].what
    assert "given up: 2" in what
    assert "2026-11-24 16:55 to 2026-11-24 17:05 UTC" in what
    bench.advance(hours=30)
    assert bench.alerts.raise_for_given_up() == 0


async def test_what_a_partner_is_told_is_no_other_partners(bench: Bench, partner: Partner) -> None:
    other = bench.partner("Reseller Two", [])
    bench.webhooks.set(other.id, "https://callback.example/", alert_url="https://two.example.com/")
    bench.clock.advance(timedelta(milliseconds=1))
    await give_up(bench, other, 0)
    bench.alerts.raise_for_given_up()
    assert rows(bench) == [("webhook", "https://two.example.com/")]


async def test_the_publisher_sends_deliveries_and_alerts_by_itself(tmp_path: Path) -> None:
    """Its own loops, put together as `cdrelay serve` does."""
    mailbox = Mailbox()
    async with mail_server(mailbox) as port, Callback(otherwise=Answer(410)) as callback, Callback() as alerts:
        mail = MAIL | {"mail_server": f"127.0.0.1:{port}", "mail_starttls": False}
        bench = Bench(tmp_path / "whole", ManualClock(START), **mail, **ALLOWED)
        partner = bench.partner()
        bench.hook(partner, callback.url)
        bench.webhooks.set(partner.id, callback.url, alert_url=alerts.url, replace=True)
        with bench.foundation.database.write() as connection:
            full = {"id": "ada", "partner_id": partner.id, "email": "ada@example.com", "name": "ada", "role": "full"}
            connection.execute(insert(administrators).values(full | {"failures": 0, "created_at": START}))
        await give_up(bench, partner, 0)
        put(bench, partner, ticks=1)
        loops = [
            asyncio.create_task(loop())  # type: ignore[arg-type]
            for loop in delivery_workers(bench.foundation, bench.webhooks, bench.outbox)
        ]
        try:
            async with asyncio.timeout(20):
                while len(mailbox.messages) < 2 or len(alerts.requests) < 2:
                    bench.advance(seconds=1)
                    await asyncio.sleep(0.05)
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            bench.close()
    kinds = {json.loads(request.body)["type"] for request in alerts.requests}
    assert kinds == {"webhook.switchedOff", "deliveries.givenUp"}


async def test_alerts_survive_a_restart(bench: Bench, partner: Partner) -> None:
    bench.alerts.raise_for_partner(partner.id, switched_off("why"))
    again = bench.again()
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        assert await send(again, by_mail(again, port)) == 2
    assert isinstance(latest(again)[0].sent_at, datetime)
    again.close()
