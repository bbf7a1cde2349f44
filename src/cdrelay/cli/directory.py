"""`cdrelay publisher relation …` and `licence …`: what decides which records a partner gets."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from cdrelay.cli.context import context_of
from cdrelay.cli.output import show, talk
from cdrelay.cli.parties import directory_of
from cdrelay.cli.period import moment_given
from cdrelay.publisher.directory.licences import Licences
from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.directory.relations import Relations
from cdrelay.publisher.directory.rows import read_uuid
from cdrelay.publisher.parties import HolderKind, Licence, Relation, RelationKind

relation_app = typer.Typer(no_args_is_help=True, help="Calling relationships of partners with organizations.")
licence_app = typer.Typer(no_args_is_help=True, help="Calling licences of users and workspaces, and who sold them.")
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
PartnerArgument = Annotated[str, typer.Argument(help="The partner's name or id.", metavar="PARTNER")]
OrganizationArgument = Annotated[str, typer.Argument(help="The organization's UUID or encoded id.", metavar="ORG")]
OnlyPartner = Annotated[str | None, typer.Option("--partner", help="Only those of this partner.")]
OnlyOrganization = Annotated[str | None, typer.Option("--organization", help="Only those with this organization.")]
FromOption = Annotated[str | None, typer.Option("--from", help="In force from then on, UTC; else now.", metavar="TIME")]
ToOption = Annotated[str | None, typer.Option("--to", help="In force until then, UTC; else it lasts.", metavar="TIME")]
AtOption = Annotated[str | None, typer.Option("--at", help="When, UTC; else now.", metavar="TIME")]
InForceOption = Annotated[
    str | None,
    typer.Option("--at", help="Only those in force then, UTC; else all that there ever were.", metavar="TIME"),
]


def _relations(typer_context: typer.Context) -> Relations:
    foundation = context_of(typer_context).foundation()
    return Relations(foundation.database, foundation.clock)


def _licences(typer_context: typer.Context) -> Licences:
    foundation = context_of(typer_context).foundation()
    return Licences(foundation.database, foundation.clock)


def _holder(text: str) -> str:
    try:
        return str(read_uuid(text))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="HOLDER") from error


def _show_named(directory: Directory, entries: Sequence[Relation | Licence], as_json: bool, nothing: str) -> None:
    names = {one.id: one.name for one in directory.partners()}
    show([asdict(one) | {"partner": names[one.partner_id]} for one in entries], as_json, nothing)


# --- relations ---


@relation_app.command("add")
def add_relation(
    typer_context: typer.Context,
    organization: OrganizationArgument,
    partner: PartnerArgument,
    kind: Annotated[
        RelationKind, typer.Option("--kind", help="managed: full administrator role; subscription: calling.")
    ] = "managed",
    starts_at: FromOption = None,
    ends_at: ToOption = None,
) -> None:
    """Say that a partner has a calling relationship with an organization, and print its id."""
    directory = directory_of(typer_context)
    added = _relations(typer_context).add(
        directory.partner(partner).id,
        directory.organization(organization).org_uuid,
        kind,
        moment_given("--from", starts_at),
        moment_given("--to", ends_at),
    )
    typer.echo(added.id)


@relation_app.command("end")
def end_relation(
    typer_context: typer.Context,
    relation: Annotated[str, typer.Argument(help="Its id.", metavar="RELATION")],
    at: AtOption = None,
) -> None:
    """End a relation. Calls that ended before stay the partner's."""
    ended = _relations(typer_context).end(relation, moment_given("--at", at))
    talk.print(f"ends {ended.ends_at:%Y-%m-%d %H:%M:%S} UTC")


@relation_app.command("list")
def list_relations(
    typer_context: typer.Context,
    partner: OnlyPartner = None,
    organization: OnlyOrganization = None,
    at: InForceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the relations, also those of the past."""
    directory = directory_of(typer_context)
    found = _relations(typer_context).of(
        None if partner is None else directory.partner(partner).id,
        None if organization is None else directory.organization(organization).org_uuid,
        moment_given("--at", at),
    )
    _show_named(directory, found, as_json, "there are none; `cdrelay publisher relation add ORG PARTNER` makes one")


# --- licences ---


@licence_app.command("add")
def add_licence(
    typer_context: typer.Context,
    organization: OrganizationArgument,
    holder: Annotated[str, typer.Argument(help="User UUID of the holder's records, or encoded id.", metavar="HOLDER")],
    partner: PartnerArgument,
    kind: Annotated[HolderKind, typer.Option("--kind", help="Who holds it.")] = "user",
    starts_at: FromOption = None,
    ends_at: ToOption = None,
) -> None:
    """Say that a partner sold a calling licence to a user or workspace, and print its id."""
    directory = directory_of(typer_context)
    added = _licences(typer_context).add(
        directory.partner(partner).id,
        directory.organization(organization).org_uuid,
        _holder(holder),
        kind,
        moment_given("--from", starts_at),
        moment_given("--to", ends_at),
    )
    typer.echo(added.id)


@licence_app.command("end")
def end_licence(
    typer_context: typer.Context,
    licence: Annotated[str, typer.Argument(help="Its id.", metavar="LICENCE")],
    at: AtOption = None,
) -> None:
    """End a licence. Calls that ended before stay the seller's."""
    ended = _licences(typer_context).end(licence, moment_given("--at", at))
    talk.print(f"ends {ended.ends_at:%Y-%m-%d %H:%M:%S} UTC")


@licence_app.command("list")
def list_licences(
    typer_context: typer.Context,
    partner: OnlyPartner = None,
    organization: OnlyOrganization = None,
    holder: Annotated[str | None, typer.Option("--holder", help="Only those of this user or workspace.")] = None,
    at: InForceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the licences, also those of the past."""
    directory = directory_of(typer_context)
    found = _licences(typer_context).of(
        None if partner is None else directory.partner(partner).id,
        None if organization is None else directory.organization(organization).org_uuid,
        None if holder is None else _holder(holder),
        moment_given("--at", at),
    )
    _show_named(directory, found, as_json, "there are none; `cdrelay publisher licence add …` makes one")
