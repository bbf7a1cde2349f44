"""`cdrelay traffic`: synthetic calls, to an intake endpoint or to stdout."""

import asyncio
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cdrelay.cli.context import context_of
from cdrelay.cli.output import talk
from cdrelay.cli.period import moment_given
from cdrelay.clock import SystemClock
from cdrelay.conformance.exchange import read_url
from cdrelay.traffic import Faults, Plan, Traffic
from cdrelay.traffic.feeding import Fed, Feeder


def _share(that: str) -> Any:
    return typer.Option(min=0, max=1, help=f"Share of records, 0 to 1, that {that}.")


def traffic(
    typer_context: typer.Context,
    to: Annotated[
        str | None, typer.Option("--to", help="Address of a publisher, such as http://127.0.0.1:8000.")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="With --to: its intake key.")] = None,
    rate: Annotated[float, typer.Option(min=0.01, max=1_000_000, help="Records a second in the busiest hour.")] = 20.0,
    organizations: Annotated[int, typer.Option(min=1, max=100_000, help="Customer organizations.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed gives the same calls.")] = 1,
    flat: Annotated[bool, typer.Option("--flat", help="No daily and weekly shape.")] = False,
    seconds: Annotated[
        float | None, typer.Option(min=1, max=100_000_000, help="With --to: stop after so many seconds; else go on.")
    ] = None,
    records: Annotated[int | None, typer.Option(min=1, help="Print so many records as NDJSON and stop.")] = None,
    until: Annotated[
        str | None, typer.Option(help="When the printed calls ended at the latest; now, unless given.", metavar="TIME")
    ] = None,
    late: Annotated[float, _share("come 10 to 120 minutes late")] = 0.0,
    duplicate: Annotated[float, _share("come twice")] = 0.0,
    corrected: Annotated[float, _share("are followed by a correction")] = 0.0,
    unknown_key: Annotated[float, _share("have a key that nobody documented")] = 0.0,
    broken: Annotated[float, _share("cannot be stored")] = 0.0,
) -> None:
    """Make calls with their legs. With --to they are handed to an intake endpoint as they end; else printed.

    The same seed makes the same calls; printed until the same moment, the same bytes.
    """
    address = _address(to, key, {"--key": key, "--seconds": seconds}, {"--records": records, "--until": until})
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
    if address is None:
        end = moment_given("--until", until) or now
        lines = calls.records(records or 100, end - settings.rules.count_span, end)
        for line in lines:
            sys.stdout.buffer.write(line + b"\n")
        return
    feeder = Feeder(calls, address, key or "", SystemClock())
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=talk, disable=not talk.is_terminal) as progress:
        task = progress.add_task("handing over calls")

        def show(fed: Fed) -> None:
            progress.update(task, description=f"{fed.records:,} records in {fed.posts:,} posts, {fed.failures} failed")

        stop = now + timedelta(seconds=seconds) if seconds else None
        fed = asyncio.run(feeder.run(stop, show))
    talk.print(f"{fed.records:,} records handed over in {fed.posts:,} posts; {fed.failures} posts had to be repeated")


def _address(to: str | None, key: str | None, handing: Mapping[str, Any], printing: Mapping[str, Any]) -> str | None:
    """Where the calls go; None: they are printed. Raises typer.BadParameter for options that belong to the other."""
    others = handing if to is None else printing
    for option, value in others.items():
        if value is not None:
            what = "only with --to" if to is None else "only for calls that are printed, without --to"
            raise typer.BadParameter(what, param_hint=option)
    if to is None:
        return None
    if not key or not key.isprintable():
        raise typer.BadParameter("an intake key is needed, in one line", param_hint="--key")
    try:
        return str(read_url(to))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--to") from error
