"""`cdrelay collector …`: the half that receives."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, ClassVar

import typer

from cdrelay.cli.context import context_of
from cdrelay.cli.late import LateGroup
from cdrelay.cli.output import show
from cdrelay.collector.payload_history import latest_payloads


class Commands(LateGroup):
    """Those of this half."""

    where: ClassVar[Mapping[str, str]] = {
        "login": "login:login",
        "import": "report_import:import_reports",
        "payloads": "",
        "source": "collector_sources:app",
        "quarantine": "quarantine:app",
        "retention": "retention:app",
    }


app = typer.Typer(
    cls=Commands, no_args_is_help=True, help="The receiving half: who delivers, and what became of the payloads."
)

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("payloads")
def list_payloads(
    typer_context: typer.Context,
    source: Annotated[str | None, typer.Option("--source", help="Only those of this source.")] = None,
    most: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="How many at most.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the payloads that came last and what their loads did."""
    found = latest_payloads(context_of(typer_context).foundation().database, most, source)
    show([asdict(one) for one in found], as_json, "no payload has been loaded yet")
