"""`cdrelay publisher partner remove`: a partner goes, with all that is theirs."""

from typing import Annotated

import typer

from cdrelay.cli.context import context_of
from cdrelay.cli.output import print_json, print_table, talk
from cdrelay.cli.parties import directory_of
from cdrelay.publisher.directory.partner_removal import PartnerRemoval


def remove_partner(
    typer_context: typer.Context,
    partner: Annotated[str, typer.Argument(help="The partner's name or id.", metavar="PARTNER")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Remove a partner with administrators, tokens, relations, licences, webhook and all deliveries, also past ones.

    What waits is not sent. Customer organizations and their records stay. There is no way back: `cdrelay publisher
    webhook deactivate` only stops deliveries, and relations can be ended.
    """
    if as_json and not (dry_run or yes):
        raise typer.BadParameter("nothing is asked of a program: add --yes, or --dry-run", param_hint="--json")
    foundation = context_of(typer_context).foundation()
    removal = PartnerRemoval(foundation.database)
    found = directory_of(typer_context).partner(partner)
    belongings = removal.belongings(found.id)
    if not as_json:
        print_table(["what goes", "number"], list(belongings.items()))
    if not (dry_run or yes):
        typer.confirm(f"Remove {found.name} ({found.id}) with all of this?", abort=True, err=True)
    if not dry_run:
        removal.remove(found.id)
        talk.print(f"{found.name} is removed", highlight=False, markup=False)
    if as_json:
        print_json({"id": found.id, "name": found.name, "removed": not dry_run, "belongings": belongings})
