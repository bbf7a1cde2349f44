"""`cdrelay lake drift`, `promote` and `promoted`, as a person or a program runs them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from cdrelay.cli import lake, records
from cdrelay.cli.context import Context
from cdrelay.lake.export import LakeMissing
from cdrelay.lake.promoted import CannotPromote
from cdrelay.lake.spool import Envelope
from cdrelay.settings import read_settings
from cdrelay.wiring import open_foundation, open_store
from tests.support.lake_builder import document, record


class Shell:
    """Runs commands on one home folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._app = typer.Typer()
        self._app.add_typer(lake.app, name="lake")
        self._app.command("query")(records.query)

    def run(self, *words: str) -> Result:
        context = Context(read_settings({"CDRELAY_HOME": str(self.home)}))
        try:
            return CliRunner().invoke(self._app, words, obj=context)
        finally:
            context.close()

    def json(self, *words: str) -> object:
        result = self.run(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def store(self, *values: object) -> None:
        """Load a record for each, whose key `Odd [key]` has the value."""
        foundation = open_foundation(read_settings({"CDRELAY_HOME": str(self.home)}))
        store = open_store(foundation, "collector")
        ended = datetime.now(UTC) - timedelta(hours=1)
        given = [record(str(value), ended, **{"Odd [key]": value}) for value in values]
        payload = Envelope(id=f"p{len(store.spool.waiting())}", source="webex", channel="webhook", received=ended)
        store.spool.put(payload, document(given))
        store.loader.drain()
        foundation.close()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    # The entry sends the log to stderr; without it, it would be among the data.
    with capture_logs():
        yield Shell(tmp_path / "home")


def test_drift_is_listed(shell: Shell) -> None:
    shell.store("5", "x")
    (row,) = shell.json("lake", "drift")  # type: ignore[misc]
    assert (row["kind"], row["field"], row["source"], row["records"]) == ("key", "Odd [key]", "webex", 2)
    assert "Odd [key]" in shell.run("lake", "drift").stdout
    assert shell.json("lake", "drift", "--source", "other") == []


def test_a_key_is_looked_at_and_promoted_and_then_asked_for(shell: Shell) -> None:
    shell.store("5", "7", "x")
    dry = shell.json("lake", "promote", "Odd [key]", "--dry-run")
    assert {"type": "integer", "fit": 2, "of": 3} in dry  # type: ignore[operator]
    assert shell.json("lake", "promoted") == []
    assert shell.json("lake", "promote", "Odd [key]", "--type", "integer") == {
        "key": "Odd [key]", "column": "odd_key", "type": "integer", "files": 1, "moved": 2, "left": 1,
    }  # fmt: skip
    assert shell.json("lake", "promoted") == [{"key": "Odd [key]", "column": "odd_key", "type": "integer"}]
    assert shell.json("query", "SELECT sum(odd_key) AS n FROM records") == [{"n": 12}]
    again = shell.run("lake", "promote", "Odd [key]", "--type", "integer")
    assert (again.exit_code, "'Odd [key]' has the column odd_key" in again.output) == (0, True)


def test_what_cannot_be_promoted_is_said(shell: Shell) -> None:
    with pytest.raises(LakeMissing, match="nothing was stored"):
        raise shell.run("lake", "promote", "Odd").exception or AssertionError
    shell.store("5")
    with pytest.raises(CannotPromote, match="documented field"):
        raise shell.run("lake", "promote", "Report ID").exception or AssertionError
    with pytest.raises(CannotPromote, match="no record has the key 'Odd'"):
        raise shell.run("lake", "promote", "Odd").exception or AssertionError
    assert shell.json("lake", "promoted") == []
    assert shell.run("lake", "promote", "Odd", "--anyway").exit_code == 0
    with pytest.raises(LakeMissing, match="publisher"):
        raise shell.run("lake", "promoted", "--half", "publisher").exception or AssertionError
