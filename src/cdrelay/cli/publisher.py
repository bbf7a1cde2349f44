"""`cdrelay publisher …`: partners, organizations, webhooks, credentials, deliveries, ticks."""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from cdrelay import wiring
from cdrelay.cli import partner_removal
from cdrelay.cli.context import context_of
from cdrelay.cli.given_paths import path_option
from cdrelay.cli.late import LateGroup
from cdrelay.cli.output import print_json, secret_given, show, talk
from cdrelay.cli.parties import directory_of
from cdrelay.cli.period import moment_given
from cdrelay.publisher.parties import TOKEN_LIFETIME, ResourceType


class Commands(LateGroup):
    """Those of this half."""

    where: ClassVar[Mapping[str, str]] = {
        "deliveries": "deliveries:deliveries",
        "tick": "deliveries:tick",
        "send-again": "deliveries:send_again",
        "set-back": "deliveries:set_back",
        "partner": "",
        "organization": "",
        "relation": "directory:relation_app",
        "licence": "directory:licence_app",
        "directory": "bulk:app",
        "operator-key": "keys:operator_app",
        "administrator": "administrators:app",
        "webhook": "",
        "token": "",
        "intake-key": "keys:intake_app",
        "integration": "integrations:app",
        "source": "record_sources:app",
    }


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="The sending half: where records come from, who gets which, and what was delivered.",
)
partner_app = typer.Typer(no_args_is_help=True, help="The resellers that receive the feed.")
organization_app = typer.Typer(no_args_is_help=True, help="The customer organizations whose calls are recorded.")
webhook_app = typer.Typer(no_args_is_help=True, help="Where a partner's windows are delivered.")
token_app = typer.Typer(
    no_args_is_help=True, help="Access tokens of partners, for the endpoints for counts and records."
)
for name, group in {
    "partner": partner_app,
    "organization": organization_app,
    "webhook": webhook_app,
    "token": token_app,
}.items():
    app.add_typer(group, name=name)

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
PartnerArgument = Annotated[str, typer.Argument(help="The partner's name or id.", metavar="PARTNER")]
OrganizationArgument = Annotated[str, typer.Argument(help="The organization's UUID or encoded id.", metavar="ORG")]
LabelOption = Annotated[str, typer.Option("--label", help="What it is for, so that it can be told from others.")]


def _parts(typer_context: typer.Context) -> "wiring.PublisherParts":
    return context_of(typer_context).publisher()


# --- partners and organizations ---


@partner_app.command("add")
def add_partner(
    typer_context: typer.Context,
    name: Annotated[str, typer.Argument(help="How the partner is called; no two have the same name.")],
    as_json: JsonOption = False,
) -> None:
    """Add a partner and print its id."""
    partner = directory_of(typer_context).add_partner(name)
    print_json(asdict(partner)) if as_json else typer.echo(partner.id)


@partner_app.command("list")
def list_partners(typer_context: typer.Context, as_json: JsonOption = False) -> None:
    """List the partners and how many organizations each has."""
    directory = directory_of(typer_context)
    numbers = Counter(partner_id for one in directory.organizations() for partner_id in one.partner_ids)
    rows = [asdict(one) | {"organizations": numbers.get(one.id, 0)} for one in directory.partners()]
    show(rows, as_json, "there are no partners yet; `cdrelay publisher partner add NAME` makes one")


partner_app.command("remove")(partner_removal.remove_partner)


@organization_app.command("add")
def add_organization(
    typer_context: typer.Context,
    organization: OrganizationArgument,
    name: Annotated[str, typer.Option("--name", help="What people call it.")] = "",
    partner: Annotated[str | None, typer.Option("--partner", help="Assign it to this partner too.")] = None,
    region: Annotated[str | None, typer.Option("--region", help="Whose publisher holds its records.")] = None,
    starts_at: Annotated[
        str | None,
        typer.Option(
            "--from", help="Start of the relation with --partner, UTC; else it has always been.", metavar="TIME"
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a customer organization, or change its name or region, and print its UUID."""
    if starts_at is not None and partner is None:
        raise typer.BadParameter("it is of the relation with a partner: give --partner, too", param_hint="--from")
    directory = directory_of(typer_context)
    partner_id = None if partner is None else directory.partner(partner).id
    begin = moment_given("--from", starts_at)
    added = directory.add_organization(organization, name, partner_id, begin, region=region)
    print_json(asdict(added)) if as_json else typer.echo(added.org_uuid)


@organization_app.command("assign")
def assign_organization(
    typer_context: typer.Context, organization: OrganizationArgument, partner: PartnerArgument
) -> None:
    """Say that a partner has a calling relationship with an organization."""
    directory = directory_of(typer_context)
    directory.assign(organization, directory.partner(partner).id)
    talk.print("assigned; its calls are in the partner's windows from the next tick on")


@organization_app.command("list")
def list_organizations(
    typer_context: typer.Context,
    partner: Annotated[str | None, typer.Option("--partner", help="Only those of this partner.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the organizations and their partners."""
    directory = directory_of(typer_context)
    names = {one.id: one.name for one in directory.partners()}
    partner_id = None if partner is None else directory.partner(partner).id
    rows = [
        {
            "org_uuid": one.org_uuid,
            "name": one.name,
            "region": one.region,
            "partners": [names[each] for each in one.partner_ids],
        }
        for one in directory.organizations()
        if partner_id is None or partner_id in one.partner_ids
    ]
    show(rows, as_json, "there are no organizations yet; `cdrelay publisher organization add ORG` makes one")


# --- webhooks ---


def _read_secret(secret: str | None, secret_file: Path | None, unsigned: bool) -> str | None:
    if [secret is not None, secret_file is not None, unsigned].count(True) > 1:
        raise typer.BadParameter("give one of --secret, --secret-file and --unsigned")
    if unsigned:
        return None
    if secret is not None:
        talk.print("[yellow]warning:[/] other users can see --secret in the process list; prefer --secret-file")
    if secret is not None or secret_file is not None:
        return secret_given("secret", secret, secret_file)
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        if not line:
            what = "nobody is there to ask for the secret; name a file, or give --unsigned"
            raise typer.BadParameter(what, param_hint="--secret-file")
        return line.rstrip("\r\n") or None
    return typer.prompt("Secret (empty: unsigned deliveries)", default="", hide_input=True, show_default=False) or None


@webhook_app.command("set")
def set_webhook(
    typer_context: typer.Context,
    partner: PartnerArgument,
    url: Annotated[str, typer.Argument(help="The callback URL.", metavar="URL")],
    *,
    secret_file: Annotated[
        Path | None, path_option("--secret-file", help="File with the secret to sign with; - reads it from stdin.")
    ] = None,
    secret: Annotated[str | None, typer.Option("--secret", help="The secret; others can see it here.")] = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Deliver without a signature.")] = False,
    resource_type: Annotated[ResourceType, typer.Option("--resource-type", help="Which feed.")] = "analytics",
    previous_valid_hours: Annotated[
        float,
        typer.Option(
            "--previous-valid-hours", min=0, max=168, help="Hours that the secret before stays valid beside a new one."
        ),
    ] = 0.0,
    alert_url: Annotated[
        str | None,
        typer.Option("--alert-url", help="A second URL, told when this one is switched off; empty removes it."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the webhook there is.")] = False,
) -> None:
    """Deliver a partner's windows to a URL, from the next tick on. Prompts for the secret when none is given."""
    directory = directory_of(typer_context)
    partner_id = directory.partner(partner).id
    given = _read_secret(secret, secret_file, unsigned)
    webhook = _parts(typer_context).webhooks.set(
        partner_id,
        url,
        secret=given,
        unsigned=given is None,
        previous_valid_for=timedelta(hours=previous_valid_hours),
        resource_type=resource_type,
        alert_url=alert_url,
        replace=replace,
    )
    talk.print(f"set; deliveries are {'signed' if webhook.signed else 'not signed'}")


@webhook_app.command("show")
def show_webhook(typer_context: typer.Context, partner: PartnerArgument, as_json: JsonOption = False) -> None:
    """Show a partner's webhook; its secret is never shown."""
    directory = directory_of(typer_context)
    webhook = _parts(typer_context).webhooks.get(directory.partner(partner).id)
    print_json(asdict(webhook)) if as_json else show([asdict(webhook)], as_json=False, nothing="")


@webhook_app.command("remove")
def remove_webhook(typer_context: typer.Context, partner: PartnerArgument) -> None:
    """Remove a partner's webhook; what waits is not sent."""
    directory = directory_of(typer_context)
    _parts(typer_context).webhooks.remove(directory.partner(partner).id)
    talk.print("removed")


@webhook_app.command("activate")
def activate_webhook(typer_context: typer.Context, partner: PartnerArgument) -> None:
    """Switch a webhook on; what waits is sent."""
    _switch(typer_context, partner, active=True)


@webhook_app.command("deactivate")
def deactivate_webhook(typer_context: typer.Context, partner: PartnerArgument) -> None:
    """Switch a webhook off: nothing is sent; windows wait until it is on again, for 48 hours at most."""
    _switch(typer_context, partner, active=False)


def _switch(typer_context: typer.Context, partner: str, *, active: bool) -> None:
    directory = directory_of(typer_context)
    webhook = _parts(typer_context).webhooks.set_active(directory.partner(partner).id, active)
    talk.print(f"the webhook is {'on' if webhook.active else 'off'}")


# --- credentials ---


@token_app.command("create")
def create_token(
    typer_context: typer.Context,
    partner: PartnerArgument,
    label: LabelOption = "",
    days: Annotated[float, typer.Option("--days", help="Days that it lasts.", min=0, max=36_500)] = TOKEN_LIFETIME.days,
) -> None:
    """Make an access token and print it. It is shown this once."""
    directory = directory_of(typer_context)
    typer.echo(directory.credentials.create_token(directory.partner(partner).id, label, timedelta(days=days)))


@token_app.command("list")
def list_tokens(typer_context: typer.Context, as_json: JsonOption = False) -> None:
    """List the access tokens by id; the tokens themselves are not stored."""
    directory = directory_of(typer_context)
    names = {one.id: one.name for one in directory.partners()}
    columns = ("id", "label", "created_at", "expires_at", "revoked_at", "partner_id")
    tokens = [asdict(one) for one in directory.credentials.tokens()]
    rows = [{each: one[each] for each in columns} | {"partner": names.get(one["partner_id"])} for one in tokens]
    show(rows, as_json, "there are no tokens yet; `cdrelay publisher token create PARTNER` makes one")


@token_app.command("revoke")
def revoke_token(
    typer_context: typer.Context, token: Annotated[str, typer.Argument(help="Its id, or the token itself.")]
) -> None:
    """Make an access token useless at once."""
    talk.print(f"revoked {directory_of(typer_context).credentials.revoke_token(token)}")
