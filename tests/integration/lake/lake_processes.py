"""What a process of its own does to a lake, up to the moment at which it is killed."""

import json
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from cdrelay.clock import ManualClock
from cdrelay.lake.erasure import LakeEraser
from cdrelay.lake.files import write_durably
from cdrelay.lake.forgotten import Forgotten
from cdrelay.lake.load import LoadLimits
from cdrelay.lake.receipts import Receipt
from cdrelay.lake.spool import Envelope, NoRoom, Spool
from tests.support.lake_builder import LakeBuilder, document, record

NOW = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
SURVIVED = 0
_DISK_EVENTS = {"open", "os.rename", "os.remove", "os.truncate", "shutil.rmtree"}


@dataclass(frozen=True)
class Kill:
    """When a process kills itself: the `count`th time that it comes to `moment`.

    A moment is a step of the loader, or `disk`: each time Python is about to open, rename or remove a file.
    """

    moment: str
    count: int = 1


class _Countdown:
    def __init__(self, kill: Kill | None) -> None:
        self._kill, self._left = kill, kill.count if kill else 0

    def at(self, moment: str) -> None:
        if self._kill is not None and moment == self._kill.moment:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch_disk(self) -> None:
        sys.addaudithook(lambda event, _: self.at("disk") if event in _DISK_EVENTS else None)


class ReceiptFolder:
    """Receipts as files, which outlive the process. The first for a payload stays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def keep(self, receipts: Sequence[Receipt]) -> None:
        for receipt in receipts:
            path = self._folder / receipt.envelope.id
            if not path.exists():
                write_durably(path, json.dumps([receipt.records, receipt.quarantined]).encode())

    def kept(self) -> dict[str, tuple[int, int]]:
        """(records, quarantined) by payload."""
        return {path.name: tuple(json.loads(path.read_bytes())) for path in self._folder.iterdir()}


def drain(folder: Path, kill: Kill | None = None, batch_bytes: int = 2**20, largest_file: int | None = None) -> None:
    """Drain once, as a fresh process does."""
    countdown = _Countdown(kill)
    limits = LoadLimits(batch_bytes=batch_bytes)
    lake = LakeBuilder(folder, ManualClock(NOW), limits, ReceiptFolder(folder / "receipts").keep)
    lake.loader.step = countdown.at
    countdown.watch_disk()
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    lake.loader.drain()


def erase(folder: Path, forgotten: Forgotten, kill: Kill | None = None) -> None:
    """Erase a person from the lake and delete the old files."""
    countdown = _Countdown(kill)
    lake = LakeBuilder(folder, ManualClock(NOW))
    countdown.watch_disk()
    eraser = LakeEraser(lake.table, lake.engine, lake.loader.exclusively, forgotten)
    for _ in eraser.run():
        countdown.at("step")
    eraser.purge()


def receive(folder: Path, names: Sequence[str], kill: Kill | None = None) -> None:
    """Take payloads of one record each; a file in `acknowledged` stands for the 2xx."""
    countdown = _Countdown(kill)
    spool = Spool(folder / "spool")
    countdown.watch_disk()
    for name in names:
        with spool.incoming(Envelope(id=name, source="test", channel="webhook", received=NOW)) as incoming:
            body = document([record(name, NOW)])
            incoming.write(body[:20])
            countdown.at("half written")
            incoming.write(body[20:])
            countdown.at("written")
            incoming.sync()
            countdown.at("synced")
            incoming.commit()
            countdown.at("committed")
        (folder / "acknowledged" / name).touch()
        countdown.at("acknowledged")


def receive_on_a_full_disk(folder: Path) -> None:
    """Take a payload for which there is no room; anything but NoRoom is an exit code other than 0."""
    spool = Spool(folder / "spool")
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    try:
        spool.put(Envelope(id="a", source="test", channel="webhook", received=NOW), bytes(20_000))
    except NoRoom:
        return
    raise AssertionError("it was taken")


def _context() -> ForkServerContext:
    """Processes that are forked off a server which has the libraries loaded and no thread: fresh, and soon there."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cdrelay.lake.load", "cdrelay.lake.store"])
    return context


def start(what: Callable[..., None], *given: Any) -> ForkServerProcess:
    """Do it in a process of its own."""
    process = _context().Process(target=what, args=given, daemon=True)
    process.start()
    return process


def ended(process: ForkServerProcess) -> int:
    """Its exit code, once it has ended: negative is the signal that killed it."""
    process.join(60)
    code = process.exitcode
    assert code is not None, "it hangs"
    process.close()
    return code


def run(what: Callable[..., None], *given: Any) -> int:
    """Do it in a process of its own, to the end."""
    return ended(start(what, *given))
