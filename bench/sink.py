"""A listener over TLS that does the least a listener can: read each body to its end and answer; in its own process."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response

from cdrelay.serving import open_socket
from tests.support.authority import make_authority


@contextmanager
def sink(folder: Path) -> Iterator[tuple[str, Path]]:
    """Its URL, and the file of the authority that vouches for it, while it runs. `folder` is for its certificate."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = make_authority(folder)
    command = [sys.executable, "-m", "bench.sink", str(authority.certificate)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"https://127.0.0.1:{int(process.stdout.readline())}/", authority.ca_file
    finally:
        process.terminate()
        process.wait(20)


def _listen(certificate: str) -> None:
    app = FastAPI()

    @app.post("/")
    async def take(request: Request) -> Response:
        async for _ in request.stream():
            pass
        return Response(status_code=200)

    listening = open_socket("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(
        app, http="httptools", loop="uvloop", log_config=None, access_log=False, ssl_certfile=certificate
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    _listen(sys.argv[1])
