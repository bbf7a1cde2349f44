"""An app over real HTTP, with the server that production uses, in the loop of the test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from fastapi import FastAPI

from cdrelay.serving import PLAIN, Front, OwnTls, open_socket
from cdrelay.serving.running import Server

USUAL = replace(PLAIN, trusted_proxies="127.0.0.1")
"""As the settings have it where nobody changed them."""


@asynccontextmanager
async def serving(app: FastAPI, certificate: Path | None = None, front: Front = USUAL) -> AsyncIterator[str]:
    """Serve `app` on a free port until the block ends; its address. `certificate` is a file with its key, for TLS."""
    if certificate is not None:
        front = replace(front, tls=OwnTls(certificate, certificate))
    async with _Server(app, front).running() as address:
        yield f"{'http' if front.tls is None else 'https'}://{address}"


class _Server(Server):
    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        listening = open_socket("127.0.0.1", 0)
        await self.startup([listening])
        host, port = listening.getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            await self.shutdown()
