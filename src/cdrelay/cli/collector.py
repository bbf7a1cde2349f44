"""`cdrelay collector …`: the half that receives."""

from dataclasses import asdict
from typing import Annotated

import typer

from cdrelay.cli import collector_sources, login, quarantine, report_import, retention
from cdrelay.cli.context import context_of
from cdrelay.cli.output import show
from cdrelay.collector.payload_history import latest_payloads

app = typer.Typer(no_args_is_help=True, help="The receiving half: who delivers, and what became of the payloads.")
app.add_typer(collector_sources.app, name="source")
app.command("login")(login.login)
app.command("import")(report_import.import_reports)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(retention.app, name="retention")

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("payloads")
def list_payloads(
    typer_context: typer.Context,
    source: Annotated[str | None, typer.Option("--source", help="Only those of this source.")] = None,
    most: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the payloads that came last and what their loads did."""
    found = latest_payloads(context_of(typer_context).foundation().database, most, source)
    show([asdict(one) for one in found], as_json, "no payload has been loaded yet")
