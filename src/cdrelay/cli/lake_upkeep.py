"""`cdrelay lake …`, upkeep: what lies where, upkeep by hand, encrypting what is there."""

from collections import defaultdict
from dataclasses import asdict
from typing import Annotated

import typer
from rich.progress import Progress

from cdrelay.cli.context import Context, context_of
from cdrelay.cli.output import print_json, show, talk
from cdrelay.cli.records import HalfOption
from cdrelay.control.clock_seen import in_words
from cdrelay.lake.encryption import LakeKeys
from cdrelay.lake.export import LakeMissing
from cdrelay.lake.statements import key_of
from cdrelay.lake.upkeep import encrypt_all
from cdrelay.wiring import HalfName, open_store
from cdrelay.wiring.foundation import Store

app = typer.Typer()

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("files")
def files(typer_context: typer.Context, half: HalfOption = "collector", as_json: JsonOption = False) -> None:
    """Show the days of a lake: files, bytes, records, and how many of the files are encrypted."""
    days: dict[str, dict[str, object]] = defaultdict(lambda: {"files": 0, "bytes": 0, "records": 0, "encrypted": 0})
    for file in _store(context_of(typer_context), half).table.snapshot().files:
        numbers = {
            "files": 1,
            "bytes": file.size,
            "records": file.rows,
            "encrypted": int(key_of(file.path) is not None),
        }
        for name, number in numbers.items():
            days[file.day][name] += number  # type: ignore[operator]
    show([{"day": day, **days[day]} for day in sorted(days)], as_json, "the lake is empty")


@app.command("upkeep")
def upkeep(
    typer_context: typer.Context,
    half: HalfOption = "collector",
    clock_is_right: Annotated[
        bool,
        typer.Option("--clock-is-right", help="Remove by age again at once, in both halves, though the clock leapt."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Merge small files, let go of what is past its time, and delete old files from the disk, all at once.

    The server does it bit by bit while it loads; loads wait while this runs. For a day after the clock leapt ahead by
    more than a day nothing goes by its age.
    """
    context = context_of(typer_context)
    store, foundation = _store(context, half), context.foundation()
    if clock_is_right:
        foundation.seen_clock.believe(foundation.clock.now())
    report, leap = store.loader.keep_up(), foundation.seen_clock.leap()
    if as_json:
        print_json(asdict(report) | {"removal_waits_until": leap and leap.until})
        return
    talk.print(
        f"{report.files_before:,} files before, {report.files_after:,} now; {report.files_merged:,} were merged,"
        f" {report.records_expired:,} records were past their time,"
        f" {report.files_deleted:,} old files were deleted from the disk",
        highlight=False,
    )
    if leap is not None:
        talk.print(f"{in_words(leap)}; if it is right: --clock-is-right", highlight=False)


@app.command("encrypt")
def encrypt(
    typer_context: typer.Context,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make a new key first, and encrypt all files with that.")
    ] = False,
    half: HalfOption = "collector",
    as_json: JsonOption = False,
) -> None:
    """Encrypt the files that were written before `encrypt_lake` was set, or all of them with a new key.

    It can be stopped at any time; the same command again, without --new-key, goes on. Loads go on beside it. The old
    files are deleted after `replaced_files_minutes`, by the upkeep.
    """
    store = _store(context_of(typer_context), half)
    keys = _keys(store)
    if new_key:
        with store.loader.exclusively():
            keys.renew()
    rewritten = 0
    with Progress(console=talk, transient=True, disable=not talk.is_terminal) as bars:
        task = bars.add_task("files", total=None)
        for left in encrypt_all(store.table, store.engine, store.loader.exclusively):
            rewritten += 1
            bars.update(task, completed=rewritten, total=rewritten + left)
    report = {"files": rewritten, "key": keys.newest()}
    if as_json:
        print_json(report)
        return
    talk.print(f"{rewritten:,} files were written anew; all are encrypted with key {keys.newest()}", highlight=False)


def _keys(store: Store) -> LakeKeys:
    keys = store.table.keys
    if keys is None or not keys.encrypting:
        raise typer.BadParameter("set encrypt_lake = true first, so that what comes meanwhile is encrypted too")
    return keys


def _store(context: Context, half: HalfName) -> Store:
    folder = context.settings.home / half / "lake"
    if not (folder / "_delta_log").is_dir():
        raise LakeMissing(folder)
    return open_store(context.foundation(), half)
