"""`cdrelay settings`: what each setting does, its default and its present value."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cdrelay.cli.context import context_of
from cdrelay.cli.output import print_json
from cdrelay.settings import NOT_SHOWN, Settings, described


def settings(
    typer_context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Print every setting: its value now, its default, what it does. A password is not shown."""
    present = context_of(typer_context).settings
    rows = [(one.name, _shown(present, one.name), one.default, one.help) for one in described()]
    if as_json:
        print_json([{"name": n, "value": str(v) if n == "home" else v, "default": d, "help": h} for n, v, d, h in rows])
        return
    table = Table("setting", "value", "what it does", title="Settings (CDRELAY_<NAME> overrides)", title_justify="left")
    for name, value, default, text in rows:
        changed = name != "home" and value != default
        table.add_row(name, f"[bold]{value}[/] (default {default})" if changed else str(value), text)
    Console().print(table)


def _shown(present: Settings, name: str) -> Any:
    value = getattr(present, name)
    return "(set)" if value and name in NOT_SHOWN else value
