"""`cdrelay collector …` on one home folder, in the process of the test."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from structlog.testing import capture_logs
from typer.testing import CliRunner

from cdrelay.cli import collector
from cdrelay.cli.context import Context
from cdrelay.settings import read_settings


@dataclass(frozen=True)
class Done:
    """A command that came to its end."""

    status: int
    out: str
    """What it printed for programs."""
    told: str
    """All that it said besides: to people, to the log, and as its error."""


class CollectorShell:
    """Runs commands. Blocks; may be used from any thread, one at a time."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._app = typer.Typer()
        self._app.add_typer(collector.app, name="collector")

    def run(self, *words: str, stdin: str = "", **environment: str) -> Done:
        """A command to its end."""
        context = Context(read_settings({"CDRELAY_HOME": str(self._home)}))
        try:
            with capture_logs() as logs:
                result = CliRunner().invoke(self._app, ["collector", *words], input=stdin, env=environment, obj=context)
        finally:
            context.close()
        return Done(result.exit_code, result.stdout, f"{result.stderr} {result.exception} {logs}")

    def json(self, *words: str) -> Any:
        """The same for a command that speaks JSON."""
        done = self.run(*words, "--json")
        assert done.status == 0, done
        return json.loads(done.out)
