"""Deliveries that something of the publisher's own keeps back: nothing is lost, and whoever can mend it is told."""

from datetime import timedelta

from sqlalchemy import select, update

from cdrelay.control.tables import attempts, webhooks
from cdrelay.publisher.parties import Partner
from tests.integration.publisher.publisher_bench import Bench
from tests.integration.publisher.test_sending import put, state
from tests.support.callback import Callback


def damage_secret(bench: Bench, partner: Partner) -> None:
    """As with another key, or a damaged row."""
    with bench.foundation.database.write() as connection:
        connection.execute(update(webhooks).where(webhooks.c.partner_id == partner.id).values(secret=b"damaged"))


def outcomes(bench: Bench, delivery: str) -> list[str]:
    """What came of each attempt."""
    with bench.foundation.database.read() as connection:
        return list(connection.scalars(select(attempts.c.outcome).where(attempts.c.delivery_id == delivery)))


async def test_a_secret_that_cannot_be_read_is_told_once_and_each_in_their_words(bench: Bench) -> None:
    partner, well = bench.partner(), bench.partner("Well", ())
    async with Callback() as callback, bench.sender() as sender:
        bench.hook(partner, callback.url, "example-secret")
        bench.hook(well, callback.url, "example-secret")
        damage_secret(bench, partner)
        windows = [put(bench, partner, ticks=number) for number in range(3)]
        delivered = put(bench, well)
        await sender.send_due()
        bench.advance(minutes=1)
        await sender.send_due()
    assert state(bench, delivered) == ("delivered", 1)
    assert [state(bench, one) for one in windows] == [("pending", 2)] * 3
    # The partner reads these, and cannot do anything with the place of our key.
    assert set(outcomes(bench, windows[0])) == {
        "the webhook's secret cannot be read any more at the publisher: set a new one"
    }
    (incident,) = bench.incidents.latest()
    assert partner.id in incident.what
    assert str(bench.home / "secret.key") in incident.what
    assert bench.webhooks.get(partner.id).failing_since is None  # the callback has done nothing wrong


async def test_a_new_secret_heals_it_also_beside_the_one_that_cannot_be_read(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback() as callback, bench.sender() as sender:
        bench.hook(partner, callback.url, "example-secret")
        damage_secret(bench, partner)
        windows = [put(bench, partner, ticks=number) for number in range(2)]
        await sender.send_due()
        bench.webhooks.set(partner.id, callback.url, secret="new", replace=True, previous_valid_for=timedelta(hours=1))
        await sender.send_due()
    assert [state(bench, one)[0] for one in windows] == ["delivered"] * 2


async def test_it_is_told_again_when_it_comes_again(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback() as callback, bench.sender() as sender:
        for number in range(2):
            bench.webhooks.set(partner.id, callback.url, secret="new", replace=True)
            put(bench, partner, ticks=2 * number)
            await sender.send_due()
            damage_secret(bench, partner)
            put(bench, partner, ticks=2 * number + 1)
            await sender.send_due()
    assert len(bench.incidents.latest()) == 2


async def test_a_body_that_cannot_be_read_for_a_moment_is_not_given_up(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback() as callback, bench.sender() as sender:
        bench.hook(partner, callback.url)
        window = put(bench, partner)
        body = bench.outbox.folder / f"{window}.json.zst"
        body.rename(aside := body.with_suffix(".aside"))
        body.mkdir()  # any error but "there is no such file" will do
        await sender.send_due()
        assert state(bench, window) == ("pending", 1)
        body.rmdir()
        aside.rename(body)
        bench.advance(seconds=5)
        await sender.send_due()
    assert state(bench, window) == ("delivered", 2)
    assert outcomes(bench, window) == ["the publisher cannot read the delivery at the moment", "delivered"]
    assert partner.id in bench.incidents.latest()[0].what
