"""HTTP for clients that nobody knows: the head of a request must come in time and be small.

The server itself waits for a head as long as the connection lasts, and keeps all of it.
"""

import asyncio
from typing import ClassVar, Self

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 65_536
"""Of all headers together, with the first line."""
_REST_SECONDS = 10.0
"""Once it is answered, a request has this long to come to its end."""


class _Body:
    """What came of a body and was not yet asked for: pieces, put together once and only where they are several.

    Stands for the server's own `bytearray`, which copies each piece twice: most of the time that reading takes.
    """

    __slots__ = ("_bytes", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._bytes = 0

    def __iadd__(self, piece: bytes) -> Self:
        self._pieces.append(piece)
        self._bytes += len(piece)
        return self

    def __len__(self) -> int:
        return self._bytes

    def __bytes__(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


class BoundedHeads(HttpToolsProtocol):
    """One connection. The time for a head counts from the connection on, or from its first byte where it is a later."""

    head_seconds: ClassVar[float]
    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected."""
        super().connection_made(transport)
        self._close_in(self.head_seconds)

    def data_received(self, data: bytes) -> None:
        """It sent something."""
        began_before = self._in_head
        super().data_received(data)
        if began_before and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._close("431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """The first byte of a request came."""
        self._in_head, self._head_bytes = True, 0
        self._close_in(self.head_seconds, "408 Request Timeout")
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head of a request came."""
        self._in_head = False
        self._keep_open()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body came."""
        if not self.cycle.body:
            self.cycle.body = _Body()  # type: ignore[assignment]
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of a request came."""
        self._keep_open()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A request was answered, which may still be coming."""
        if self.cycle.more_body:
            self._close_in(_REST_SECONDS)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._keep_open()
        super().connection_lost(exc)

    def _close_in(self, seconds: float, status: str | None = None) -> None:
        self._keep_open()
        self._timer = self.loop.call_later(seconds, self._close, status)

    def _keep_open(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self, status: str | None = None) -> None:
        # While an earlier request is answered there is no place for another answer.
        if status is not None and not self.transport.is_closing() and not self._answering():
            self.transport.write(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        self.transport.close()

    def _answering(self) -> bool:
        cycle = getattr(self, "cycle", None)  # there is none before the first request
        return cycle is not None and not cycle.response_complete


def protocol_of(head_seconds: float) -> type[BoundedHeads]:
    """The protocol of connections whose heads have so many seconds."""
    return type("BoundedHeads", (BoundedHeads,), {"head_seconds": head_seconds})
