"""The next part of a window is read and signed while the one before it is being sent."""

from datetime import timedelta

import pytest

from cdrelay.callbacks.bodies import PackedBody, PlainBody
from cdrelay.contract.signature import SIGNATURE_HEADER, sign
from cdrelay.contract.windows import Period
from cdrelay.publisher.delivery import preparing
from cdrelay.publisher.delivery.deliveries import Delivery, delivery_id
from cdrelay.publisher.delivery.preparing import Preparation, Prepared
from cdrelay.publisher.delivery.recording import Attempts
from cdrelay.publisher.parties import Partner
from tests.integration.publisher.publisher_bench import START, Bench
from tests.support.callback import Callback


def window(bench: Bench, partner: Partner, parts: int) -> list[Delivery]:
    """So many parts that are due."""
    found = []
    for part in range(1, parts + 1):
        delivery = Delivery(
            id=delivery_id(partner.id, START, part),
            partner_id=partner.id,
            tick=START,
            window=Period(START - timedelta(minutes=10), START - timedelta(minutes=5)),
            part=part,
            parts=parts,
            records=0,
            body_bytes=12,
            next_attempt_at=bench.clock.now(),
        )
        bench.outbox.write_body(delivery.id, PackedBody.pack(body(part)))
        found.append(delivery)
    bench.outbox.add_windows([found])
    return found


def body(part: int) -> bytes:
    return b'{"items":[{"part":%d}]}' % part


@pytest.fixture
def signings(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that were signed."""
    found: list[bytes] = []
    real = preparing.signature_headers

    def signature_headers(secret: str | None, content: bytes, *, sha256: bool) -> dict[str, str]:
        found.append(content)
        return real(secret, content, sha256=sha256)

    monkeypatch.setattr(preparing, "signature_headers", signature_headers)
    return found


@pytest.fixture
def preparation(bench: Bench) -> Preparation:
    return Preparation(bench.outbox, bench.webhooks, Attempts(bench.foundation.database, bench.clock, bench.alerts))


def sent(prepared: object) -> tuple[bytes, str]:
    """The body, and its signature."""
    assert isinstance(prepared, Prepared)
    return b"".join(prepared.body.pieces(5)), prepared.headers[SIGNATURE_HEADER]


async def test_each_part_is_signed_once_and_arrives_as_it_is(bench: Bench, signings: list[bytes]) -> None:
    partner = bench.partner()
    async with Callback() as callback, bench.sender() as sender:
        bench.hook(partner, callback.url, "secret")
        window(bench, partner, 5)
        assert await sender.send_due() == 5
    bodies = [body(part) for part in range(1, 6)]
    assert [request.body for request in callback.requests] == bodies
    assert [request.headers[SIGNATURE_HEADER] for request in callback.requests] == [
        sign("secret", one) for one in bodies
    ]
    assert signings == bodies


def test_what_was_signed_ahead_is_not_signed_again(
    bench: Bench, preparation: Preparation, signings: list[bytes]
) -> None:
    partner = bench.partner()
    bench.hook(partner, secret="secret")
    first, second = window(bench, partner, 2)
    preparation.sign_next(first)
    assert signings == [body(2)]
    assert sent(preparation.prepare(second)) == (body(2), sign("secret", body(2)))
    assert signings == [body(2)]
    assert sent(preparation.prepare(second)) == (body(2), sign("secret", body(2)))  # a retry
    assert signings == [body(2)] * 2


def test_a_secret_that_was_changed_meanwhile_is_the_one_that_signs(bench: Bench, preparation: Preparation) -> None:
    partner = bench.partner()
    bench.hook(partner, secret="before")
    first, second = window(bench, partner, 2)
    preparation.sign_next(first)
    bench.webhooks.set(partner.id, "https://callback.example/", secret="after", replace=True)
    assert sent(preparation.prepare(second)) == (body(2), sign("after", body(2)))


def test_a_body_that_was_written_anew_meanwhile_is_the_one_that_is_sent(bench: Bench, preparation: Preparation) -> None:
    partner = bench.partner()
    bench.hook(partner, secret="secret")
    first, second = window(bench, partner, 2)
    preparation.sign_next(first)
    bench.outbox.write_body(second.id, PackedBody.pack(body(7)))
    assert sent(preparation.prepare(second)) == (body(7), sign("secret", body(7)))


def test_another_delivery_of_the_partner_is_not_taken_for_it(bench: Bench, preparation: Preparation) -> None:
    partner = bench.partner()
    bench.hook(partner, secret="secret")
    first, _, third = window(bench, partner, 3)
    preparation.sign_next(first)
    assert sent(preparation.prepare(third)) == (body(3), sign("secret", body(3)))


@pytest.mark.parametrize("gone", ["body", "webhook"])
def test_what_cannot_be_signed_ahead_is_told_when_its_turn_comes(
    bench: Bench, preparation: Preparation, gone: str
) -> None:
    partner = bench.partner()
    bench.hook(partner, secret="secret")
    first, second = window(bench, partner, 2)
    if gone == "body":
        bench.outbox.remove_body(second.id)
    else:
        bench.webhooks.remove(partner.id)
    preparation.sign_next(first)
    assert not isinstance(preparation.prepare(second), Prepared)


def test_few_are_held_and_those_that_nobody_asks_for_go(
    bench: Bench, preparation: Preparation, signings: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = []
    for number in range(6):
        partner = bench.partner(f"partner {number}", ())
        bench.hook(partner, secret="secret")
        windows.append(window(bench, partner, 2))
    for first, _ in windows:
        preparation.sign_next(first)
    assert len(signings) == 4
    monkeypatch.setattr("cdrelay.publisher.delivery.ahead._SECONDS", 0)
    preparation.sign_next(windows[5][0])
    assert len(signings) == 5


def test_a_large_body_is_held_unpacked_only_where_it_may_be(bench: Bench, preparation: Preparation) -> None:
    partner = bench.partner()
    bench.hook(partner, secret="secret")
    (delivery,) = window(bench, partner, 1)
    bench.outbox.write_body(delivery.id, PackedBody.pack(b"x" * 2_000_000))
    held, packed = (preparation.prepare(delivery, hold=hold) for hold in (True, False))
    assert isinstance(held, Prepared)
    assert isinstance(packed, Prepared)
    assert (type(held.body), type(packed.body)) == (PlainBody, PackedBody)
    assert sent(held) == sent(packed)
