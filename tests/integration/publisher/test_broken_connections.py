"""What the event loop tells of: the real loop of a server, with real connections on this machine."""

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from structlog.testing import capture_logs

from cdrelay.serving.broken_connections import tell_quietly
from tests.support.authority import Authority, make_authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path)


def on_uvloop(work: Callable[[], Coroutine[Any, Any, None]]) -> list[Any]:
    """Run it as a server does; what was logged, by structure."""

    async def told() -> None:
        tell_quietly(asyncio.get_running_loop())
        await work()

    with capture_logs() as logged, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(told())
    return logged


def test_a_socket_that_is_closed_beneath_tls_is_told_on_debug(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with theirs:
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
            transport.abort()
            await asyncio.sleep(0.01)  # the loop has closed it then
            with pytest.raises(RuntimeError, match="the handler is closed") as raised:
                transport.write(b"more")
        # As the TLS layer of the loop does with what its own writing raised.
        loop.call_exception_handler({"message": "Fatal error on SSL protocol", "exception": raised.value})

    logged = on_uvloop(work)

    assert logged == [{"event": "connection.broken", "error": "RuntimeError", "log_level": "debug"}]
    assert caplog.records == []


def test_a_defect_in_what_reads_from_a_connection_is_told_as_ever(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certificate)
    listening = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        accepted, _ = listening.accept()
        with context.wrap_socket(accepted, server_side=True) as secured:
            secured.sendall(b"hello")
            secured.recv(1)

    class Defective(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            raise ValueError("a defect of ours")

        def connection_lost(self, exc: Exception | None) -> None:
            lost.set()

    lost = asyncio.Event()

    async def work() -> None:
        trust = ssl.create_default_context(cafile=str(authority.ca_file))
        port = listening.getsockname()[1]
        await asyncio.get_running_loop().create_connection(Defective, "127.0.0.1", port, ssl=trust)
        await asyncio.wait_for(lost.wait(), 10)

    greeting = threading.Thread(target=greet)
    greeting.start()
    with caplog.at_level(logging.WARNING), listening:
        logged = on_uvloop(work)
        greeting.join()

    assert logged == []
    assert "Fatal error on SSL protocol" in caplog.text
    assert "a defect of ours" in caplog.text
