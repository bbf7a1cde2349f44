"""`cdrelay publisher administrator …`: who may sign in at the hub for a partner."""

import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cdrelay import wiring
from cdrelay.cli.context import context_of
from cdrelay.cli.given_paths import path_option
from cdrelay.cli.output import print_json, secret_given, show, talk
from cdrelay.cli.parties import directory_of
from cdrelay.publisher.access.administrators import Administrators
from cdrelay.publisher.parties import Role

app = typer.Typer(no_args_is_help=True, help="Who may sign in at the hub for a partner.")

EmailArgument = Annotated[str, typer.Argument(help="The administrator's e-mail address.", metavar="EMAIL")]
PasswordFileOption = Annotated[
    Path | None, path_option("--password-file", help="File with the password; - reads it from stdin.")
]
PromptOption = Annotated[bool, typer.Option("--prompt", help="Ask for the password.")]
OrganizationsOption = Annotated[
    list[str] | None,
    typer.Option("--organization", metavar="ORG", help="A customer that the role assigned reaches; may be repeated."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


def _administrators(typer_context: typer.Context) -> Administrators:
    return wiring.open_administrators(context_of(typer_context).foundation())


def _password(file: Path | None, prompt: bool) -> tuple[str, bool]:
    """The password, and whether it was made up here and so has to be shown."""
    if file is not None and prompt:
        raise typer.BadParameter("give one of --password-file and --prompt")
    if prompt:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True)), False
    given = secret_given("password", None, file)
    return (secrets.token_urlsafe(18), True) if given is None else (given, False)


@app.command("add")
def add(
    typer_context: typer.Context,
    partner: Annotated[str, typer.Argument(help="The partner's name or id.", metavar="PARTNER")],
    email: EmailArgument,
    *,
    name: Annotated[str, typer.Option("--name", help="How they are called.")],
    role: Annotated[Role, typer.Option("--role", help="What they may see and set.")] = "read_only",
    organization: OrganizationsOption = None,
    password_file: PasswordFileOption = None,
    prompt: PromptOption = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="They sign in at the company's provider alone.")
    ] = False,
) -> None:
    """Add an administrator. Without a password given, one is made up and printed, this once."""
    partner_id = directory_of(typer_context).partner(partner).id
    if no_password and (password_file or prompt):
        raise typer.BadParameter("--no-password goes with no password")
    password, shown = (None, False) if no_password else _password(password_file, prompt)
    _administrators(typer_context).add(partner_id, email, name, role, password, organization or ())
    talk.print("added")
    if shown:
        typer.echo(password)


@app.command("list")
def list_administrators(
    typer_context: typer.Context,
    partner: Annotated[str | None, typer.Option("--partner", help="Only those of this partner.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the administrators; passwords are not stored."""
    directory = directory_of(typer_context)
    names = {one.id: one.name for one in directory.partners()}
    partner_id = None if partner is None else directory.partner(partner).id
    rows = [
        {
            "email": one.email,
            "name": one.name,
            "partner": names[one.partner_id],
            "role": one.role,
            "organizations": one.organizations,
            "locked_until": one.locked_until,
        }
        for one in _administrators(typer_context).of_partner(partner_id)
    ]
    show(rows, as_json, "there are no administrators yet; `cdrelay publisher administrator add` makes one")


@app.command("change")
def change(
    typer_context: typer.Context,
    email: EmailArgument,
    *,
    name: Annotated[str | None, typer.Option("--name", help="How they are called.")] = None,
    role: Annotated[Role | None, typer.Option("--role", help="What they may see and set.")] = None,
    organization: OrganizationsOption = None,
    unlock: Annotated[bool, typer.Option("--unlock", help="Let them sign in again after too many failures.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Change a name, a role, or the customers assigned; it holds from the next request on, also for tokens."""
    if not unlock and name is None and role is None and organization is None:
        raise typer.BadParameter("say what to change: --name, --role, --organization or --unlock")
    store = _administrators(typer_context)
    found = store.by_email(email)
    if unlock:
        store.unlock(found.id)
    changed = store.change(found.id, name=name, role=role, organizations=organization)
    print_json(asdict(changed)) if as_json else talk.print("changed")


@app.command("password")
def password(
    typer_context: typer.Context,
    email: EmailArgument,
    *,
    password_file: PasswordFileOption = None,
    prompt: PromptOption = False,
) -> None:
    """Set a new password and end the sessions there are. Without one given, one is made up and printed, this once."""
    store = _administrators(typer_context)
    administrator = store.by_email(email)
    given, shown = _password(password_file, prompt)
    store.set_password(administrator.id, given)
    talk.print("the new password holds; sessions have ended")
    if shown:
        typer.echo(given)


@app.command("remove")
def remove(typer_context: typer.Context, email: EmailArgument) -> None:
    """Remove an administrator with their sessions and tokens."""
    store = _administrators(typer_context)
    store.remove(store.by_email(email).id)
    talk.print("removed")
