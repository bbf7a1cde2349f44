"""Answers that are none yet: a callback may send any number of 1xx before its answer, but not without an end.

Each of them takes time of the one loop that sends to all callbacks, and a stream of them takes all of it.
"""

from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

MOST = 100
"""How many there may be before an answer. Who needs time sends one every few seconds."""

_PIECE = 4096


class TooManyInterim(aiohttp.ClientError):
    """A callback that says again and again that its answer is still to come."""


class _Bounded(ResponseHandler):
    """Reads the answers of one connection, and breaks it off when too many of them are none."""

    _interim = 0

    def data_received(self, data: bytes) -> None:
        # What came at once may hold ten thousand of them: it is read until there are too many, and no further.
        pieces = [data[start : start + _PIECE] for start in range(0, len(data), _PIECE)] or [data]
        for piece in pieces:
            if self._interim <= MOST:
                super().data_received(piece)

    def feed_data(self, data: Any, size: int = 0) -> None:
        message, _ = data
        if 100 <= message.code < 200:
            self._interim += 1
        if self._interim <= MOST:
            super().feed_data(data, size)
        elif self.exception() is None:
            self.set_exception(TooManyInterim())
            if self.transport is not None:
                self.transport.abort()


class BoundedConnector(aiohttp.TCPConnector):
    """A connector whose connections take no stream of 1xx."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = partial(_Bounded, loop=self._loop)  # type: ignore[assignment]
