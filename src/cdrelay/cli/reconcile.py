"""`cdrelay reconcile`: comparing with the providers' counts now, and fetching what is missing."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from cdrelay.cli.context import context_of
from cdrelay.cli.organizations import OrganizationOption, one_organization
from cdrelay.cli.output import print_line, show, talk
from cdrelay.cli.period import FromOption, ToOption, read_period
from cdrelay.collector.known_organizations import known_organizations
from cdrelay.collector.reconciliation import Asked, Progress

_IN_TABLE = ("source", "requests", "windows", "short", "repaired", "fetched", "lost")
SourceArgument = Annotated[str | None, typer.Argument(help="Only this source.", metavar="[SOURCE]")]


def reconcile(
    typer_context: typer.Context,
    source: SourceArgument = None,
    *,
    source_name: Annotated[str | None, typer.Option("--source", help="The same, as an option.")] = None,
    organization: OrganizationOption = None,
    start: FromOption = None,
    end: ToOption = None,
    by_ids: Annotated[
        bool,
        typer.Option("--ids", help="Fetch all records and compare their Report IDs, also where the counts are equal."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Compare with the provider's counts now, and fetch what is missing.

    Fails when something stays missing, or could not be asked for.

    All hours in the provider's reach, or those that meet a period, whole. Of a period out of reach it is only looked
    whether what was missing has come meanwhile.
    """
    if source is not None and source_name not in (None, source):
        raise typer.BadParameter("name the source once", param_hint="--source")
    source, period = source_name if source is None else source, read_period(start, end)
    parts = context_of(typer_context).collector()
    in_ledger = partial(known_organizations, parts.database, source=source)
    org_uuid = one_organization(organization, in_ledger, parts.store.lake.organizations)
    asked = Asked(source=source, organization=org_uuid, period=period, by_ids=by_ids)
    with _bars() as tell:
        reports = asyncio.run(parts.reconciler.run_once(progress=tell, asked=asked))
    nothing = (
        "no source has an api address and a token; `cdrelay collector source set NAME --api URL` gives it the one,"
        " `cdrelay collector login NAME` the other"
    )
    rows = [asdict(report) for report in reports]
    shown = rows if as_json else [{name: row[name] for name in _IN_TABLE} for row in rows]
    show(shown, as_json, nothing)
    if not as_json:
        for report in reports:
            if report.problem:
                print_line(f"{report.source}: {report.problem}")
    if any(report.short or report.lost or report.problem for report in reports):
        raise typer.Exit(1)


@contextmanager
def _bars() -> Iterator[Callable[[Progress], None]]:
    """A bar a source, for people."""
    if not talk.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=talk, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def tell(progress: Progress) -> None:
            if progress.source not in tasks:
                tasks[progress.source] = bars.add_task(f"{progress.source}: hours")
            done = progress.done == progress.spans
            words = "finishing" if done else "hours"
            bars.update(
                tasks[progress.source],
                completed=progress.done,
                total=progress.spans,
                description=f"{progress.source}: {words}",
            )

        yield tell
