"""What a process of its own pulls, up to the moment at which it is killed."""

import asyncio
import os
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path

from cdrelay.collector.pulling import Puller
from cdrelay.contract.answers import Patience
from cdrelay.contract.history import HistoryRules
from cdrelay.lake.spool import Spool
from cdrelay.provider_exchange import ClientLimits
from tests.integration.collector.token_bench import TokenBench
from tests.support.front import PassingClock

FAILED = 200
"""The exit code of a process in which something else went wrong than being killed."""
_DISK_EVENTS = {"open", "os.rename", "os.remove", "sqlite3.connect"}
_LIMITS = ClientLimits(answer_seconds=20, body_bytes=10_000_000, patience=Patience(3, 120))


def _opened(home: Path, now: datetime) -> tuple[TokenBench, Puller]:
    """A puller on that home, without the rest of its half."""
    bench = TokenBench(home, PassingClock(now))
    puller = Puller(
        bench.sources,
        bench.tokens,
        Spool(home / "collector" / "spool"),
        incidents=bench.incidents,
        clock=bench.clock,
        rules=HistoryRules(),
        limits=_LIMITS,
    )
    return bench, puller


def _kill(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_before_the_cursor(home: Path, source: str, now: datetime) -> None:
    """Pull one window; killed when the cursor is about to be kept."""
    bench, puller = _opened(home, now)
    bench.sources.alter = _kill  # type: ignore[method-assign, assignment]
    asyncio.run(puller.pull(source))


def killed_at_every_moment(home: Path, source: str, now: datetime) -> None:
    """Pull the same window in one process after the other, two minutes apart.

    The first is killed when it is about to open, rename or remove the first file, the next at the second, and so on,
    until one comes to its end. The exit code is how many were killed, or FAILED.
    """
    kills = 0
    while True:
        process = os.fork()  # faster than a fresh one: everything is imported
        if process == 0:
            _pull_until(kills + 1, home, source, now + kills * timedelta(minutes=2))
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if code != -signal.SIGKILL:
            sys.exit(FAILED if code else kills)
        kills += 1


def _pull_until(count: int, home: Path, source: str, now: datetime) -> None:
    _, puller = _opened(home, now)
    left = count

    def countdown(event: str, _given: object) -> None:
        nonlocal left
        if event in _DISK_EVENTS:
            left -= 1
            if left == 0:
                _kill()

    sys.addaudithook(countdown)
    code = FAILED
    try:
        asyncio.run(puller.pull(source))
        code = 0
    finally:
        os._exit(code)
