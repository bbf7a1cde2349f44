"""What a check is, and how a row of checks is run: one after the other, each to a verdict, never to an exception."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, Literal, TypeVar

from cdrelay.errors import CdrelayError

S = TypeVar("S")
Verdict = Literal["passed", "warning", "failed", "skipped"]
VERDICTS: tuple[Verdict, ...] = ("passed", "warning", "failed", "skipped")
_COMPLAINTS_SHOWN = 3


class CannotRun(CdrelayError):
    """There is no one to check: nothing listens there, or it does not answer at all."""


class CheckFailed(CdrelayError):
    """Raised inside a check by what cannot go on: the contract is broken, the message says how."""


class NothingToCheck(CdrelayError):
    """Raised inside a check that finds no data to look at; becomes a warning."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a check ended, and what the other side did."""

    verdict: Verdict
    what: str


@dataclass(frozen=True, slots=True)
class Check(Generic[S]):
    """One rule of the contract and how to try it."""

    name: str
    """What `--only` takes; words with hyphens."""
    section: str
    """Where the rule comes from: the seed, FACTS or TRAPS with the number of the section."""
    asks: str
    """The rule, in one sentence."""
    run: Callable[[S], Awaitable[Outcome]]
    """Tries it on the other side."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check."""

    name: str
    verdict: Verdict
    what: str
    section: str
    asks: str
    seconds: float


def check(section: str, asks: str) -> Callable[[Callable[[S], Awaitable[Outcome]]], Check[S]]:
    """Makes a check of a function; its name, with hyphens, is the check's."""

    def made(run: Callable[[S], Awaitable[Outcome]]) -> Check[S]:
        return Check(run.__name__.replace("_", "-"), section, asks, run)

    return made


def passed(what: str) -> Outcome:
    """The contract was kept."""
    return Outcome("passed", what)


def warning(what: str) -> Outcome:
    """Nothing the contract forbids, but something to look at."""
    return Outcome("warning", what)


def failed(what: str) -> Outcome:
    """The contract was broken."""
    return Outcome("failed", what)


def skipped(why: str) -> Outcome:
    """The check does not apply to what was given."""
    return Outcome("skipped", why)


def judged(complaints: Sequence[str], otherwise: str) -> Outcome:
    """Failed with the first few complaints, or passed when there are none."""
    if not complaints:
        return passed(otherwise)
    more = len(complaints) - _COMPLAINTS_SHOWN
    return failed("; ".join(complaints[:_COMPLAINTS_SHOWN]) + (f"; and {more} more" if more > 0 else ""))


def chosen(checks: Sequence[Check[S]], names: Sequence[str]) -> list[Check[S]]:
    """The checks of those names, in their own order; all when none is named. Raises ValueError for unknown names."""
    known = {one.name for one in checks}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"there is no check {unknown[0]!r}; --list shows them")
    return [one for one in checks if not names or one.name in names]


async def run_checks(
    checks: Iterable[Check[S]], subject: S, begins: Callable[[str], None] = lambda name: None
) -> list[Result]:
    """Run them in their order. `begins` is told the name of each before it runs, for whoever watches."""
    results = []
    for one in checks:
        begins(one.name)
        began = perf_counter()
        outcome = await _outcome(one, subject)
        seconds = round(perf_counter() - began, 3)
        results.append(Result(one.name, outcome.verdict, outcome.what, one.section, one.asks, seconds))
    return results


async def _outcome(one: Check[S], subject: S) -> Outcome:
    try:
        return await one.run(subject)
    except CheckFailed as error:
        return failed(str(error))
    except NothingToCheck as error:
        return warning(str(error))


def exit_status(results: Iterable[Result]) -> int:
    """0 when nothing failed, 1 otherwise; warnings are no failures."""
    return int(any(one.verdict == "failed" for one in results))
