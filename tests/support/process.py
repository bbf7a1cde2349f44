"""A real cdrelay process and its command line, as an operator would use them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from random import SystemRandom
from typing import Any

SETTINGS = """\
compress = 60
allow_http_callbacks = true
allow_callbacks_to_private_addresses = true
reconcile_every_minutes = 5
retry_first_seconds = 0.2
retry_longest_seconds = 1
disk_reserve_bytes = 0
"""


def free_port() -> int:
    """A port of the loopback address that nobody listens on now.

    Below those that the system gives out by itself: another test's connection or server would take it meanwhile.
    """
    while True:
        port = SystemRandom().randrange(15_000, 30_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Cdrelay:
    """One home folder, and the process that serves it. Time is compressed: 5 minutes are 5 seconds."""

    def __init__(self, home: Path, settings: str = SETTINGS) -> None:
        home.mkdir(parents=True, exist_ok=True)
        (home / "settings.toml").write_text(settings)
        self.home = home
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def _environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("CDRELAY_")}
        return own | {"CDRELAY_HOME": str(self.home), "CDRELAY_PORT": str(self.port), "NO_COLOR": "1"}

    def start(self, *arguments: str) -> None:
        """Start `cdrelay serve` (or what is given) and wait until it answers."""
        command = [sys.executable, "-m", "cdrelay", *(arguments or ("serve",))]
        with (self.home / "stderr.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=self._environment, stderr=log, stdout=log)
        self.wait_until(lambda: self.get("/healthz") is not None, 60, "the server answers")

    def kill(self) -> None:
        """SIGKILL: nothing gets a chance to tidy up."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ctrl-C, and the exit status that follows."""
        return self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(30)

    def run(self, *arguments: str, status: int | None = 0, typed: str = "", seconds: float = 120) -> str:
        """A command on the same home, beside the server; its stdout. `status` is how it must end; None: as it likes.

        `typed` is what it reads from stdin; `seconds` are what it has.
        """
        done = subprocess.run(
            [sys.executable, "-m", "cdrelay", *arguments],
            env=self._environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert status in (None, done.returncode), f"{arguments} ended with {done.returncode}: {done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """The same for a command that speaks JSON."""
        return json.loads(self.run(*arguments, "--json"))

    def get(self, path: str, headers: dict[str, str] | None = None) -> bytes | None:
        """The body of a 200; None when there is no such answer."""
        request = urllib.request.Request(self.address + path, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return bytes(answer.read())
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    def status(self) -> dict[str, Any]:
        """`/api/status`; empty while there is no answer."""
        body = self.get("/api/status")
        return json.loads(body) if body else {}

    def post_records(self, key: str, body: bytes) -> dict[str, Any]:
        """Hand records in, as NDJSON."""
        request = urllib.request.Request(
            self.address + "/v1/intake/records",
            data=body,
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return dict(json.loads(answer.read()))

    def wait_until(self, holds: Any, seconds: float, what: str) -> None:
        """Poll until it holds. Raises AssertionError with the log when it does not in time, or the process ended."""
        until = time.monotonic() + seconds
        while not holds():
            ended = self.process is None or self.process.poll() is not None
            if ended or time.monotonic() > until:
                log = (self.home / "stderr.log").read_text()[-3000:]
                status = {half: self.status().get(half) for half in ("publisher", "collector")}
                for figures in filter(None, status.values()):
                    figures.pop("hours", None)
                raise AssertionError(f"not within {seconds} s: {what}; status {status}; log {log}")
            time.sleep(0.1)


def connect_halves(cdrelay: Cdrelay, organizations: list[str]) -> str:
    """Make a partner with these customers whose webhook is the collector of the same process; returns an intake key."""
    partner = "reseller"
    relation = {"partnerId": partner, "startsAt": "1970-01-01T00:00:00Z"}
    directory = {
        "partners": [{"name": partner}],
        "organizations": [{"orgId": one, "name": f"Customer {number}"} for number, one in enumerate(organizations)],
        "relations": [relation | {"orgId": one} for one in organizations],
    }
    cdrelay.run("publisher", "directory", "import", "-", "--format", "json", typed=json.dumps(directory))
    secret = cdrelay.home / "secret"
    secret.write_text("a-secret-for-this-test")
    url = f"{cdrelay.address}/webhooks/reseller"
    cdrelay.run("publisher", "webhook", "set", partner, url, "--secret-file", str(secret))
    token = cdrelay.home / "token"
    token.write_text(cdrelay.run("publisher", "token", "create", partner).strip())
    source = ("--secret-file", str(secret), "--api", cdrelay.address, "--token-file", str(token))
    cdrelay.run("collector", "source", "add", "reseller", *source)
    return cdrelay.run("publisher", "intake-key", "create").strip()
