"""Checks of a listener: which records it takes. A delivery that is in order is answered 2xx whatever is in it."""

from datetime import timedelta

from cdrelay.conformance.calls import body_of, newer, with_odd_types, with_unknown_keys
from cdrelay.conformance.checks import Outcome, check, failed, passed, warning
from cdrelay.conformance.deliverer import REFUSALS, Deliverer, accepted
from cdrelay.contract.manifest import Manifest
from cdrelay.contract.windows import Period

_PARTS = 3
_TICK = timedelta(minutes=5)


@check("FACTS 1.1, 1.3", "A window without calls, an empty list, is answered 2xx.")
async def empty_list(side: Deliverer) -> Outcome:
    """Whether empty windows are sent is not published, so a listener must expect them."""
    return accepted(await side.deliver_records([]))


@check("FACTS 1.1", "Records that were delivered before are taken again: removing duplicates is the listener's duty.")
async def duplicates(side: Deliverer) -> Outcome:
    """The same payload again, its records in another one, and twice in one."""
    records, others = side.records(), side.records()
    return accepted(
        await side.deliver_records(records),
        await side.deliver_records(records),
        await side.deliver_records([*others, *records[::-1]]),
        await side.deliver_records([*others, *others]),
    )


@check("FACTS 1.1; TRAPS 8", "A newer version of a record is taken, and an older one that comes after it.")
async def versions(side: Deliverer) -> Outcome:
    """In both orders."""
    first, second = side.records(), side.records()
    return accepted(
        await side.deliver_records(first),
        await side.deliver_records(newer(first)),
        await side.deliver_records(newer(second)),
        await side.deliver_records(second),
    )


@check("FACTS 1.1", "Records that were processed late ride in a later delivery and are taken.")
async def late_records(side: Deliverer) -> Outcome:
    """From half an hour to almost the two days for which records are kept."""
    late = [record for hours in (0.5, 6, 47) for record in side.records(5, timedelta(hours=hours))]
    return accepted(await side.deliver_records([*side.records(5), *late]))


@check("FACTS 1.3 (no order is promised)", "Windows are taken in any order.")
async def reordered_windows(side: Deliverer) -> Outcome:
    """The newest first."""
    windows = [side.records(10, _TICK * number) for number in range(3)]
    return accepted(*[await side.deliver_records(records) for records in windows])


@check("FACTS 1.3 (splitting is not excluded)", "One window may come as several deliveries, in any order.")
async def parts_of_a_window(side: Deliverer) -> Outcome:
    """The last part first, with the headers in which our publisher says so."""
    end = side.window_end()
    window = Period(end - _TICK, end)
    answers = []
    for part in range(_PARTS, 0, -1):
        records = side.records(10)
        headers = Manifest(window, part, _PARTS, len(records)).headers()
        answers.append(await side.deliver(body_of(records), headers))
    return accepted(*answers)


@check("FACTS 4; TRAPS 10", "Keys that nobody knows are no reason to refuse a delivery: new ones may come at any time.")
async def unknown_keys(side: Deliverer) -> Outcome:
    """Of each JSON type, in front and at the end."""
    return accepted(await side.deliver_records(with_unknown_keys(side.records())))


@check("FACTS 4; TRAPS 9", "Numbers may come as text and the reverse, gaps as null, and values that no list has.")
async def odd_types(side: Deliverer) -> Outcome:
    """As the provider's own documents and captures differ."""
    return accepted(await side.deliver_records(with_odd_types(side.records())))


@check(
    "FACTS 1.3, 1.5 (no size is published)",
    "A delivery of 20 MB is answered 2xx within the time the provider waits, 15 seconds.",
)
async def large_body(side: Deliverer) -> Outcome:
    """As after hours of silence, all in one."""
    sample = side.lines(50)
    size = sum(map(len, sample)) / len(sample)
    body = _listing(side.lines(int(side.pace.large_body_bytes / size) + 50))
    outcome = accepted(await side.deliver(body))
    return Outcome(outcome.verdict, f"{len(body) / 1e6:.1f} MB: {outcome.what}")


@check("FACTS 1.5", "A body that is no JSON is not answered 2xx: nothing of it can have been kept as records.")
async def broken_json(side: Deliverer) -> Outcome:
    """Cut off in the middle, and signed as it is."""
    body = body_of(side.records())
    answer = await side.deliver(body[: len(body) // 2])
    if answer.taken:
        return failed(f"took it: {answer}")
    if answer.status is None:
        return failed(str(answer))
    if answer.status in REFUSALS:
        return warning(f"refused, but as if its signature did not fit: {answer}")
    # A status of 500 says "send it again", and it would never fit.
    return (
        passed(str(answer)) if answer.status < 500 else warning(f"refused as if it were the listener's fault: {answer}")
    )


def _listing(lines: list[bytes]) -> bytes:
    return b'{"items":[' + b",".join(lines) + b"]}"


RECORD_CHECKS = (
    empty_list,
    duplicates,
    versions,
    late_records,
    reordered_windows,
    parts_of_a_window,
    unknown_keys,
    odd_types,
    large_body,
    broken_json,
)
