"""Calls to services: hunt groups, call queues, the auto attendant.

They come in through a trunk or from a colleague: a pair of records for the way to the service, and a pair for each
attempt from there, all under one Correlation ID.
"""

from random import Random

from cdrelay.traffic.calls import INBOUND, answered, leg_between, one, ring, several, stranger, talk, written
from cdrelay.traffic.legs import Leg, Peer
from cdrelay.traffic.lines import Line, Switchboard, TeamLines
from cdrelay.traffic.wire import Values

MOST_RINGING = 4
_ABANDONED = 0.15  # share of calls to a team that nobody takes
_KEYS = (b"1", b"2", b"3", b"5", b"9", b"0")


def hunt_group(board: Switchboard, end: int, rng: Random) -> list[bytes]:
    """Rings one to four agents at once; the first to answer has the call."""
    return _team_call(board, one(rng, board.hunt_groups), 0, end, rng)


def call_queue(board: Switchboard, end: int, rng: Random) -> list[bytes]:
    """The same, after some waiting in the queue."""
    return _team_call(board, one(rng, board.queues), int(rng.random() * 90_000), end, rng)


def auto_attendant(board: Switchboard, end: int, rng: Random) -> list[bytes]:
    """The attendant answers, the caller presses a key, a user's phone rings."""
    picked_up = end - talk(rng)
    forwarded = picked_up - ring(rng)
    answered_by_attendant = forwarded - 3000 - int(rng.random() * 20_000)
    attendant, user = board.attendant, one(rng, board.people)
    way_in = _way_in(board, attendant, (answered_by_attendant - 400, answered_by_attendant, end), rng)
    way_in.callee_marks = {b"Auto Attendant Key Pressed": one(rng, _KEYS)}
    way_on = leg_between(_speaking_for(attendant, way_in.caller), Peer.of(user), (forwarded, picked_up, end), rng)
    way_on.callee_marks = {**_redirected_by(attendant, b"Deflection"), **way_in.callee_marks}
    way_on.caller_marks = way_in.callee_marks
    way_on.callee_call_type = way_in.callee_call_type
    return written((way_in, way_on), end, rng)


def _team_call(board: Switchboard, team: TeamLines, waited: int, end: int, rng: Random) -> list[bytes]:
    ringing = several(rng, team.agents, 1 + int(rng.random() * MOST_RINGING))
    taken = rng.random() >= _ABANDONED
    start, answer, _ = answered(end, rng) if taken else (end - 15_000 - int(rng.random() * 30_000), 0, end)
    service, reason = team.service, b"CallQueue" if team.queue_type else b"HuntGroup"
    way_in = _way_in(board, service, (start - waited, answer, end), rng)
    way_in.indicator = b"Yes-PostRedirection" if taken else b"No"
    if team.queue_type:
        way_in.callee_marks = {b"Queue type": team.queue_type}
    marks = {**_redirected_by(service, reason), b"Related reason": reason, b"Queue type": team.queue_type}
    legs = [way_in]
    for agent in ringing:
        won = taken and agent is ringing[0]
        moments = (start, answer, end) if won else (start, 0, answer or end)
        leg = leg_between(_speaking_for(service, way_in.caller), Peer.of(agent), moments, rng)
        leg.caller_marks = marks
        leg.callee_marks = {**marks, b"Answered elsewhere": b"Yes"} if taken and not won else marks
        leg.callee_call_type = way_in.callee_call_type
        legs.append(leg)
    for leg in legs:
        leg.reason = b"Normal" if leg.answer else b"NoAnswer"
    return written(legs, end, rng)


def _way_in(board: Switchboard, service: Line, moments: tuple[int, int, int], rng: Random) -> Leg:
    """The leg to the service: from a trunk, whose gateway has the caller's side, or from a colleague."""
    if rng.random() < 0.25:
        return leg_between(Peer.of(one(rng, board.users)), Peer.of(service), moments, rng, dialed=service.extension)
    # Services stand at the first site, and the first gateway is that site's.
    gateway, caller = board.gateways[0], stranger(service, rng)
    leg = leg_between(Peer(caller.number, caller.name, gateway), Peer.of(service), moments, rng, call_type=INBOUND)
    leg.callee_call_type, leg.carriage = INBOUND, gateway.inbound
    return leg


def _speaking_for(service: Line, caller: Peer) -> Peer:
    """The service's side of a leg onwards: its record, the first caller's number and name."""
    return Peer(caller.number, caller.name, service)


def _redirected_by(service: Line, reason: bytes) -> Values:
    return {
        b"Original reason": reason,
        b"Redirect reason": reason,
        b"Redirecting number": service.number,
        b"Redirecting party UUID": service.uuid,
        b"Original called party UUID": service.uuid,
    }
