"""The machine: versions, disk, clock."""

import re
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import metadata

from cdrelay import __version__
from cdrelay.collector.alarms.conditions import RESERVES
from cdrelay.doctor.findings import Examined, Finding, some

_MADE = datetime(2026, 1, 1, tzinfo=UTC)
_DRIFT = timedelta(minutes=1)


def versions(examined: Examined) -> Iterator[Finding]:
    """Python and the packages, against what this version of cdrelay asks for."""
    python = ".".join(map(str, sys.version_info[:3]))
    try:
        wanted = metadata.requires("cdrelay") or []
    except metadata.PackageNotFoundError:
        wanted = []
    wrong = [problem for one in wanted if "extra ==" not in one and (problem := _unmet(one))]
    if wrong:
        advice = "install cdrelay anew, with the versions of requirements.lock"
        yield Finding("versions", "failed", f"packages do not fit: {some(wrong)}", advice)
    else:
        said = f"{len(wanted)} packages fit" if wanted else "run from its sources, packages are not compared"
        yield Finding("versions", "ok", f"cdrelay {__version__}, Python {python}; {said}")


def _unmet(requirement: str) -> str:
    match = re.match(r"([\w.-]+)(?:\[[^\]]*\])?\s*>=\s*([\d.]+)", requirement)
    if match is None:
        return ""
    name, least = match[1], match[2]
    try:
        there = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is missing"
    return f"{name} {there} is older than {least}" if _numbers(there) < _numbers(least) else ""


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version.partition("+")[0])]


def disk(examined: Examined) -> Iterator[Finding]:
    """Room on the disk of the home folder, against the reserve."""
    free, reserve = shutil.disk_usage(examined.home).free, examined.settings.disk_reserve_bytes
    what = f"{free // 10**6:,} MB are free; {reserve // 10**6:,} MB are the reserve (disk_reserve_bytes)"
    if free < reserve:
        yield Finding("disk", "failed", f"{what}: no payload is taken", "make room", _page("disk-full"))
    elif free < RESERVES * reserve:
        yield Finding("disk", "warning", what, "make room before deliveries are refused", _page("disk-full"))
    else:
        yield Finding("disk", "ok", what)


def clock(examined: Examined) -> Iterator[Finding]:
    """The clock, against the times that files of the home were written."""
    now = examined.clock.now()
    files = [path for path in examined.home.glob("control.db*") if path.exists()]
    newest = max((datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in files), default=now)
    if now < _MADE:
        what = f"the clock says {now:%Y-%m-%d %H:%M} UTC, before cdrelay was made"
        yield Finding("clock", "failed", what, "set the clock, and keep it set with NTP")
    elif newest > now + _DRIFT:
        what = f"the clock says {now:%Y-%m-%d %H:%M} UTC; the control database was written at {newest:%Y-%m-%d %H:%M}"
        yield Finding("clock", "failed", what, "set the clock, and keep it set with NTP: windows are cut by it")
    else:
        yield Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _page(name: str) -> str:
    return f"docs/operations/{name}.md"
