"""Organizations as people type them: a UUID, an encoded id or, where one that is known is meant, how its UUID begins.

What removes something for good takes no beginning: a slip of the finger would mean another customer.
"""

import re
from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from cdrelay.contract.organization_ids import organization_uuid

KnownOrganizations = Callable[[str], Iterable[str]]
"""The UUIDs that are known somewhere and begin so."""

OrganizationOption = Annotated[
    str | None,
    typer.Option(
        "--organization", "--org", help="Only this organization: its UUID, how that begins, or its encoded id."
    ),
]
_BEGINNING = re.compile(r"[0-9a-f][0-9a-f-]{0,34}", re.ASCII)
_NAMED = 8


def whole_organization(text: str, hint: str) -> str:
    """The UUID of an id that is given whole. Raises typer.BadParameter that names `hint`, the option or argument."""
    try:
        return organization_uuid(text)
    except ValueError as error:
        example = "such as 41e2a389-fd3e-5b1c-b6ba-53ba7d840c96"
        raise typer.BadParameter(f"{error}, {example}", param_hint=hint) from error


def one_organization(text: str | None, *known: KnownOrganizations) -> str | None:
    """The UUID of the organization that `--organization` means; None where it was not given.

    Where a beginning is given, each of `known` is asked. Raises typer.BadParameter unless exactly one begins so; where
    several do, it names them.
    """
    beginning = (text or "").strip().lower()
    if not _BEGINNING.fullmatch(beginning):
        return whole_organization(text, "--organization") if text is not None else None
    found = sorted({org_uuid for ask in known for org_uuid in ask(beginning)})
    if len(found) == 1:
        return found[0]
    if not found:
        what = f"{beginning!r} is no whole UUID, and no organization is known whose UUID begins so"
        raise typer.BadParameter(what, param_hint="--organization")
    named = ", ".join(found[:_NAMED]) + (f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else "")
    what = f"{len(found):,} organizations are known whose UUID begins with {beginning!r}: {named}"
    raise typer.BadParameter(what, param_hint="--organization")
