"""One leg of a call, and the one or two records its sides make.

All legs of a call carry the call's end as Report time, also those that were over before, such as those of agents whom
another was faster than; their Release time is their own. So a call is one thing that happens at one moment: all its
records fall into one window, and making the records of a span never looks at another span.
"""

from binascii import hexlify
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from cdrelay.traffic.lines import ON_NET, Line
from cdrelay.traffic.wire import FULL, UNMARKED, Values, report_id, stamp

INTERNAL = b"SIP_ENTERPRISE"
NOBODY: Values = {}
_HEX = 64  # bytes of chance a leg takes: two session ids, and digits for its call ids
_NO_ADDRESS = b"NA"


@dataclass(slots=True)
class Peer:
    """Somebody at one end of a leg."""

    number: bytes
    name: bytes
    line: Line | None = None
    """Whose record it makes; None for those outside, who make none."""
    shown: bytes = b""
    """The caller ID it presents, where that is not its number."""

    @classmethod
    def of(cls, line: Line) -> "Peer":
        """The peer that a line is when it speaks for itself."""
        return cls(line.number, line.name, line)


def draw_call_id(rng: Random) -> bytes:
    """A Local call ID."""
    return b"%d:%dA" % (rng.getrandbits(40), rng.getrandbits(3))


def draw_correlation(rng: Random) -> bytes:
    """A Correlation ID or Interaction ID: a version-4 UUID."""
    h = b"%032x" % rng.getrandbits(128)
    return b"%b-%b-4%b-a%b-%b" % (h[:8], h[8:12], h[13:16], h[17:20], h[20:])


@dataclass(slots=True)
class Leg:
    """Who, when, and what marks it. Times are milliseconds since 1970."""

    caller: Peer
    callee: Peer
    start: int
    answer: int
    """0 when nobody answered."""
    release: int
    caller_call_id: bytes
    callee_call_id: bytes
    caller_release: int = 0
    """When the caller's side was over, where that is not when the leg was; 0 otherwise."""
    callee_release: int = 0
    call_type: bytes = INTERNAL
    callee_call_type: bytes = INTERNAL
    dialed: bytes = b""
    """Keys pressed; as the number called unless said otherwise."""
    reason: bytes = b"Normal"
    indicator: bytes = b""
    """Answer indicator; Yes or No, as it was answered or not, unless said otherwise."""
    carriage: Values = field(default_factory=lambda: ON_NET)
    """Fields of trunks and PSTN providers."""
    caller_marks: Values = field(default_factory=lambda: NOBODY)
    """Seldom fields of the caller's record."""
    callee_marks: Values = field(default_factory=lambda: NOBODY)
    callee_hold_seconds: int = 0
    """How long the callee kept the caller on hold, seen by the callee's side."""


def write_leg(leg: Leg, correlation: bytes, report: bytes, rng: Random) -> Iterator[bytes]:
    """The records of the leg's sides that are ours, the caller's first. `report` is their Report time, encoded."""
    caller, callee = leg.caller.line, leg.callee.line
    shared = _shared(leg, correlation, report, rng)
    caller_hung_up = rng.getrandbits(1)
    if caller:
        own: Values = {
            b"Direction": b"ORIGINATING",
            b"Call type": leg.call_type,
            b"Dialed digits": leg.dialed or leg.callee.number,
            b"Releasing party": b"Local" if caller_hung_up else b"Remote",
            b"Local call ID": leg.caller_call_id,
            b"Remote call ID": leg.callee_call_id if callee else b"",
            b"Hold duration": b"0",
            b"Report ID": report_id(b"%b/%b/O" % (correlation, leg.caller_call_id)),
        }
        ended = _ended(leg.answer, leg.caller_release or leg.release)
        yield _filled(caller, {**shared, **caller.constant, **own, **ended}, leg.caller_marks)
    if callee:
        own = {
            b"Direction": b"TERMINATING",
            b"Call type": leg.callee_call_type,
            b"Dialed digits": b"",
            b"Route group": b"",
            b"Releasing party": b"Remote" if caller_hung_up else b"Local",
            b"Local call ID": leg.callee_call_id,
            b"Remote call ID": leg.caller_call_id if caller else b"",
            b"Hold duration": b"%d" % leg.callee_hold_seconds,
            b"Report ID": report_id(b"%b/%b/T" % (correlation, leg.callee_call_id)),
        }
        ended = _ended(leg.answer, leg.callee_release or leg.release)
        yield _filled(callee, {**shared, **callee.constant, **own, **ended}, leg.callee_marks)


def _filled(line: Line, values: Values, marks: Values) -> bytes:
    return FULL % {**UNMARKED, **values, **marks} if marks else line.plain % values


def _ended(answer: int, release: int) -> Values:
    # Whether Duration is rounded or cut is not settled (FACTS 4); cut, as Ring and Hold duration are.
    return {
        b"Duration": b"%d" % ((release - answer) // 1000 if answer else 0),
        b"Release time": stamp(release),
    }


def _shared(leg: Leg, correlation: bytes, report: bytes, rng: Random) -> Values:
    """What both sides say alike."""
    caller, callee, answer = leg.caller, leg.callee, leg.answer
    chance = hexlify(rng.getrandbits(8 * _HEX).to_bytes(_HEX, "little"))
    call_number = int(chance[64:78], 16)
    return {
        **leg.carriage,
        b"Answer time": stamp(answer) if answer else b"",
        b"Answered": b"true" if answer else b"false",
        b"Called line ID": callee.name,
        b"Call ID": b"SSE%018d@192.0.2.%d" % (call_number, 1 + call_number % 8),
        b"Calling line ID": caller.name,
        b"Start time": stamp(leg.start),
        b"Correlation ID": correlation,
        b"Report time": report,
        b"Called number": callee.number,
        b"Calling number": caller.number,
        b"Local SessionID": chance[:32],
        b"Remote SessionID": chance[32:64],
        b"Final local SessionID": chance[:32],
        b"Final remote SessionID": chance[32:64],
        b"Network call ID": b"BW%b@203.0.113.9" % chance[80:104],
        b"Call outcome reason": leg.reason,
        b"Ring duration": b"%d" % (((answer or leg.release) - leg.start) // 1000),
        b"Answer indicator": leg.indicator or (b"Yes" if answer else b"No"),
        b"Caller ID number": caller.shown or caller.number,
        b"Public Calling IP Address": caller.line.address if caller.line else _NO_ADDRESS,
        b"Public Called IP Address": callee.line.address if callee.line else _NO_ADDRESS,
    }
