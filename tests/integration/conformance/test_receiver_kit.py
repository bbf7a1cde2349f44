"""The receiver kit against our own collector, which passes, and against listeners whose fault it names."""

import pytest

from cdrelay.clock import SystemClock
from cdrelay.conformance import exchange
from cdrelay.conformance.checks import CannotRun, Result
from cdrelay.conformance.exchange import read_url
from cdrelay.conformance.receiver import RECEIVER_CHECKS, check_receiver
from tests.integration.conformance.conftest import QUICK, SECRET, Ours
from tests.integration.conformance.wrong_listener import answering, listening
from tests.support.process import free_port

LARGE_AND_ALONE = {"large-body"}
"""Checks that take long; most faults need them not."""


async def run(url: str, secret: str | None = SECRET, only: set[str] | None = None) -> dict[str, Result]:
    """The results of the kit by name."""
    checks = [one for one in RECEIVER_CHECKS if only is None or one.name in only]
    results = await check_receiver(read_url(url), secret, SystemClock(), checks=checks, pace=QUICK)
    return {one.name: one for one in results}


def ended(results: dict[str, Result], verdict: str) -> dict[str, str]:
    """What happened in the checks that ended so."""
    return {name: one.what for name, one in results.items() if one.verdict == verdict}


async def test_our_collector_passes_every_check_of_a_listener(ours: Ours) -> None:
    results = await run(ours.webhook)

    assert ended(results, "passed").keys() == {one.name for one in RECEIVER_CHECKS}, results
    assert ours.running.collector is not None
    loaded = ours.running.collector.store.loader.drain()
    assert loaded


async def test_without_a_secret_what_needs_one_is_skipped_and_the_rest_passes(ours: Ours) -> None:
    quick = {one.name for one in RECEIVER_CHECKS} - LARGE_AND_ALONE

    results = await run(f"{ours.address}/webhooks/unsigned", secret=None, only=quick)

    skipped = {"wrong-signature", "missing-signature", "signature-of-other-bytes", "upper-case-hex"}
    assert ended(results, "skipped").keys() == skipped
    assert ended(results, "passed").keys() == quick - skipped


async def test_a_listener_without_fault_passes() -> None:
    async with listening(SECRET) as url:
        assert ended(await run(url), "failed") == {}


FAULTS = {
    "accepts wrong signatures": {"wrong-signature", "signature-of-other-bytes"},
    "accepts a missing signature": {"missing-signature"},
    "verifies re-serialised JSON": {
        "oddly-written-json",
        "trailing-newline",
        "names-in-utf8",
        "signature-of-other-bytes",
    },
    "refuses empty lists": {"empty-list"},
    "refuses unknown keys": {"unknown-keys"},
    "refuses numbers as text": {"odd-types"},
    "refuses late records": {"late-records"},
    "answers 500 to duplicates": {"duplicates", "two-at-once", "repeat-after-no-answer"},
    "answers 200 to broken JSON": {"broken-json"},
    "limits the body to 1 MB": {"large-body"},
    "takes a GET for a delivery": {"get-is-no-delivery"},
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_caught_by_the_check_that_is_for_it(fault: str) -> None:
    slow = LARGE_AND_ALONE - FAULTS[fault]
    async with listening(SECRET, fault) as url:
        results = await run(url, only={one.name for one in RECEIVER_CHECKS} - slow)

    assert ended(results, "failed").keys() == FAULTS[fault]


async def test_a_listener_that_takes_one_at_a_time_is_caught() -> None:
    async with listening(SECRET, "takes one at a time") as url:
        results = await run(url, only={"right-signature", "two-at-once"})

    assert ended(results, "failed").keys() == {"two-at-once"}


async def test_a_listener_that_is_busy_with_what_broke_off_is_caught() -> None:
    async with listening(SECRET, "stays busy with what broke off") as url:
        results = await run(url, only={"right-signature", "half-a-body"})

    assert ended(results, "failed").keys() == {"half-a-body"}


async def test_a_listener_that_takes_lower_case_only_is_warned() -> None:
    async with listening(SECRET, "takes lower case only") as url:
        results = await run(url, only={"upper-case-hex", "right-signature"})

    assert ended(results, "warning").keys() == {"upper-case-hex"}


async def test_a_wrong_secret_is_told_where_it_shows_first() -> None:
    async with listening("another secret") as url:
        results = await run(url, only={"right-signature", "broken-json"})

    assert "does the listener expect this secret?" in ended(results, "failed")["right-signature"]
    assert "broken-json" in ended(results, "warning")


async def test_a_listener_that_is_not_there_cannot_be_checked() -> None:
    with pytest.raises(CannotRun, match="no connection"):
        await run(f"http://127.0.0.1:{free_port()}/callback")


@pytest.mark.parametrize(
    "pieces", [(), (b"no HTTP\r\n\r\n",), (b"HTTP/1.1 400 x\r\nX: " + b"a" * 10_000 + b"\r\n\r\n",)]
)
async def test_no_report_holds_what_may_be_secret_in_an_address(pieces: tuple[bytes, ...]) -> None:
    async with answering(*pieces) as url:
        results = await run(url, only={"right-signature", "large-body"})

    assert ended(results, "failed").keys() == {"right-signature", "large-body"}
    assert "hidden" not in str(results)


async def test_an_answer_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MOST_BYTES", 10**7)
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10**6, endless=True) as url:
        results = await run(url, only={"empty-list"})

    assert ended(results, "failed") == {"empty-list": "the answer is larger than 10000000 bytes"}
