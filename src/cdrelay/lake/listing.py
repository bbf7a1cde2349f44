"""Checking a body of many records while it comes, without ever having all of it.

The body is taken apart where one object in a list ends and the next begins, and each piece is parsed as a list of its
own. What stands before and after the list must make a document with one thing in its place. Then the whole is JSON, and
its records are those of the pieces. Of a body that cannot be taken apart so, nothing is said: look at the whole.
"""

import re
from collections.abc import Sequence
from secrets import token_hex

import msgspec

from cdrelay.errors import UNREADABLE
from cdrelay.lake.payload import BodyUnreadable, split

_BLANK = rb"[ \t\r\n]*"
_BEGIN = re.compile(rb"\[" + _BLANK + rb"(?=\{)")
_BETWEEN = re.compile(rb"\}" + _BLANK + rb"," + _BLANK + rb"(?=\{)")
_END = re.compile(rb"\}" + _BLANK + rb"\]")
_BRACES_TRIED = 100
_MOST_BEFORE = 2**16
_MOST_HELD = 16 * 2**20
"""Twice the largest record that is taken, so that one which ends in the next piece is no reason to give up."""

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_PLACE = b'"%s"' % token_hex(16).encode()
"""Stands for the records in what is around them; nobody who sends knows it."""


class Listing:
    """One body on its way in. `take` its bytes in order, then ask `end`."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._before: bytes | None = None
        self._records = 0
        self.given_up = False
        """Whether it can tell nothing about this body any more."""

    def take(self, pieces: Sequence[bytes]) -> None:
        """The next bytes. Parses all records that are complete with them, but for the last."""
        if self.given_up:
            return
        self._held += pieces
        self._held_bytes += sum(map(len, pieces))
        if self._before is None:
            self._begin()
        if self._before is not None and self._held and (between := _last(_BETWEEN, self._held[-1])) is not None:
            last = self._held.pop()
            self._parse([*self._held, memoryview(last)[: between.start() + 1]])
            self._hold(last[between.end() :])
        if self._held_bytes > _MOST_HELD:
            self.give_up()

    def end(self) -> int | None:
        """How many records it has, all of which are JSON, as is what is around them; None: look at the whole."""
        rest = b"".join(self._held)
        end = _last(_END, rest)
        if self._before is None or self.given_up or end is None:
            return None
        self._parse([rest[: end.start() + 1]])
        around = b"%s[%s]%s" % (self._before, _PLACE, rest[end.end() :])
        try:
            right = [bytes(one) for one in split(around, lines=False)] == [_PLACE]
        except (BodyUnreadable, RecursionError):
            return None
        return self._records if right and not self.given_up else None

    def _begin(self) -> None:
        text = b"".join(self._held)
        begin = _BEGIN.search(text)
        if begin is not None:
            self._before = text[: begin.start()]
            self._hold(text[begin.end() :])
        elif len(text) > _MOST_BEFORE:
            self.give_up()

    def _hold(self, text: bytes) -> None:
        self._held, self._held_bytes = [text], len(text)

    def _parse(self, records: Sequence[bytes | memoryview]) -> None:
        try:
            self._records += len(_ARRAY.decode(b"".join([b"[", *records, b"]"])))
        except UNREADABLE:
            self.give_up()

    def give_up(self) -> None:
        """Say nothing about this body."""
        self.given_up = True
        self._held, self._held_bytes = [], 0


def _last(form: re.Pattern[bytes], text: bytes) -> re.Match[bytes] | None:
    """The last place of a form that begins with a closing brace; looked for at the last braces only."""
    brace = len(text)
    for _ in range(_BRACES_TRIED):
        brace = text.rfind(b"}", 0, brace)
        if brace < 0:
            return None
        if found := form.match(text, brace):
            return found
    return None
