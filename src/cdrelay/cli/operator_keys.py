"""`cdrelay publisher operator-key …`: keys with which the operator's programs manage the directory."""

from typing import Annotated, Any

import typer

from cdrelay.cli.context import context_of
from cdrelay.cli.output import show, talk
from cdrelay.publisher.access.operator_keys import OperatorKeys

app = typer.Typer(no_args_is_help=True, help="Keys with which your own programs manage the directory.")

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


def _keys(typer_context: typer.Context) -> OperatorKeys:
    foundation = context_of(typer_context).foundation()
    return OperatorKeys(foundation.database, foundation.clock)


@app.command("create")
def create_operator_key(
    typer_context: typer.Context,
    label: Annotated[str, typer.Option("--label", help="What it is for, so that it can be told from others.")] = "",
) -> None:
    """Make an operator key and print it. It is shown this once."""
    typer.echo(_keys(typer_context).create(label))


@app.command("list")
def list_operator_keys(typer_context: typer.Context, as_json: JsonOption = False) -> None:
    """List the operator keys by id; the keys themselves are not stored."""
    columns = ("id", "label", "created_at", "revoked_at")
    rows: list[dict[str, Any]] = [
        {column: getattr(one, column) for column in columns} for one in _keys(typer_context).all()
    ]
    show(rows, as_json, "there are no operator keys yet; `cdrelay publisher operator-key create` makes one")


@app.command("revoke")
def revoke_operator_key(
    typer_context: typer.Context, key: Annotated[str, typer.Argument(help="Its id, or the key itself.")]
) -> None:
    """Make an operator key useless at once."""
    talk.print(f"revoked {_keys(typer_context).revoke(key)}")
