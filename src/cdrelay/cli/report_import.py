"""`cdrelay collector import`: customers' reports, for what the provider's endpoints give no more."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from cdrelay.cli.context import context_of
from cdrelay.cli.given_paths import path_argument
from cdrelay.cli.output import print_json, print_table, talk
from cdrelay.collector.report_import import ReportImport, open_reports
from cdrelay.records.identity import Plausible
from cdrelay.wiring.foundation import load_limits


def import_reports(
    typer_context: typer.Context,
    files: Annotated[list[Path], path_argument(help="CSV files of the report, or zips of them.", metavar="FILE...")],
    *,
    source: Annotated[str, typer.Option("--source", help="The source whose customers' records these are.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read the files and say what is in them; change nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Store the records of Detailed Call History reports from Control Hub, and look again at what the ledger misses.

    What is stored already is not stored twice, so doing it again is harmless.
    """
    context = context_of(typer_context)
    parts, foundation = context.collector(), context.foundation()
    parts.sources.get(source)
    work = ReportImport(parts.stores, parts.database, parts.store.quarantine, foundation.clock, context.settings.rules)
    with _bar() as (begin, tell):
        reports = open_reports(files, tell)
        begin(sum(report.size for report in reports))
        if dry_run:
            limits, now = load_limits(context.settings, "collector"), foundation.clock.now()
            found = work.try_out(reports, Plausible(now - limits.max_age, now + limits.max_ahead))
        else:
            found = work.run(source, reports)
    told: dict[str, Any] = asdict(found)
    if dry_run:
        told = {name: told[name] for name in ("records", "quarantined", "organizations", "first", "last")}
    print_json(told) if as_json else print_table(["what", "number"], list(told.items()))
    if found.quarantined:
        talk.print("what cannot be stored and why: `cdrelay collector quarantine list`" if not dry_run else "")


@contextmanager
def _bar() -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """How much of the files is read, for people: call the first with all bytes, the second with each piece's."""
    if not talk.is_terminal:
        yield lambda _: None, lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bars(*columns, console=talk, transient=True) as bars:
        task = bars.add_task("reading", total=None)
        yield lambda size: bars.update(task, total=size), lambda read: bars.update(task, advance=read)
