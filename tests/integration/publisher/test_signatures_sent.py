"""What deliveries are signed with: a second digest where it is set, and either secret while it is being changed."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from cdrelay.clock import ManualClock
from cdrelay.contract.signature import verify
from tests.integration.publisher.publisher_bench import START, Bench
from tests.integration.publisher.test_sending import put, state
from tests.support.callback import Answer, Callback, Request

OLD, NEW = "the old secret", "the new secret"
ALLOWED = {"allow_http_callbacks": True, "allow_callbacks_to_private_addresses": True}


class Verifying(Callback):
    """A listener that knows one secret, and refuses what is signed with another."""

    def __init__(self, secret: str, refuses_with: int) -> None:
        super().__init__(otherwise=Answer(204))
        self._secret = secret
        self._refuses_with = refuses_with
        self.taken: list[Request] = []

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        fits = verify([self._secret], body, request.headers.get("X-Spark-Signature"))
        if not fits:
            self.answers.append(Answer(self._refuses_with))
        answer = await super()._answer(request)
        if fits and answer.status == 204:
            self.taken.append(self.requests[-1])
        return answer


@pytest.fixture
def with_sha256(tmp_path: Path) -> Iterator[Bench]:
    """A publisher with the second signature."""
    opened = Bench(tmp_path / "sha256", ManualClock(START), sign_sha256=True, **ALLOWED)
    yield opened
    opened.close()


async def test_the_second_signature_is_sent_where_it_is_set(with_sha256: Bench) -> None:
    bench, partner = with_sha256, with_sha256.partner()
    async with Callback() as callback, bench.sender() as sender:
        bench.hook(partner, callback.url, "example-secret")
        put(bench, partner)
        await sender.send_due()
    headers = callback.requests[0].headers
    assert headers["X-Spark-Signature"] == "e74814f66b6a7aebb5429ebdb1558138d788dc20"
    assert headers["X-Webex-Signature"] == "d66aaa5acd50e0e3746f431e3acbc6b72abe11efe057f6c30f3506849dc89d84"


async def test_without_a_secret_there_is_no_signature_at_all(with_sha256: Bench) -> None:
    bench, partner = with_sha256, with_sha256.partner()
    async with Callback() as callback, bench.sender() as sender:
        bench.hook(partner, callback.url)
        put(bench, partner)
        await sender.send_due()
    assert not {"X-Spark-Signature", "X-Webex-Signature"} & callback.requests[0].headers.keys()


async def test_the_second_signature_is_not_sent_unless_it_is_set(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback() as callback, bench.sender() as sender:
        bench.hook(partner, callback.url, "example-secret")
        put(bench, partner)
        await sender.send_due()
    assert "X-Webex-Signature" not in callback.requests[0].headers


@pytest.mark.parametrize("refuses_with", [401, 403])
@pytest.mark.parametrize(("known", "attempts"), [(NEW, 1), (OLD, 2)])
async def test_while_a_secret_is_being_changed_a_listener_gets_every_window_with_either(
    bench: Bench, known: str, attempts: int, refuses_with: int
) -> None:
    partner = bench.partner()
    async with Verifying(known, refuses_with) as callback, bench.sender() as sender:
        bench.hook(partner, callback.url, OLD)
        bench.webhooks.set(partner.id, callback.url, secret=NEW, replace=True, previous_valid_for=timedelta(hours=24))
        windows = [put(bench, partner, ticks=number) for number in range(3)]
        await sender.send_due()
        bench.advance(seconds=5)
        await sender.send_due()
        assert [state(bench, one) for one in windows] == [("delivered", attempts)] * 3
        assert len(callback.taken) == 3


async def test_a_failure_of_another_kind_does_not_change_the_secret(bench: Bench) -> None:
    partner = bench.partner()
    async with Verifying(NEW, 401) as callback, bench.sender() as sender:
        bench.hook(partner, callback.url, OLD)
        bench.webhooks.set(partner.id, callback.url, secret=NEW, replace=True, previous_valid_for=timedelta(hours=24))
        window = put(bench, partner)
        callback.answers.append(Answer(500))
        await sender.send_due()
        bench.advance(seconds=5)
        await sender.send_due()
    assert state(bench, window) == ("delivered", 2)


async def test_the_old_secret_is_not_used_once_it_is_not_valid_any_more(bench: Bench) -> None:
    partner = bench.partner()
    async with Verifying(OLD, 401) as callback, bench.sender() as sender:
        bench.hook(partner, callback.url, OLD)
        bench.webhooks.set(partner.id, callback.url, secret=NEW, replace=True, previous_valid_for=timedelta(hours=24))
        bench.advance(hours=24)
        put(bench, partner)
        for _ in range(4):
            await sender.send_due()
            bench.advance(seconds=900)
        assert len(callback.requests) == 4
        assert callback.taken == []
        assert all(verify([NEW], one.body, one.headers["X-Spark-Signature"]) for one in callback.requests)
