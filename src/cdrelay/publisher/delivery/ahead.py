"""Bodies that are signed while the part before them is still being sent.

The parts of a window follow one another, and reading and signing one of 13 MB takes as long as sending it. With many
partners there is always another one to send to; so this is for few, and only a few bodies are held.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock

from cdrelay.callbacks.bodies import SendableBody
from cdrelay.errors import CdrelayError

_MOST = 4
_SECONDS = 60.0
"""What was not asked for by then is not going to be: the part before it did not arrive."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A body that can be sent."""

    body: SendableBody
    headers: dict[str, str]
    """Its length, its signature."""


@dataclass(frozen=True, slots=True)
class SignedAhead:
    """The same before its turn, and what must be as it was when that comes."""

    signed: Signed
    secret: str | None
    """That it is signed with."""
    written: tuple[int, int]
    """Which writing of the body it is: `Outbox.writing_of`."""


@dataclass(frozen=True, slots=True)
class _Coming:
    delivery_id: str
    signed: Future[SignedAhead | None] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


class Ahead:
    """One body a partner. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._coming: dict[str, _Coming] = {}

    def sign(self, partner_id: str, delivery_id: str, sign: Callable[[], SignedAhead]) -> None:
        """Have what `sign` gives for `take`; nothing where too many are held already. What it raises is passed over:
        whoever sends the body meets it again.
        """
        with self._lock:
            now = time.monotonic()
            self._coming = {name: one for name, one in self._coming.items() if now - one.since < _SECONDS}
            if len(self._coming) >= _MOST and partner_id not in self._coming:
                return
            coming = self._coming[partner_id] = _Coming(delivery_id)
        try:
            coming.signed.set_result(sign())
        except CdrelayError:
            coming.signed.set_result(None)
        except BaseException:
            coming.signed.set_result(None)
            raise

    def take(self, partner_id: str, delivery_id: str) -> SignedAhead | None:
        """That body, once: waits while it is being signed. None where it is not there."""
        with self._lock:
            coming = self._coming.pop(partner_id, None)
        return coming.signed.result() if coming is not None and coming.delivery_id == delivery_id else None
