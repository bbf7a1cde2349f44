"""Running the server and the loops beside it in one process, until it is told to stop."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from cdrelay.errors import CdrelayError

log = structlog.get_logger()

Worker = Callable[[], Awaitable[object]]
"""A loop that runs until it is cancelled."""


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


def run(app: FastAPI, listening: socket.socket, workers: Sequence[Worker]) -> None:
    """`serve` on the fast event loop, to its end. Raises KeyboardInterrupt when it was ended by SIGINT."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(app, listening, workers))


async def serve(app: FastAPI, listening: socket.socket, workers: Sequence[Worker]) -> None:
    """Serve and work until SIGINT or SIGTERM; then finish the requests under way, stop the workers and return.

    A worker that ends with an exception stops everything and its exception is raised: a silent half is worse than none.
    """
    config = uvicorn.Config(
        app,
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=10,
    )
    server = uvicorn.Server(config)
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


async def _work(worker: Worker) -> None:
    await worker()
