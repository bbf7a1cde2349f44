"""Calls that end with somebody else than the one called: forwarded and transferred ones.

A forward is part of its call. A transfer, blind or after consultation, starts a new Correlation ID; of the two only
the consultative one says which call it belongs to.
"""

from random import Random

from cdrelay.traffic.calls import from_outside, inside, leg_between, one, ring, several, talk, written
from cdrelay.traffic.legs import Leg, Peer, draw_correlation
from cdrelay.traffic.lines import Line, Switchboard
from cdrelay.traffic.wire import Values, stamp

# Why, as Redirect reason and Related reason say it, and whether the first phone rings before.
_FORWARDS = (
    (b"NoAnswer", b"CallForwardNoAnswer", True),
    (b"UserBusy", b"CallForwardBusy", False),
    (b"Unconditional", b"CallForwardAlways", False),
)


def forwarded(board: Switchboard, end: int, rng: Random) -> list[bytes]:
    """A colleague calls; the phone passes the call on, and its new end answers."""
    caller, first, second = several(rng, board.people, 3)
    reason, service, rings = one(rng, _FORWARDS)
    picked_up = end - talk(rng)
    passed_on = picked_up - ring(rng)
    start = passed_on - (15_000 if rings else 80)
    way_in = inside(caller, first, (start, picked_up, end), rng)
    way_in.indicator = b"Yes-PostRedirection"
    way_in.callee_marks = {b"Related reason": service}
    way_on = leg_between(Peer(caller.number, caller.name, first), Peer.of(second), (passed_on, picked_up, end), rng)
    way_on.callee_marks = _moved_by(first, reason) | {b"Related reason": service}
    way_on.caller_marks = way_on.callee_marks
    way_in.callee_marks[b"Related call ID"] = way_on.caller_call_id
    return written((way_in, way_on), end, rng)


def blind_transfer(board: Switchboard, end: int, rng: Random) -> list[bytes]:
    """A user answers and sends the caller on unseen; nothing but the people ties the two calls together."""
    caller, transferrer, target = several(rng, board.people, 3)
    picked_up = end - talk(rng)
    moved = picked_up - ring(rng)
    first = _first_call(caller, transferrer, (moved, moved, end), rng)
    sent_on = Peer(first.caller.number, first.caller.name, transferrer)
    second = leg_between(sent_on, Peer.of(target), (moved, picked_up, end), rng, dialed=target.extension)
    second.callee_marks = _moved_by(transferrer, b"Deflection") | {b"Call transfer time": stamp(moved)}
    second.caller_marks = second.callee_marks
    first.callee_marks = {b"Call transfer time": stamp(moved), b"Related call ID": second.caller_call_id}
    return written((first,), end, rng) + written((second,), end, rng)


def consultative_transfer(board: Switchboard, end: int, rng: Random) -> list[bytes]:
    """A user answers, asks a colleague while the caller waits, and connects the two."""
    caller, transferrer, target = several(rng, board.people, 3)
    moved = end - talk(rng)
    asked = moved - 2000 - int(rng.random() * 40_000)
    dialed = asked - ring(rng)
    first = _first_call(caller, transferrer, (dialed, moved, end), rng)
    second = inside(transferrer, target, (dialed, asked, end), rng)
    second.caller_release = moved
    first.callee_hold_seconds = (moved - dialed) // 1000
    both = {
        b"Related reason": b"ConsultativeTransfer",
        b"Call transfer time": stamp(moved),
        b"Interaction ID": draw_correlation(rng),
    }
    first.callee_marks = {**both, b"Transfer related call ID": second.caller_call_id}
    second.caller_marks = {**both, b"Transfer related call ID": first.callee_call_id}
    second.callee_marks = {b"Interaction ID": both[b"Interaction ID"]}
    return written((first,), end, rng) + written((second,), end, rng)


def _first_call(caller: Line, transferrer: Line, moments: tuple[int, int, int], rng: Random) -> Leg:
    """The call that is transferred, from the colleague or from outside; `moments` are when the two stop talking, when
    the transfer is done and with it the call of the one who transfers, and when it ends for the caller."""
    talked_until, moved, end = moments
    answer = talked_until - 1000 - talk(rng) // 2
    times = answer - ring(rng), answer, end
    leg = from_outside(transferrer, times, rng) if rng.random() < 0.6 else inside(caller, transferrer, times, rng)
    leg.callee_release = moved
    return leg


def _moved_by(line: Line, reason: bytes) -> Values:
    return {
        b"Original reason": reason,
        b"Redirect reason": reason,
        b"Redirecting number": line.number,
        b"Redirecting party UUID": line.uuid,
        b"Original called party UUID": line.uuid,
    }
