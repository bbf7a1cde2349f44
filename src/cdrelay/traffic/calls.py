"""Kinds of call between two ends. Each maker takes the switchboard, the moment the call ended and chance, and returns
the records of all legs. Services are in `service_calls`, calls that move on to somebody else in `moved_calls`.

Moments are milliseconds since 1970. A maker draws from the generator it is given and from nothing else.
"""

from collections.abc import Sequence
from math import log
from random import Random
from typing import TypeVar

from cdrelay.traffic.invention import COUNTRIES, outside_number
from cdrelay.traffic.legs import INTERNAL, Leg, Peer, draw_call_id, draw_correlation, write_leg
from cdrelay.traffic.lines import Line, Switchboard
from cdrelay.traffic.wire import Values, stamp

INBOUND = b"SIP_INBOUND"
_MEAN_TALK_MS = 140_000
_LONGEST_TALK_MS = 4 * 3_600_000
_STRANGERS = (b"NA", b"", b"WIRELESS CALLER", b"Garnier, Zo\xc3\xa9", b"Anonymous")
_CLASSES = (b"SIP_NATIONAL", b"SIP_NATIONAL", b"SIP_NATIONAL", b"SIP_MOBILE", b"SIP_TOLLFREE", b"SIP_PREMIUM")

_T = TypeVar("_T")


def one(rng: Random, choices: Sequence[_T]) -> _T:
    """One of the choices. As `rng.choice`, in a fifth of the time."""
    return choices[int(rng.random() * len(choices))]


def several(rng: Random, lines: Sequence[Line], count: int) -> list[Line]:
    """That many different lines, or all when there are fewer: neighbours from a drawn place on."""
    first = int(rng.random() * len(lines))
    return [lines[(first + step) % len(lines)] for step in range(min(count, len(lines)))]


def two_people(board: Switchboard, rng: Random) -> tuple[Line, Line]:
    """Two different users or workspaces."""
    people = board.people
    first = int(rng.random() * len(people))
    other = first + 1 + int(rng.random() * (len(people) - 1))
    return people[first], people[other % len(people)]


def talk(rng: Random) -> int:
    """How long people talk: many short calls, a few of hours, now and then not a second."""
    return min(_LONGEST_TALK_MS, int(-log(1.0 - rng.random()) * _MEAN_TALK_MS))


def ring(rng: Random) -> int:
    """How long it rings until somebody answers."""
    return 1200 + int(rng.random() * 16_000)


def stranger(line: Line, rng: Random) -> Peer:
    """Somebody outside, in the country of `line`."""
    return Peer(outside_number(line.country, rng).encode(), one(rng, _STRANGERS))


def as_shown_outside(line: Line) -> Peer:
    """A line as those outside see it."""
    return Peer(line.number, line.name, line, line.outside_number)


def written(legs: Sequence[Leg], report: int, rng: Random) -> list[bytes]:
    """The records of legs that make one call: one Correlation ID, one Report time."""
    correlation, reported = draw_correlation(rng), stamp(report)
    return [record for leg in legs for record in write_leg(leg, correlation, reported, rng)]


def leg_between(
    caller: Peer,
    callee: Peer,
    moments: tuple[int, int, int],
    rng: Random,
    *,
    dialed: bytes = b"",
    call_type: bytes = INTERNAL,
) -> Leg:
    """A leg with fresh call ids; `moments` are start, answer (0 for none) and release."""
    start, answer, release = moments
    return Leg(
        caller, callee, start, answer, release, draw_call_id(rng), draw_call_id(rng), dialed=dialed, call_type=call_type
    )


def inside(caller: Line, callee: Line, moments: tuple[int, int, int], rng: Random) -> Leg:
    """A leg between two lines of the organization, by extension."""
    return leg_between(Peer.of(caller), Peer.of(callee), moments, rng, dialed=callee.extension)


def from_outside(callee: Line, moments: tuple[int, int, int], rng: Random) -> Leg:
    """A leg from the PSTN straight to a line: the callee's side alone makes a record."""
    leg = leg_between(stranger(callee, rng), Peer.of(callee), moments, rng)
    leg.callee_call_type, leg.carriage = INBOUND, callee.inbound
    return leg


def to_outside(caller: Line, callee: Peer, moments: tuple[int, int, int], rng: Random) -> Leg:
    """A leg from a line to the PSTN: the caller's side alone makes a record."""
    leg = leg_between(as_shown_outside(caller), callee, moments, rng, call_type=b"SIP_NATIONAL")
    leg.carriage = caller.outbound
    return leg


def answered(end: int, rng: Random) -> tuple[int, int, int]:
    """Start, answer and release of a call that was answered and ended at `end`."""
    answer = end - talk(rng)
    return answer - ring(rng), answer, end


def internal(board: Switchboard, end: int, rng: Random) -> list[bytes]:
    """One user calls another and is answered; sometimes put on hold."""
    leg = inside(*two_people(board, rng), answered(end, rng), rng)
    if rng.random() < 0.08:
        leg.callee_hold_seconds = int(rng.random() * ((end - leg.answer) // 1000))
    return written((leg,), end, rng)


def pstn_inbound(board: Switchboard, end: int, rng: Random) -> list[bytes]:
    """Somebody outside calls a user."""
    return written((from_outside(one(rng, board.people), answered(end, rng), rng),), end, rng)


def pstn_outbound(board: Switchboard, end: int, rng: Random) -> list[bytes]:
    """A user calls somebody outside, in the same country."""
    caller = one(rng, board.people)
    leg = to_outside(caller, stranger(caller, rng), answered(end, rng), rng)
    leg.call_type = one(rng, _CLASSES)
    return written((leg,), end, rng)


def international(board: Switchboard, end: int, rng: Random) -> list[bytes]:
    """A user calls somebody abroad."""
    caller = one(rng, board.people)
    home = caller.country
    country = one(rng, [other for other in COUNTRIES if other is not home])
    number = outside_number(country, rng)
    leg = to_outside(caller, Peer(number.encode(), b"NA"), answered(end, rng), rng)
    leg.call_type = b"SIP_INTERNATIONAL"
    leg.dialed = (home.outside_prefix + number[1:]).encode()
    leg.caller_marks = {b"International country": country.code.encode()}
    return written((leg,), end, rng)


def emergency(board: Switchboard, end: int, rng: Random) -> list[bytes]:
    """A user or a room calls for help; the number shown is one that leads to the place."""
    caller = one(rng, board.people)
    help_line = Peer(caller.country.emergency.encode(), b"NA")
    leg = to_outside(caller, help_line, answered(end, rng), rng)
    leg.call_type = b"SIP_EMERGENCY"
    # A room shows its own number, and help calls back there.
    elin, source = (caller.number, b"Workspace ELIN") if caller.is_workspace else (caller.elin, b"ELIN Pool")
    leg.caller_marks = {b"ELIN": elin, b"Emergency number source": source}
    return written((leg,), end, rng)


def unanswered(board: Switchboard, end: int, rng: Random) -> list[bytes]:
    """It rings and nobody answers: a colleague or somebody outside gives up."""
    moments = end - 12_000 - int(rng.random() * 40_000), 0, end
    caller, callee = two_people(board, rng)
    leg = inside(caller, callee, moments, rng) if rng.random() < 0.5 else from_outside(callee, moments, rng)
    leg.reason = b"NoAnswer"
    return written((leg,), end, rng)


def busy(board: Switchboard, end: int, rng: Random) -> list[bytes]:
    """The colleague called is on the phone."""
    leg = inside(*two_people(board, rng), (end - 150 - int(rng.random() * 700), 0, end), rng)
    leg.reason = b"UserBusy"
    return written((leg,), end, rng)


def recorded(board: Switchboard, end: int, rng: Random) -> list[bytes]:
    """A call from outside that the user's side records."""
    leg = from_outside(one(rng, board.users), answered(end, rng), rng)
    leg.callee_marks = recording(rng)
    return written((leg,), end, rng)


def recording(rng: Random) -> Values:
    """The marks of a recorded call."""
    return {
        b"Call Recording Platform Name": b"Webex" if rng.random() < 0.8 else b"MiaRec",
        b"Call Recording Result": b"successful" if rng.random() < 0.95 else b"failed",
        b"Call Recording Trigger": one(rng, (b"always", b"always-pause-resume", b"on-demand", b"on-demand-user-start")),
    }
