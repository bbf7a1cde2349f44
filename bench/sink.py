"""A listener that does the least a listener can: read each body to its end and answer; in a process of its own."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI, Request, Response

from cdrelay.serving import open_socket, serve


@contextmanager
def sink() -> Iterator[str]:
    """Its URL, while it runs."""
    process = subprocess.Popen([sys.executable, "-m", "bench.sink"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
    finally:
        process.terminate()
        process.wait(20)


async def _listen() -> None:
    app = FastAPI()

    @app.post("/")
    async def take(request: Request) -> Response:
        async for _ in request.stream():
            pass
        return Response(status_code=200)

    listening = open_socket("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)
    await serve(app, listening, [])


if __name__ == "__main__":
    asyncio.run(_listen())
