"""The lakes: log, files, keys; and, when it is wanted, every record."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from math import ceil
from pathlib import Path

from cdrelay.control.receipts import Receipts
from cdrelay.doctor.findings import Examined, Finding, some
from cdrelay.doctor.home import runs
from cdrelay.lake.encryption import LakeKeyMissing, LakeKeys
from cdrelay.lake.engine import EngineLimits, open_engine
from cdrelay.lake.gone import gone, in_words
from cdrelay.lake.inspection import LakeInspection
from cdrelay.lake.log_repair import LakeUnreadable, Payloads, lost_with, repair_log, torn_ends
from cdrelay.lake.scratch import own_scratch
from cdrelay.lake.statements import key_of
from cdrelay.wiring.foundation import HALVES, HalfName
from cdrelay.wiring.living import lake_keys

_BACKUP = "docs/backup.md"
_PAGE = "docs/operations/doctor.md#lake"
_TIDIED_HOURS = 2
"""So long after nobody may read them any more, files are gone where upkeep works."""


def lakes(examined: Examined) -> Iterator[Finding]:
    """Each half's lake."""
    for half in HALVES:
        folder = examined.home / half / "lake"
        if _gone(examined, half, folder):
            advice = (
                "nothing starts until then: mount its disk, or put it back from a backup; or"
                f" `cdrelay lake begin-anew --half {half}`"
            )
            yield Finding(f"{half} lake", "failed", in_words(folder, half), advice, _PAGE)
        elif folder.is_dir():
            try:
                yield from _lake(examined, half, folder)
            except (LakeUnreadable, LakeKeyMissing) as error:
                what = f"the lake of the {half} cannot be read: {error}"
                yield Finding(f"{half} lake", "failed", what, "stop cdrelay and put it back from a backup", _BACKUP)


def _gone(examined: Examined, half: HalfName, folder: Path) -> bool:
    if not (examined.home / "control.db").exists():
        return False
    return gone(folder, Receipts(examined.database, half).last_load)


def _lake(examined: Examined, half: HalfName, folder: Path) -> Iterator[Finding]:
    torn = list(_torn_log(examined, half, folder))
    yield from torn
    if any(finding.state == "failed" for finding in torn):
        return
    inspection = LakeInspection(folder, _keys(examined, half))
    files = list(_files(inspection, half))
    yield from files
    yield from _left_over(examined, inspection, half)
    if examined.deep and all(finding.state == "ok" for finding in files):
        yield from _records(examined, inspection, half)


def _torn_log(examined: Examined, half: HalfName, folder: Path) -> Iterator[Finding]:
    torn, check = torn_ends(folder), f"{half} lake"
    if not torn:
        return
    what = f"the log of the {half}'s lake ends with an empty or torn file: {torn[0].name}"
    payloads = Payloads(examined.home / half / "spool", Receipts(examined.database, half).of_later_loads)
    lost = lost_with(torn, folder, payloads)
    if lost:
        advice = (
            "nothing starts until then: put the file back from a backup; or move it away, start, and run"
            " `cdrelay reconcile` within 48 hours"
        )
        yield Finding(check, "failed", f"{what}, and without it {lost}", advice, _PAGE)
    elif examined.repair:
        repair_log(folder, payloads)
        yield Finding(check, "warning", f"{what}; it was taken away", "nothing: what it said is done again", _PAGE)
    else:
        advice = "`cdrelay doctor --repair` takes it away, as a start does; what it said is done again from the spool"
        yield Finding(check, "failed", what, advice, _PAGE)


def _keys(examined: Examined, half: str) -> LakeKeys | None:
    box = examined.secrets()
    if box is None or not (examined.home / half / "lake.keys").exists():
        return None
    return lake_keys(examined.settings, half, box)


def _files(inspection: LakeInspection, half: str) -> Iterator[Finding]:
    check, state = f"{half} lake", inspection.table.snapshot()
    damaged = [f"{path} {wrong}" for path, wrong in inspection.damaged_files()]
    if damaged:
        what = f"{len(damaged)} of {len(state.files)} files are not as the log says: {some(damaged)}"
        yield Finding(check, "failed", what, "put these files back from a backup (folder `files/`)", _BACKUP)
    encrypted = [file for file in state.files if key_of(file.path) is not None]
    if encrypted:
        inspection.table.absolute(encrypted)  # raises when a key is not there
    if not damaged:
        records = sum(file.rows for file in state.files)
        what = f"version {state.version}: {records:,} records in {len(state.files):,} files, all there"
        yield Finding(check, "ok", what + (f", {len(encrypted):,} encrypted" if encrypted else ""))


def _left_over(examined: Examined, inspection: LakeInspection, half: str) -> Iterator[Finding]:
    check = f"{half} old files"
    hours = ceil(examined.settings.replaced_files_minutes / 60) + _TIDIED_HOURS
    left = inspection.table.left_over(hours)
    if left and runs(examined.home, half):
        what = f"{len(left):,} files that no state of the last {hours} hours uses are still there"
        advice = f"`cdrelay lake upkeep --half {half}` deletes them"
        yield Finding(check, "warning", what, advice, "docs/operations/upkeep-failed.md")
    else:
        yield Finding(check, "ok", f"{len(left):,} wait to be deleted")


def _records(examined: Examined, inspection: LakeInspection, half: str) -> Iterator[Finding]:
    check, damaged = f"{half} records", []
    latest = examined.clock.now() + timedelta(minutes=examined.settings.record_max_ahead_minutes)
    limits = EngineLimits(examined.settings.engine_memory_megabytes, examined.settings.engine_threads)
    with (
        own_scratch(examined.home / half / "scratch") as scratch,
        closing(open_engine(limits, scratch)) as engine,
    ):
        if inspection.table.keys is not None:
            inspection.table.keys.serve(engine)
        for path, wrong in inspection.damaged_rows(engine, latest):
            examined.progress(f"{half}: {path}")
            damaged += [f"{path} {wrong}"] if wrong else []
        if damaged:
            what = f"{len(damaged)} files are damaged: {some(damaged)}"
            yield Finding(check, "failed", what, "put these files back from a backup (folder `files/`)", _BACKUP)
            return
        twice = inspection.stored_twice(engine)
    if twice:
        yield Finding(check, "failed", f"{twice:,} records are stored more than once", "report this as a defect", _PAGE)
    else:
        yield Finding(check, "ok", "every file was read; no record is there twice, all times are plausible")
