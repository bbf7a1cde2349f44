"""Which windows came whole: manifests over real HTTP, through the spool and a load, and what they prove."""

import gzip
import json
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import aiohttp
import pytest

from cdrelay.collector.comparison import due_until
from cdrelay.collector.manifests import Manifests, MissingWindow
from cdrelay.collector.sources import SourceChange
from cdrelay.contract.manifest import COUNT, PARTS, Manifest, digest_of
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.lake.load_again import load_again
from cdrelay.lake.spool import Envelope
from tests.integration.collector.collector_bench import START, Bench, serving
from tests.support.provider import Call, body_of, calls, organization

RULES = Rules()
TICK = RULES.tick
WINDOW = Period(START - timedelta(minutes=30), START - timedelta(minutes=25))
NEXT = Period(WINDOW.end, WINDOW.end + TICK)


@pytest.fixture
def manifests(bench: Bench) -> Manifests:
    bench.sources.add("webex", SourceChange())
    return Manifests(bench.database)


def records(window: Period = WINDOW, number: int = 3) -> list[Call]:
    return calls(organization(1), window.start + timedelta(seconds=10), number)


def manifest_of(records: Sequence[Call], window: Period = WINDOW, part: int = 1, parts: int = 1) -> Manifest:
    ids = [str(json.loads(body_of([one]))["items"][0]["Report ID"]) for one in records]
    return Manifest(window, part, parts, len(records), digest_of(ids))


async def deliver(bench: Bench, body: bytes, headers: dict[str, str]) -> None:
    """Over HTTP, and load it."""
    await receive(bench, body, headers)
    bench.store.loader.drain()


async def receive(bench: Bench, body: bytes, headers: dict[str, str]) -> None:
    """Over HTTP alone."""
    async with (
        serving(bench.receiver()) as address,
        aiohttp.ClientSession() as session,
        session.post(f"{address}/webhooks/webex", data=body, headers=headers) as response,
    ):
        assert response.status == 200


def spool(bench: Bench, manifest: Manifest, sent: Sequence[Call]) -> None:
    """As if it had come with these headers."""
    envelope = Envelope(
        id=str(uuid4()), source="webex", channel="webhook", received=bench.clock.now(), manifest=manifest
    )
    bench.store.spool.put(envelope, body_of(sent))


async def deliver_whole(bench: Bench, window: Period = WINDOW, part: int = 1, parts: int = 1) -> None:
    sent = records(Period(window.start + timedelta(seconds=part), window.end))
    await deliver(bench, body_of(sent), manifest_of(sent, window, part, parts).headers())


def again(bench: Bench, payload: str) -> str:
    """Load what is in quarantine of a payload again; the name that it has then."""
    name = load_again(bench.store.quarantine, bench.store.spool, payload, bench.clock.now())
    bench.store.loader.drain()
    return name


def states(manifests: Manifests, window: Period = WINDOW) -> list[tuple[int, str]]:
    return [(row.part, row.state) for row in manifests.of_window("webex", window)]


async def test_a_delivery_that_holds_what_its_manifest_says_proves_its_window(
    bench: Bench, manifests: Manifests
) -> None:
    await deliver_whole(bench)
    assert states(manifests) == [(1, "verified")]
    assert manifests.proves("webex", WINDOW)
    assert not manifests.proves("webex", Period(WINDOW.start, NEXT.end))
    assert not manifests.proves("other", WINDOW)
    assert bench.incidents.latest() == []


async def test_upper_case_ids_and_spelled_otherwise_are_the_same_ids(bench: Bench, manifests: Manifests) -> None:
    sent = records()
    body = body_of(sent).replace(b'"Report ID"', b'"report id"')
    headers = manifest_of(sent).headers()
    await deliver(bench, body, headers | {"X-Cdrelay-Digest": headers["X-Cdrelay-Digest"].upper()})
    assert states(manifests) == [(1, "verified")]


async def test_other_records_than_the_manifest_says_prove_nothing_and_are_told(
    bench: Bench, manifests: Manifests
) -> None:
    # One lost and another one there twice: the count is right, and only the ids show it.
    sent = records()
    await deliver(bench, body_of([sent[0], sent[1], sent[1]]), manifest_of(sent).headers())
    assert states(manifests) == [(1, "differs")]
    assert not manifests.proves("webex", WINDOW)
    (incident,) = bench.incidents.latest()
    assert "part 1 of 1 of the window from 2026-11-24T12:00:00Z" in incident.what
    assert manifests.missing("webex", START, RULES)[0] == MissingWindow(WINDOW, (1,))


async def test_without_a_digest_the_count_makes_a_window_whole_but_proves_nothing(
    bench: Bench, manifests: Manifests
) -> None:
    sent = records()
    await deliver(bench, body_of(sent), Manifest(WINDOW, 1, 1, 3).headers())
    await deliver(bench, body_of(records(NEXT)), Manifest(NEXT, 1, 1, 4).headers())
    assert (states(manifests), states(manifests, NEXT)) == ([(1, "counted")], [(1, "differs")])
    assert not manifests.proves("webex", WINDOW)
    assert WINDOW not in [one.window for one in manifests.missing("webex", START, RULES)]


async def test_a_record_in_quarantine_leaves_its_window_unproved(bench: Bench, manifests: Manifests) -> None:
    sent = records()
    stale = body_of(sent).replace(b"2026-11-24T12:00", b"1999-11-24T12:00", 1)
    assert stale != body_of(sent)
    await deliver(bench, stale, manifest_of(sent).headers())
    assert bench.store.quarantine.list() != []
    assert states(manifests) == [(1, "quarantined")]
    assert not manifests.proves("webex", WINDOW)
    assert "1 of its records are in quarantine" in bench.incidents.latest()[0].what


async def test_a_record_in_quarantine_whose_id_cannot_be_read_leaves_it_open_what_came(
    bench: Bench, manifests: Manifests
) -> None:
    sent = records()
    broken = body_of(sent).replace(sent[0].wire()["Report ID"].encode(), b"no-uuid")
    await deliver(bench, broken, manifest_of(sent).headers())
    assert states(manifests) == [(1, "differs")]


@pytest.mark.parametrize("stale", [False, True])
async def test_a_body_that_could_not_be_read_is_compared_with_its_manifest_once_it_is_loaded_again(
    bench: Bench, manifests: Manifests, stale: bool
) -> None:
    sent, loader = records(), bench.store.loader
    limits, loader._limits = loader._limits, replace(loader._limits, unpacked_bytes=10)
    body = body_of(sent).replace(b"2026-11-24T12:00", b"1999-11-24T12:00", 1) if stale else body_of(sent)
    headers = manifest_of(sent).headers() | {"Content-Encoding": "gzip"}
    await deliver(bench, gzip.compress(body), headers)
    (name,) = bench.store.quarantine.payloads()
    assert again(bench, name) == f"{name}~2"  # nothing was mended: it cannot be read still
    assert states(manifests) == [(1, "differs")]
    assert manifests.missing("webex", START, RULES)[0] == MissingWindow(WINDOW, (1,))
    loader._limits = limits
    again(bench, f"{name}~2")
    assert states(manifests) == [(1, "quarantined" if stale else "verified")]
    assert WINDOW not in [one.window for one in manifests.missing("webex", START, RULES)]
    loader._limits = replace(limits, max_age=timedelta(days=40_000))
    for payload in bench.store.quarantine.payloads():
        again(bench, payload)
    assert states(manifests) == [(1, "verified")]
    assert manifests.proves("webex", WINDOW)


async def test_a_body_that_holds_others_than_its_manifest_says_differs_also_when_it_is_loaded_again(
    bench: Bench, manifests: Manifests
) -> None:
    loader = bench.store.loader
    limits, loader._limits = loader._limits, replace(loader._limits, unpacked_bytes=10)
    headers = manifest_of(records()).headers() | {"Content-Encoding": "gzip"}
    await deliver(bench, gzip.compress(body_of(records()[:2])), headers)
    loader._limits = limits
    again(bench, bench.store.quarantine.payloads()[0])
    assert bench.store.lake.total() == 2
    assert states(manifests) == [(1, "differs")]


async def test_all_parts_are_needed_and_those_that_are_not_there_are_named(bench: Bench, manifests: Manifests) -> None:
    await deliver_whole(bench, part=2, parts=4)
    await deliver_whole(bench, part=3, parts=4)
    assert manifests.missing("webex", START, RULES)[0] == MissingWindow(WINDOW, (1, 4))
    await deliver_whole(bench, part=1, parts=4)
    assert not manifests.proves("webex", WINDOW)
    await deliver_whole(bench, part=4, parts=4)
    assert manifests.proves("webex", WINDOW)


async def test_a_window_sent_again_cut_otherwise_proves_it_and_overwrites_nothing(
    bench: Bench, manifests: Manifests
) -> None:
    await deliver_whole(bench, part=1, parts=2)
    await deliver_whole(bench, part=1, parts=1)
    assert states(manifests) == [(1, "verified"), (1, "verified")]
    assert manifests.proves("webex", WINDOW)
    assert WINDOW not in [one.window for one in manifests.missing("webex", START, RULES)]


async def test_what_should_be_here_and_is_not_is_missing_until_it_comes(bench: Bench, manifests: Manifests) -> None:
    assert manifests.missing("webex", START, RULES) == []
    await deliver_whole(bench)
    late = Period(START - timedelta(minutes=15), START - timedelta(minutes=10))
    await deliver_whole(bench, late)
    missing = manifests.missing("webex", START, RULES)
    assert [one.window.start for one in missing] == [NEXT.start, NEXT.end]
    assert {one.parts_missing for one in missing} == {None}
    assert due_until(START, RULES) == late.end  # the window after it is not due yet
    for one in missing:
        await deliver_whole(bench, one.window)
    assert manifests.missing("webex", START, RULES) == []
    assert manifests.proves("webex", Period(WINDOW.start, late.end))


async def test_a_silent_source_misses_every_window_in_reach_but_none_older(bench: Bench, manifests: Manifests) -> None:
    await deliver_whole(bench)
    later = START + timedelta(days=30)
    missing = manifests.missing("webex", later, RULES)
    assert missing[0].window.start == later - RULES.reach
    assert missing[-1].window.end == due_until(later, RULES)
    assert all(first.window.end == second.window.start for first, second in pairwise(missing))
    assert manifests.prune(later, RULES) == 0  # the newest stays, so that silence is not taken for ignorance
    assert manifests.missing("webex", later, RULES) == missing


async def test_what_headers_say_of_parts_costs_nothing_but_what_came(bench: Bench, manifests: Manifests) -> None:
    """Nobody signs them: one broken number must not become work in each look at the windows."""
    sent = records()
    for parts in range(9_900, 10_000):
        spool(bench, Manifest(WINDOW, 1, parts, 3, manifest_of(sent).digest), sent)
    bench.store.loader.drain()
    tracemalloc.start()
    (first, *_) = manifests.missing("webex", START, RULES)
    _size, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert first == MissingWindow(WINDOW, tuple(range(2, 102)))
    assert peak < 3_000_000  # sets of all these numbers would take 50 MB


async def test_windows_that_are_said_to_be_in_the_future_are_forgotten_too(bench: Bench, manifests: Manifests) -> None:
    for days in (400, 800):
        window = Period(START + timedelta(days=days), START + timedelta(days=days) + TICK)
        spool(bench, manifest_of(records(), window), records())
    bench.store.loader.drain()
    await deliver_whole(bench)
    assert manifests.prune(START + timedelta(days=15), RULES) == 2
    assert manifests.prune(START + timedelta(days=15), RULES) == 0


async def test_old_windows_are_forgotten(bench: Bench, manifests: Manifests) -> None:
    await deliver_whole(bench)
    await deliver_whole(bench, NEXT)
    assert manifests.prune(START, RULES) == 0
    assert manifests.prune(START + timedelta(days=14), RULES) == 1
    assert (states(manifests), states(manifests, NEXT)) == ([], [(1, "verified")])


async def test_the_manifest_of_a_source_that_is_gone_holds_up_no_load(bench: Bench, manifests: Manifests) -> None:
    sent = records()
    await receive(bench, body_of(sent), manifest_of(sent).headers())
    bench.sources.remove("webex")
    assert bench.store.loader.drain().added == 3
    assert bench.store.spool.waiting() == []


@pytest.mark.parametrize("nonsense", [{COUNT: "9" * 30}, {PARTS: "10001"}, {"X-Cdrelay-Window-End": "soon"}])
async def test_headers_that_make_no_sense_are_no_manifest_and_cost_no_record(
    bench: Bench, manifests: Manifests, nonsense: dict[str, str]
) -> None:
    sent = records()
    await deliver(bench, body_of(sent), manifest_of(sent).headers() | nonsense)
    assert bench.store.lake.total() == 3
    assert states(manifests) == []


async def test_a_manifest_that_is_loaded_twice_has_one_row(bench: Bench, manifests: Manifests) -> None:
    def killed(step: str) -> None:
        if step == "receipted":
            raise InterruptedError("here")

    sent = records()
    await receive(bench, body_of(sent), manifest_of(sent).headers())
    bench.store.loader.step = killed
    with pytest.raises(InterruptedError, match="here"):
        bench.store.loader.drain()
    bench.store.loader.step = lambda name: None
    assert bench.store.loader.drain().payloads == 1
    assert states(manifests) == [(1, "verified")]
