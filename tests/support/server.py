"""An app over real HTTP, with the server that production uses, in the loop of the test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI


@asynccontextmanager
async def serving(app: FastAPI, certificate: Path | None = None) -> AsyncIterator[str]:
    """Serve `app` on a free port until the block ends; its address. `certificate` is a file with its key, for TLS."""
    config = uvicorn.Config(app, port=0, log_config=None, http="httptools", lifespan="off")
    if certificate is not None:
        config.ssl_certfile = str(certificate)
    server = _Server(config)
    async with server.running() as address:
        yield f"{'http' if certificate is None else 'https'}://{address}"


class _Server(uvicorn.Server):
    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup()
        host, port = self.servers[0].sockets[0].getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            await self.shutdown()
