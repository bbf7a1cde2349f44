"""A real PostgreSQL server on a Unix socket of its own, for as long as a block lasts."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

_START_SECONDS = 60


class PostgresMissing(RuntimeError):
    """PostgreSQL is not installed; the text says how to get it."""


@contextmanager
def postgres(settings: Mapping[str, str]) -> Iterator[str]:
    """The connection string of a new, empty server with these settings; its files go when the block ends.

    The server refuses to run as root: then it runs as the user `postgres` or `nobody`, and its folder is that user's.
    Raises PostgresMissing.
    """
    programs = _programs()
    with tempfile.TemporaryDirectory(prefix="cdrelay-postgres-") as folder:
        home = Path(folder)
        user = _user_for(home)
        _initialize(programs, home, user)
        options = [f"--{name}={value}" for name, value in settings.items()]
        command = [str(programs / "postgres"), "-D", str(home / "data"), "-k", str(home), "-h", "", *options]
        with (home / "log").open("wb") as log:
            server: subprocess.Popen[bytes] = subprocess.Popen(command, stdout=log, stderr=log, cwd=home, **user)
        try:
            conninfo = f"host={home} user=postgres dbname=postgres"
            _wait(conninfo, server, home / "log")
            yield conninfo
        finally:
            server.send_signal(2)  # fast shutdown: clients are let go, what they committed is written
            server.wait(_START_SECONDS)


def _programs() -> Path:
    """The folder of initdb and postgres; Debian keeps those of the newest version out of the PATH."""
    found = shutil.which("postgres")
    if found is not None and shutil.which("initdb") is not None:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    if not versions:
        raise PostgresMissing(
            "PostgreSQL is not installed, and this measures against it: sudo apt-get install postgresql"
            " (or your system's package); `postgres` and `initdb` must be in the PATH"
        )
    return versions[-1]


def _user_for(folder: Path) -> dict[str, Any]:
    """Who the server is to run as, for subprocess; the folder becomes theirs."""
    if os.getuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _initialize(programs: Path, home: Path, user: Mapping[str, Any]) -> None:
    where, how = str(home / "data"), ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
    command = [str(programs / "initdb"), "-D", where, *how]
    done = subprocess.run(command, capture_output=True, text=True, cwd=home, check=False, **user)
    if done.returncode:
        raise RuntimeError(f"initdb failed: {done.stderr[-2000:]}")


def _wait(conninfo: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(conninfo).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.1)
        else:
            return
