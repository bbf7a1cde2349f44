"""Checks of a publisher: which times its two endpoints take, and the words in which they refuse (seed: parameters).

Limits are tried from both sides. What depends on what time it is there is tried with a margin, a fifth of the 5 minutes
(in compressed time, of what they are then); what depends on the parameters alone, to the millisecond.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from cdrelay.conformance.checks import Outcome, check, judged
from cdrelay.conformance.exchange import Answer
from cdrelay.conformance.partner_side import COUNTS, Endpoint, PartnerSide, during
from cdrelay.contract.error_bodies import error_message
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period

_MILLISECOND = timedelta(milliseconds=1)
_BOTH = ("startTime", "endTime")
_WITH_AND_WITHOUT_TOKEN: tuple[Mapping[str, str] | None, ...] = (None, {})


def complaint(answer: Answer, parameter: str) -> str | None:
    """What is wrong with an answer that must be a 400 which names the parameter; None when nothing is."""
    if answer.status != 400:
        return str(answer)
    if parameter.lower() not in error_message(answer.body).lower():
        return f"the message does not name {parameter}: {answer}"
    return None


async def refusals(
    side: PartnerSide, endpoint: Endpoint, tries: Iterable[tuple[str, Mapping[str, str], str]]
) -> list[str]:
    """Complaints about requests that must be refused: each what it tries, its parameters, and the one to be named."""
    found = []
    for what, parameters, named in tries:
        problem = complaint(await side.ask(endpoint.name, dict(endpoint.fixed) | dict(parameters)), named)
        if problem is not None:
            found.append(f"{endpoint.name}, {what}: {problem}")
    return found


async def _taken(side: PartnerSide, endpoint: Endpoint, what: str, period: Period) -> list[str]:
    answer = await side.ask(endpoint.name, dict(endpoint.fixed) | during(period))
    # 404 is how some say that nothing was found (FACTS 3.3).
    return [] if answer.status in {200, 404} else [f"{endpoint.name}, {what}: {answer}"]


@check("seed: parameters", "Times of the form YYYY-MM-DDTHH:MM:SS.mmmZ are taken.")
async def time_form(side: PartnerSide) -> Outcome:
    """The ordinary question."""
    found = [problem for one in await side.endpoints() for problem in await _taken(side, one, "an hour", side.latest())]
    return judged(found, "both endpoints answered an hour")


@check("seed: parameters", "Times of any other form are refused with 400, and the message names the parameter.")
async def other_time_forms(side: PartnerSide) -> Outcome:
    """Near misses: each is what some client might send."""
    good = during(side.latest())
    found: list[str] = []
    for endpoint in await side.endpoints():
        for parameter in _BOTH:
            odd = {what: good | {parameter: text} for what, text in _odd_forms(good[parameter]).items()}
            tries = [(f"{parameter} {what}", asked, parameter) for what, asked in odd.items()]
            found += await refusals(side, endpoint, tries)
    return judged(found, "all were refused with 400")


def _odd_forms(time: str) -> dict[str, str]:
    """The same moment, or something like it, in forms the contract does not have."""
    return {
        "without milliseconds": time[:19] + "Z",
        "with microseconds": time[:-1] + "000Z",
        "with an offset": time[:-1] + "+00:00",
        "without Z": time[:-1],
        "with a small z": time[:-1] + "z",
        "with a blank": time.replace("T", " "),
        "as a date": time[:10],
        "as a number": "1764000000000",
        "on a day that does not exist": time[:4] + "-02-30" + time[10:],
        "as a word": "yesterday",
    }


@check("seed: parameters", "A missing or an empty time is refused with 400, and the message names the parameter.")
async def times_required(side: PartnerSide) -> Outcome:
    """Each of the two, on both endpoints."""
    good = during(side.latest())
    found: list[str] = []
    for endpoint in await side.endpoints():
        for parameter in _BOTH:
            rest = {name: text for name, text in good.items() if name != parameter}
            tries = [(f"no {parameter}", rest, parameter), (f"empty {parameter}", rest | {parameter: ""}, parameter)]
            found += await refusals(side, endpoint, tries)
    return judged(found, "all were refused with 400")


@check(
    "seed: reconciliation endpoint; TRAPS 4",
    "Counts are given for exactly 60 minutes, and refused for 1 ms more with 400.",
)
async def one_hour_of_counts(side: PartnerSide) -> Outcome:
    """To the millisecond, which no clock can blur."""
    counts, hour = Endpoint(COUNTS, {}), side.latest()
    longer = during(Period(hour.start - _MILLISECOND, hour.end))
    found = await _taken(side, counts, "exactly 60 minutes", hour)
    found += await refusals(side, counts, [("1 ms more", longer, "endTime")])
    return judged(found, "60 min 00.000 s was answered, 60 min 00.001 s refused")


@check("seed: API endpoints", "A start older than 48 hours is refused with 400; one a little younger is taken.")
async def oldest_start(side: PartnerSide) -> Outcome:
    """On both endpoints, with a period as short as need be."""
    found: list[str] = []
    for endpoint in await side.endpoints():
        limit = side.now() - side.rules.reach
        young, old = limit + side.margin, limit - side.margin
        found += await _taken(side, endpoint, "a start just inside", Period(young, young + side.margin))
        beyond = during(Period(old, old + side.margin))
        found += await refusals(side, endpoint, [("a start too old", beyond, "startTime")])
    return judged(found, "taken just inside the limit, refused just outside")


@check("seed: API endpoints", "An end younger than 5 minutes is refused with 400; one a little older is taken.")
async def youngest_end(side: PartnerSide) -> Outcome:
    """On both endpoints; then with both times too young."""
    found: list[str] = []
    for endpoint in await side.endpoints():
        limit = side.now() - side.rules.settle
        old, young = limit - side.margin, limit + side.margin
        found += await _taken(side, endpoint, "an end just old enough", Period(old - side.margin, old))
        beyond = during(Period(young - 3 * side.margin, young))
        found += await refusals(side, endpoint, [("an end too young", beyond, "endTime")])
        both = during(Period(young, young + side.margin))
        found += await refusals(side, endpoint, [("both too young", both, "Time")])
    return judged(found, "taken just inside the limit, refused just outside")


@check("seed: parameters", "An endTime that is not later than startTime is refused with 400.")
async def end_after_start(side: PartnerSide) -> Outcome:
    """The same moment, and the two exchanged."""
    hour = side.latest()
    start, end = write_time(hour.start), write_time(hour.end)
    found: list[str] = []
    for endpoint in await side.endpoints():
        tries = [
            ("end at start", {"startTime": start, "endTime": start}, "endTime"),
            ("end before start", {"startTime": end, "endTime": start}, "endTime"),
        ]
        found += await refusals(side, endpoint, tries)
    return judged(found, "both were refused with 400")


@check(
    "FACTS 3.5",
    "An error is a JSON object with a message and a trackingId, and errors with descriptions where it has any.",
)
async def error_shape(side: PartnerSide) -> Outcome:
    """Of a 400 and of a 401."""
    found: list[str] = []
    for endpoint in await side.endpoints():
        for headers in _WITH_AND_WITHOUT_TOKEN:
            answer = await side.ask(endpoint.name, dict(endpoint.fixed) | {"startTime": "x"}, headers)
            found += [f"{endpoint.name}, {answer.status}: {problem}" for problem in _shape_problems(answer)]
    return judged(found, "message and trackingId are there")


def _shape_problems(answer: Answer) -> list[str]:
    body = answer.json()
    if answer.status is None or not isinstance(body, dict):
        return [f"no JSON object: {answer}"]
    found = [f"{key} is no text" for key in ("message", "trackingId") if not _says_something(body.get(key))]
    errors = body.get("errors", [])
    if not isinstance(errors, list) or not all(
        isinstance(one, dict) and _says_something(one.get("description")) for one in errors
    ):
        found.append("errors is no list of objects with a description")
    code = body.get("errorCode", body.get("code", 0))
    return found if isinstance(code, int) else [*found, "errorCode is no whole number"]


def _says_something(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


TIME_CHECKS = (
    time_form,
    other_time_forms,
    times_required,
    one_hour_of_counts,
    oldest_start,
    youngest_end,
    end_after_start,
    error_shape,
)
