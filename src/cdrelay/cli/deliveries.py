"""`cdrelay publisher deliveries`, `tick`, `send-again`, `set-back`: what is sent, owed, and sent again."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from cdrelay.cli.context import context_of
from cdrelay.cli.output import print_json, show, talk
from cdrelay.cli.period import moment_given, read_moment
from cdrelay.contract.windows import Period
from cdrelay.publisher.delivery.set_back import take_back_what_is_ahead

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


def deliveries(
    typer_context: typer.Context,
    number: Annotated[
        int, typer.Option("--number", "-n", help="How many, the newest first.", min=1, max=1_000_000)
    ] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the latest deliveries and how far each has come."""
    parts = context_of(typer_context).publisher()
    names = {one.id: one.name for one in parts.directory.partners()}
    rows = []
    for one in parts.outbox.latest(number):
        attempts = parts.outbox.attempts_of(one.id)
        rows.append(
            {
                "id": one.id,
                "partner": names.get(one.partner_id, one.partner_id),
                "window_start": one.window.start,
                "window_end": one.window.end,
                "round": one.round,
                "part": f"{one.part}/{one.parts}",
                "records": one.records,
                "state": one.state,
                "attempts": one.attempts,
                "next_attempt_at": one.next_attempt_at,
                "last_outcome": attempts[-1].outcome if attempts else None,
            }
        )
    show(rows, as_json, "there are no deliveries yet")


def tick(typer_context: typer.Context, as_json: JsonOption = False) -> None:
    """Cut the windows that are owed now and write their deliveries. A running server does so by itself, and sends."""
    report = context_of(typer_context).publisher().ticker.tick_once()
    if as_json:
        print_json(asdict(report))
    else:
        talk.print(f"{report.cut} ticks cut, {report.deliveries} deliveries written, {report.failures} failures")
    if report.failures:
        raise typer.Exit(1)


def send_again(
    typer_context: typer.Context,
    partner: Annotated[str, typer.Argument(help="The partner's name or id.", metavar="PARTNER")],
    start: Annotated[
        str, typer.Option("--from", help="The first window: when it was due, UTC.", metavar="TIME", show_default=False)
    ],
    end: Annotated[
        str | None, typer.Option("--to", help="The last window, included; else the newest.", metavar="TIME")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Send a partner's windows of the last 48 hours again, whole; a running server sends them."""
    context = context_of(typer_context)
    parts = context.publisher()
    last = moment_given("--to", end) or context.foundation().clock.now()
    try:
        ticks = Period(read_moment("--from", start), last + timedelta.resolution)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--to") from error
    resent = parts.resending.send_again(parts.directory.partner(partner).id, ticks)
    if as_json:
        print_json(asdict(resent))
    else:
        talk.print(f"{resent.windows} windows are sent again, in {resent.deliveries} deliveries")


def set_back(
    typer_context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Go on cutting windows after this machine's clock was ahead, and is right again.

    Windows that were cut for times to come are taken back, and what was delivered of them comes a second time.
    """
    context = context_of(typer_context)
    foundation, parts = context.foundation(), context.publisher()
    if not yes:
        talk.print(f"It is {foundation.clock.now():%Y-%m-%d %H:%M} UTC by this machine's clock.")
        typer.confirm("Is that right?", abort=True, err=True)
    taken = take_back_what_is_ahead(foundation.database, parts.outbox, foundation.clock, foundation.settings.rules)
    if as_json:
        print_json(asdict(taken))
    else:
        talk.print(f"{taken.ticks} ticks that were ahead are taken back, with {taken.deliveries} deliveries")
