"""Sources of records on a spool of their own, in this process and in one that is killed."""

import json
import os
import signal
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copyfile
from typing import Any

from cdrelay.clock import ManualClock
from cdrelay.lake.files import write_durably
from cdrelay.lake.prepare import Refused
from cdrelay.lake.quarantine import Quarantine
from cdrelay.lake.spool import Spool
from cdrelay.publisher.sources import taking
from cdrelay.publisher.sources.followed import FollowedFile
from cdrelay.publisher.sources.limits import IntakeLimits
from cdrelay.publisher.sources.origin import Origin
from cdrelay.publisher.sources.taking import Kept, Taker
from cdrelay.publisher.sources.watched import WatchedFolder
from tests.integration.lake.lake_processes import run

NOW = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
ORG = "11111111-2222-4333-8444-555555555555"
LIMITS = IntakeLimits(10**9, 10**6, timedelta(days=400), timedelta(hours=1))
DATA = Path(__file__).parents[2] / "data"
MASTER = (DATA / "asterisk" / "Master.csv").read_bytes()
ASTERISK = Origin(name="pbx-b", format="asterisk", org_uuid=ORG)
RECORDS = Origin(name="drop", org_uuid=ORG)
_DISK_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir"}


class SourceBench:
    """A folder `in` that is watched or holds a followed file, a spool and what is kept beside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.drop = folder / "in"
        self.drop.mkdir(parents=True, exist_ok=True)
        self.spool = Spool(folder / "spool")
        self.quarantine = Quarantine(folder / "quarantine")
        self.taker = Taker(self.spool, ManualClock(NOW), LIMITS)
        self._cursor = folder / "cursor"

    def watched(self, origin: Origin = RECORDS) -> WatchedFolder:
        return WatchedFolder(self.drop, origin, self.taker)

    def look_twice(self, origin: Origin = RECORDS) -> Kept:
        """As a process that was just started does: the second look finds which files are whole."""
        watched = self.watched(origin)
        return watched.look() + watched.look()

    def follow(self, origin: Origin = ASTERISK, name: str = "Master.csv") -> Kept:
        """One look at a followed file, from where the last one ended."""
        file = FollowedFile(self.drop / name, origin, self.taker, self._keep_cursor, self._keep_refused)
        return file.look(self.cursor)

    @property
    def cursor(self) -> str:
        return self._cursor.read_text() if self._cursor.exists() else ""

    def _keep_cursor(self, text: str) -> None:
        write_durably(self._cursor, text.encode())

    def _keep_refused(self, payload_id: str, refused: list[Refused]) -> None:
        self.quarantine.keep(payload_id, "test", refused)

    def records(self) -> list[dict[str, Any]]:
        """What is in the spool, in the order it came; a record that was read twice is there twice."""
        bodies = [Spool.open(path).body() for path in self.spool.waiting()]
        return [json.loads(line) for body in bodies for line in body.splitlines()]

    def by_id(self) -> dict[str, dict[str, Any]]:
        """The records by Report ID, after it was seen that what came twice is the same."""
        found: dict[str, dict[str, Any]] = {}
        for record in self.records():
            assert found.setdefault(record["Report ID"], record) == record
        return found

    def files(self) -> dict[str, list[str]]:
        """The names in the folder and in the two beneath it."""
        folders = {"in": self.drop, "done": self.drop / "done", "refused": self.drop / "refused"}
        return {
            name: sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
            for name, folder in folders.items()
        }


def home_in(folder: Path, empty_database: Path) -> Path:
    """A home folder whose database has its tables already, which takes most of the time."""
    folder.mkdir()
    copyfile(empty_database, folder / "control.db")
    return folder


def ndjson(records: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def _kill_at(count: int) -> None:
    left = count

    def countdown(event: str, _given: object) -> None:
        nonlocal left
        if event in _DISK_EVENTS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(countdown)


def _look(folder: Path, count: int) -> None:
    taking._PAYLOAD_BYTES = 500
    bench = SourceBench(folder)
    _kill_at(count)
    bench.look_twice()


def _follow(folder: Path, count: int) -> None:
    taking._PAYLOAD_BYTES = 500
    bench = SourceBench(folder)
    _kill_at(count)
    bench.follow()


def killed_while_looking(folder: Path, count: int) -> bool:
    """Look twice in a process that is killed when it is about to open, rename or remove the `count`th file.

    False when it came to its end before.
    """
    return _ended_by_kill(run(_look, folder, count))


def killed_while_following(folder: Path, count: int) -> bool:
    """The same for one look at a followed file."""
    return _ended_by_kill(run(_follow, folder, count))


def _ended_by_kill(code: int) -> bool:
    assert code in {0, -signal.SIGKILL}, f"it failed with {code}"
    return code != 0
