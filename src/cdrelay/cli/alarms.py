"""`cdrelay alarms`: what stands, what was, and whether alarms reach anybody."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

import typer

from cdrelay.cli.context import context_of
from cdrelay.cli.output import print_json, print_table, show, talk
from cdrelay.collector.alarms.kinds import page_of
from cdrelay.collector.alarms.store import Alarm
from cdrelay.wiring.alarms import open_alarms, try_out

app = typer.Typer(help="What the collector's operator must look after (docs/alarms.md).")

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.callback(invoke_without_command=True)
def alarms(
    typer_context: typer.Context,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over, the newest first.")] = False,
    most: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="How many at most, with --all.")] = 100,
    check: Annotated[bool, typer.Option("--check", help="Exit with status 1 when any stands.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the alarms that stand, the oldest first."""
    if typer_context.invoked_subcommand is not None:
        return
    store = open_alarms(context_of(typer_context).foundation())
    standing = store.standing()
    rows = [_row(one) for one in (store.latest(most) if everything else standing)]
    if as_json:
        print_json(rows)
    elif rows:
        columns = ("kind", "subject", "what", "raised_at", "cleared_at")
        print_table([name.replace("_", " ") for name in columns], [[row[name] for name in columns] for row in rows])
        talk.print("what to do: docs/operations, the pages of these names")
    else:
        talk.print("there was no alarm" if everything else "no alarm stands")
    if check and standing:
        raise typer.Exit(1)


@app.command("test")
def send_test(typer_context: typer.Context, as_json: JsonOption = False) -> None:
    """Send a test by every way that is set, now, and say what came of it. Fails unless it arrived by all of them."""
    trials = asyncio.run(try_out(context_of(typer_context).foundation()))
    nothing = "nobody is told of alarms: set alarm_mail or alarm_webhook (docs/alarms.md)"
    show([asdict(one) for one in trials], as_json, nothing)
    if not trials or not all(one.arrived for one in trials):
        raise typer.Exit(1)


def _row(alarm: Alarm) -> dict[str, Any]:
    return {
        "kind": alarm.kind,
        "subject": alarm.subject,
        "what": alarm.what,
        "raised_at": alarm.raised_at,
        "seen_at": alarm.seen_at,
        "cleared_at": alarm.cleared_at,
        "page": page_of(alarm.kind),
    }
