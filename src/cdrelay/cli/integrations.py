"""`cdrelay publisher integration …`: the OAuth clients that may ask administrators for tokens."""

from dataclasses import asdict
from typing import Annotated

import typer

from cdrelay.cli.context import context_of
from cdrelay.cli.output import print_json, show, talk
from cdrelay.cli.parties import directory_of
from cdrelay.publisher.access.integrations import Integrations
from cdrelay.publisher.parties import CDR_SCOPE

app = typer.Typer(no_args_is_help=True, help="OAuth clients that may ask administrators for tokens.")

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


def _integrations(typer_context: typer.Context) -> Integrations:
    foundation = context_of(typer_context).foundation()
    return Integrations(foundation.database, foundation.clock)


@app.command("add")
def add(
    typer_context: typer.Context,
    name: Annotated[str, typer.Argument(help="How administrators know it when they are asked.")],
    *,
    redirect: Annotated[
        list[str], typer.Option("--redirect", metavar="URL", help="Where answers may go; may be repeated.")
    ],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="What it may ask for; may be repeated.", show_default=CDR_SCOPE)
    ] = None,
    partner: Annotated[
        str | None, typer.Option("--partner", help="Whose administrators it may ask; else those of every partner.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add an integration and print its client id and client secret. The secret is shown this once."""
    partner_id = None if partner is None else directory_of(typer_context).partner(partner).id
    added, secret = _integrations(typer_context).add(name, redirect, scope or (CDR_SCOPE,), partner_id)
    if as_json:
        print_json(asdict(added) | {"client_secret": secret})
    else:
        typer.echo(f"{added.client_id}\n{secret}")


@app.command("list")
def list_integrations(typer_context: typer.Context, as_json: JsonOption = False) -> None:
    """List the integrations; their secrets are not stored."""
    names = {one.id: one.name for one in directory_of(typer_context).partners()}
    rows = [
        asdict(one) | {"partner": names.get(one.partner_id or "")} for one in _integrations(typer_context).of_partner()
    ]
    show(rows, as_json, "there are no integrations yet; `cdrelay publisher integration add NAME` makes one")


@app.command("revoke")
def revoke(
    typer_context: typer.Context, client_id: Annotated[str, typer.Argument(help="Its client id.", metavar="CLIENT-ID")]
) -> None:
    """End an integration with all the tokens it was given."""
    _integrations(typer_context).revoke(client_id)
    talk.print("revoked")
