"""`cdrelay collector retention …`: organizations whose records are kept for a time of their own."""

from dataclasses import asdict
from typing import Annotated

import typer

from cdrelay.cli.context import context_of
from cdrelay.cli.organizations import whole_organization
from cdrelay.cli.output import show, talk
from cdrelay.collector.retention import Retentions

app = typer.Typer(no_args_is_help=True, help="Organizations whose records are kept shorter or longer than others'.")

OrganizationArgument = Annotated[str, typer.Argument(help="UUID or encoded id of the organization.", metavar="ORG")]


@app.command("set")
def set_time(
    typer_context: typer.Context,
    organization: OrganizationArgument,
    days: Annotated[float, typer.Argument(help="Days that its records are kept.", metavar="DAYS")],
) -> None:
    """Keep an organization's records for so many days, whatever collector_keep_days is; again replaces it.

    The loader lets go of older ones bit by bit; `cdrelay lake upkeep` at once.
    """
    foundation = context_of(typer_context).foundation()
    Retentions(foundation.database).set(whole_organization(organization, "ORG"), days, foundation.clock.now())
    talk.print(f"its records are kept for {days:g} days", highlight=False)


@app.command("list")
def list_times(
    typer_context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False
) -> None:
    """List the organizations with a time of their own."""
    rows = [asdict(one) for one in Retentions(context_of(typer_context).foundation().database).list()]
    show(rows, as_json, "collector_keep_days applies to every organization")


@app.command("remove")
def remove_time(typer_context: typer.Context, organization: OrganizationArgument) -> None:
    """Let collector_keep_days apply to an organization again."""
    org_uuid = whole_organization(organization, "ORG")
    there = Retentions(context_of(typer_context).foundation().database).remove(org_uuid)
    talk.print("collector_keep_days applies to it again" if there else "it had no time of its own")
