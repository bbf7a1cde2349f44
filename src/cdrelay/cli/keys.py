"""`cdrelay publisher intake-key …` and `operator-key …`: the same commands over keys of two kinds."""

from collections.abc import Callable
from typing import Annotated

import typer

from cdrelay.cli.context import context_of
from cdrelay.cli.output import show, talk
from cdrelay.cli.parties import directory_of
from cdrelay.publisher.access.keys import Keys
from cdrelay.publisher.access.operator_keys import OperatorKeys

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
LabelOption = Annotated[str, typer.Option("--label", help="What it is for, so that it can be told from others.")]
KeyArgument = Annotated[str, typer.Argument(help="Its id, or the key itself.")]


def _commands(kind: str, what: str, keys_of: Callable[[typer.Context], Keys]) -> typer.Typer:
    app = typer.Typer(no_args_is_help=True, help=what)

    @app.command("create", help=f"Make an {kind} key and print it. It is shown this once.")
    def create_key(typer_context: typer.Context, label: LabelOption = "") -> None:
        typer.echo(keys_of(typer_context).create(label))

    @app.command("list", help=f"List the {kind} keys by id; the keys themselves are not stored.")
    def list_keys(typer_context: typer.Context, as_json: JsonOption = False) -> None:
        columns = ("id", "label", "created_at", "revoked_at")
        rows = [{column: getattr(one, column) for column in columns} for one in keys_of(typer_context).all()]
        nothing = f"there are no {kind} keys yet; `cdrelay publisher {kind}-key create` makes one"
        show(rows, as_json, nothing)

    @app.command("revoke", help=f"Make an {kind} key useless at once.")
    def revoke_key(typer_context: typer.Context, key: KeyArgument) -> None:
        talk.print(f"revoked {keys_of(typer_context).revoke(key)}")

    return app


def _operator_keys(typer_context: typer.Context) -> Keys:
    foundation = context_of(typer_context).foundation()
    return OperatorKeys(foundation.database, foundation.clock)


def _intake_keys(typer_context: typer.Context) -> Keys:
    return directory_of(typer_context).credentials.intake


operator_app = _commands("operator", "Keys with which your own programs manage the directory.", _operator_keys)
intake_app = _commands("intake", "Keys with which calling platforms hand in records.", _intake_keys)
