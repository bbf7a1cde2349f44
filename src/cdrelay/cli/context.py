"""What the commands share: settings from the command line, and the halves opened when a command needs one."""

from dataclasses import dataclass, field
from typing import Any

import typer

from cdrelay import wiring
from cdrelay.settings import Settings, read_settings


@dataclass(slots=True)
class Context:
    """The settings of this run; what is opened is closed when the command ends."""

    settings: Settings
    _foundation: "wiring.Foundation | None" = field(default=None, repr=False)
    _publisher: "wiring.PublisherParts | None" = field(default=None, repr=False)
    _collector: "wiring.CollectorParts | None" = field(default=None, repr=False)

    def foundation(self) -> "wiring.Foundation":
        """The home folder, opened once."""
        if self._foundation is None:
            self._foundation = wiring.open_foundation(self.settings)
        return self._foundation

    def publisher(self) -> "wiring.PublisherParts":
        """The publisher half, opened once."""
        self._publisher = self._publisher or wiring.open_publisher(self.foundation())
        return self._publisher

    def collector(self) -> "wiring.CollectorParts":
        """The collector half, opened once."""
        self._collector = self._collector or wiring.open_collector(self.foundation())
        return self._collector

    def close(self) -> None:
        """Close what was opened; again is harmless."""
        if self._foundation is not None:
            self._foundation.close()
            self._foundation = self._publisher = self._collector = None


def install_context(typer_context: typer.Context, **overrides: Any) -> Context:
    """Read the settings and attach them to a Typer context; closed when it ends."""
    context = Context(read_settings(**overrides))
    typer_context.obj = context
    typer_context.call_on_close(context.close)
    return context


def context_of(typer_context: typer.Context) -> Context:
    """The context that the entry attached."""
    context = typer_context.find_object(Context)
    if context is None:  # only when a command is called around the entry
        context = install_context(typer_context)
    return context
