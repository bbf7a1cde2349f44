"""`cdrelay traffic`: synthetic calls, to an intake endpoint or to stdout."""

import asyncio
import sys
from datetime import timedelta
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cdrelay.cli.context import context_of
from cdrelay.cli.output import talk
from cdrelay.cli.period import read_moment
from cdrelay.clock import SystemClock
from cdrelay.traffic import Faults, Plan, Traffic
from cdrelay.traffic.feeding import Fed, Feeder

Share = Annotated[float, typer.Option(min=0, max=1, help="Share of records, 0 to 1.")]


def traffic(
    typer_context: typer.Context,
    to: Annotated[str, typer.Option("--to", help="Address of a publisher, such as http://127.0.0.1:8000.")] = "",
    key: Annotated[str, typer.Option("--key", help="Its intake key.")] = "",
    rate: Annotated[float, typer.Option(min=0.01, help="Records a second in the busiest hour.")] = 20.0,
    organizations: Annotated[int, typer.Option(min=1, help="Customer organizations.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed gives the same calls.")] = 1,
    flat: Annotated[bool, typer.Option("--flat", help="No daily and weekly shape.")] = False,
    seconds: Annotated[float | None, typer.Option(min=1, help="Stop after so long; without it, go on.")] = None,
    records: Annotated[int | None, typer.Option(min=1, help="Print so many records as NDJSON and stop.")] = None,
    until: Annotated[
        str | None, typer.Option(help="When the printed calls ended at the latest; now, unless given.", metavar="TIME")
    ] = None,
    late: Share = 0.0,
    duplicate: Share = 0.0,
    corrected: Share = 0.0,
    unknown_key: Share = 0.0,
    broken: Share = 0.0,
) -> None:
    """Make calls with their legs. With --to they are handed to an intake endpoint as they end; else printed.

    The same seed makes the same calls; printed until the same moment, the same bytes.
    """
    settings = context_of(typer_context).settings
    faults = Faults(late=late, duplicate=duplicate, corrected=corrected, unknown_key=unknown_key, broken=broken)
    calls = Traffic(
        Plan(
            seed=seed,
            organizations=organizations,
            records_per_second=rate,
            shaped=not flat,
            faults=faults,
            time_scale=settings.compress,
        )
    )
    now = SystemClock().now()
    if not to:
        end = read_moment("--until", until) if until else now
        lines = calls.records(records or 100, end - settings.rules.count_span, end)
        for line in lines:
            sys.stdout.buffer.write(line + b"\n")
        return
    feeder = Feeder(calls, to, key, SystemClock())
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=talk, disable=not talk.is_terminal) as progress:
        task = progress.add_task("handing over calls")

        def show(fed: Fed) -> None:
            progress.update(task, description=f"{fed.records:,} records in {fed.posts:,} posts, {fed.failures} failed")

        stop = now + timedelta(seconds=seconds) if seconds else None
        fed = asyncio.run(feeder.run(stop, show))
    talk.print(f"{fed.records:,} records handed over in {fed.posts:,} posts; {fed.failures} posts had to be repeated")
