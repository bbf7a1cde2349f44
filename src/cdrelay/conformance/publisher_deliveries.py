"""Checks of a publisher's deliveries: what they hold, when they come, how they are signed."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from cdrelay.conformance.checks import NothingToCheck, Outcome, check, failed, judged, passed, skipped, warning
from cdrelay.conformance.listener import Arrival
from cdrelay.conformance.observation import Observation, ended, identity
from cdrelay.contract.manifest import digest_of
from cdrelay.contract.signature import SIGNATURE_HEADER
from cdrelay.contract.windows import floor_to

_SIGNATURE = re.compile(r"[0-9a-f]{40}", re.ASCII)
_NO_MANIFEST = "the deliveries do not say which window and part they are, which the contract does not ask for"


@check(
    "seed: webhook; FACTS 1.3", 'Deliveries are POSTs of application/json whose body is an object with a list "items".'
)
async def delivery_shape(seen: Observation) -> Outcome:
    """Every attempt."""
    found = [problem for one in seen.attempts for problem in _shape_problems(one)]
    records = sum(len(one.records) for one in seen.deliveries)
    return judged(found, f"{len(seen.deliveries)} deliveries with {records} records in {len(seen.attempts)} attempts")


def _shape_problems(one: Arrival) -> Iterable[str]:
    if one.method != "POST":
        yield f"it came as {one.method}"
    if not one.headers.get("Content-Type", "").lower().startswith("application/json"):
        yield f"it says it is {one.headers.get('Content-Type', 'nothing')[:50]}, not application/json"
    if one.problem is not None:
        yield one.problem


@check(
    "seed: webhook; FACTS 1.4",
    "The signature is the lower-case hex HMAC-SHA1 of the raw body; without a secret there is none.",
)
async def delivery_signature(seen: Observation) -> Outcome:
    """Every attempt, over the bytes as they came."""
    given = [(one, one.headers.get(SIGNATURE_HEADER)) for one in seen.attempts]
    if seen.secret is None:
        odd = [
            f"there is no secret, yet {SIGNATURE_HEADER} is there" for _, signature in given if signature is not None
        ]
        return judged(odd[:1], "no signature, as there is no secret")
    found = []
    for one, signature in given:
        if signature is None:
            found.append(f"{SIGNATURE_HEADER} is missing")
        elif not _SIGNATURE.fullmatch(signature):
            found.append(f"{SIGNATURE_HEADER} is not 40 lower-case hex digits")
        elif signature != one.signature_due:
            found.append("the signature does not fit the bytes of the body")
    return judged(found, f"all {len(given)} fit")


@check("seed: webhook; FACTS 1.1", "Deliveries come every 5 minutes, on wall-clock multiples of 5 minutes.")
async def on_the_grid(seen: Observation) -> Outcome:
    """First attempts: not before their tick, and less than half of the 5 minutes after it."""
    found = [problem for one in seen.deliveries if (problem := _timing_problem(seen, one))]
    ticks = sorted({seen.tick_of(one) for one in seen.deliveries})
    gap = next(((a, b) for a, b in pairwise(ticks) if b - a > seen.rules.tick), None)
    if gap is not None and not found:
        text = f"nothing came between the ticks {gap[0]:%H:%M:%S} and {gap[1]:%H:%M:%S}"
        # Whether an empty window is delivered is not published (FACTS 1.1).
        return failed(text) if any(not one.records for one in seen.deliveries) else warning(text)
    return judged(found, f"ticks: {len(ticks)}")


def _timing_problem(seen: Observation, one: Arrival) -> str | None:
    tick, due = seen.rules.tick, seen.tick_of(one)
    # What was owed from before, or waited behind a delivery that was made to fail, comes when it can.
    in_its_own_time = due > max(seen.attempts[0].at, seen.held_up_until())
    if floor_to(due, tick) != due:
        return f"a window that is due at {due:%H:%M:%S.%f} is off the grid"
    if one.at < due - tick / 20:
        return f"it came at {one.at:%H:%M:%S.%f}, before it was due at {due:%H:%M:%S}"
    if one.at > due + tick / 2 and in_its_own_time:
        return f"it came at {one.at:%H:%M:%S}, {(one.at - due).total_seconds():.1f} s after its tick"
    return None


@check(
    "seed: webhook; TRAPS 1", "A delivery at T holds calls that ended before T - 5 min, an end exactly then excluded."
)
async def nothing_too_young(seen: Observation) -> Outcome:
    """Older records are late ones, and may ride along (FACTS 1.1)."""
    found, late = [], 0
    for one in seen.deliveries:
        window = seen.window_of(one)
        for record in one.records:
            moment = ended(record)
            if moment is None:
                found.append("a Report time is not of the form YYYY-MM-DDTHH:MM:SS.mmmZ")
            elif moment >= window.end:
                found.append(
                    f"a call that ended {moment:%H:%M:%S.%f} is in the window that ends {window.end:%H:%M:%S.%f}"
                )
            late += moment is not None and moment < window.start
    return judged(found, f"all in their windows; late ones: {late}")


@check("FACTS 1.1; TRAPS 6", "No record comes twice, save as a newer version.")
async def no_record_twice(seen: Observation) -> Outcome:
    """Over all deliveries; a repeated attempt is the same delivery."""
    counted = Counter(identity(record) for one in seen.deliveries for record in one.records)
    twice = [key for key, number in counted.items() if number > 1]
    if twice:
        return failed(f"{len(twice)} of {len(counted)} records came more than once, such as {twice[0][0][:36]}")
    return passed(f"{len(counted)} records") if counted else warning("there was no record to look at")


@check(
    "seed: webhook; TRAPS 6",
    "What the records endpoint has of a delivered window was delivered, in it or late (resource type Analytics).",
)
async def nothing_left_out(seen: Observation) -> Outcome:
    """Of all organizations that are counted."""
    if seen.expected.problem:
        return failed(seen.expected.problem)
    delivered = {identity(record)[0] for one in seen.attempts for record in one.records}
    found = [
        f"{len(missing)} of {len(ids)} records of the window from {window.start:%H:%M:%S} did not come"
        for window, ids in seen.expected.records.items()
        if (missing := ids - delivered)
    ]
    number = sum(map(len, seen.expected.records.values()))
    if not found and not number:
        raise NothingToCheck("the endpoints have no records of the windows that came")
    return judged(found, f"all {number} records of {len(seen.expected.records)} windows came")


@check(
    "FACTS 1.3 (headers of our own)", "What headers say of a delivery is so: its window, its records, all of its parts."
)
async def manifest_kept(seen: Observation) -> Outcome:
    """Where there are such headers."""
    said = [(one, manifest) for one in seen.deliveries if (manifest := one.manifest) is not None]
    if not said:
        return skipped(_NO_MANIFEST)
    found = [] if len(said) == len(seen.deliveries) else ["some deliveries say what they are, some do not"]
    parts: dict[object, set[int]] = {}
    wanted: dict[object, int] = {}
    for one, manifest in said:
        if manifest.count != len(one.records):
            found.append(f"it says {manifest.count} records and holds {len(one.records)}")
        ids = [str(record.get("Report ID")) for record in one.records]
        if manifest.digest and manifest.digest != digest_of(ids):
            found.append("its digest is not that of its Report IDs")
        if manifest.window.length != seen.rules.tick:
            found.append(f"it says that its window is {manifest.window.length.total_seconds():g} s long")
        parts.setdefault(manifest.window, set()).add(manifest.part)
        wanted[manifest.window] = manifest.parts
    for window, number in wanted.items():
        if len(parts[window]) != number:
            found.append(f"of {number} parts of a window {len(parts[window])} came")
    return judged(found, f"{len(said)} deliveries of {len(parts)} windows are as they say")


DELIVERY_CHECKS = (
    delivery_shape,
    delivery_signature,
    on_the_grid,
    nothing_too_young,
    no_record_twice,
    nothing_left_out,
    manifest_kept,
)
