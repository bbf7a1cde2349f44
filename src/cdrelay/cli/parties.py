"""Partners and organizations, for commands that need nothing else of the publisher."""

import typer

from cdrelay.cli.context import context_of
from cdrelay.publisher.directory.partners import Directory


def directory_of(typer_context: typer.Context) -> Directory:
    """Without the publisher's lake, which may be unreadable or gone."""
    foundation = context_of(typer_context).foundation()
    return Directory(foundation.database, foundation.clock)
