"""Running the server and the loops beside it in one process, until it is told to stop."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import uvicorn
import uvloop
from fastapi import FastAPI

from cdrelay.errors import CdrelayError
from cdrelay.serving.broken_connections import tell_quietly
from cdrelay.serving.protocol import protocol_of
from cdrelay.serving.tls import OwnTls

Worker = Callable[[], Awaitable[object]]
"""A loop that runs until it is cancelled."""


@dataclass(frozen=True, slots=True)
class Front:
    """How the server meets its clients."""

    tls: OwnTls | None = None
    """None: plain HTTP."""
    trusted_proxies: str = ""
    """Addresses and networks, separated by commas, that are believed whom they speak for."""
    head_seconds: float = 10.0
    """For the head of a request, and before that for the TLS handshake."""


PLAIN = Front()


class AddressTaken(CdrelayError):
    """The server cannot listen where it should."""


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket. Raises AddressTaken, which says how to choose another port."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise AddressTaken(
            f"cannot listen on {host} port {port}: {error.strerror}; set another with CDRELAY_PORT or --port"
        ) from error


def run(app: FastAPI, listening: socket.socket, workers: Sequence[Worker], front: Front = PLAIN) -> None:
    """`serve` on the fast event loop, to its end. Raises KeyboardInterrupt when it was ended by SIGINT."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(app, listening, workers, front))


async def serve(app: FastAPI, listening: socket.socket, workers: Sequence[Worker], front: Front = PLAIN) -> None:
    """Serve and work until SIGINT or SIGTERM; then finish the requests under way, stop the workers and return.

    A worker that ends with an exception stops everything and its exception is raised: a silent half is worse than none.
    """
    tell_quietly(asyncio.get_running_loop())
    server = Server(app, front)
    if front.tls is not None:
        workers = [*workers, front.tls.watch]
    working = [asyncio.create_task(_work(worker), name=getattr(worker, "__qualname__", "worker")) for worker in workers]
    serving = asyncio.create_task(server.serve(sockets=[listening]), name="server")
    try:
        done, _ = await asyncio.wait([serving, *working], return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
        for task in done:
            await task
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


class Server(uvicorn.Server):
    """The library's, with settings of our own, and a limit for the TLS handshake: it leaves the loop's 60 seconds."""

    def __init__(self, app: FastAPI, front: Front) -> None:
        super().__init__(_config_of(app, front))
        self._handshake_seconds = None if front.tls is None else front.head_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on these sockets. There is no lifespan to begin before."""
        config, loop = self.config, asyncio.get_running_loop()

        def connected() -> asyncio.Protocol:
            protocol: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return protocol

        self.servers = [
            await loop.create_server(
                connected,
                sock=one,
                ssl=config.ssl,
                ssl_handshake_timeout=self._handshake_seconds,
                backlog=config.backlog,
            )
            for one in sockets or ()
        ]
        self.started = True


def _config_of(app: FastAPI, front: Front) -> uvicorn.Config:
    tls = front.tls
    return uvicorn.Config(
        app,
        http=protocol_of(front.head_seconds),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=10,
        proxy_headers=bool(front.trusted_proxies.strip()),
        forwarded_allow_ips=front.trusted_proxies,
        ssl_context_factory=None if tls is None else lambda config, default: tls.context,
    )


async def _work(worker: Worker) -> None:
    await worker()
