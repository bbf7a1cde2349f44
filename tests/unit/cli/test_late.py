"""A command imports what it uses, and nothing that only others do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cdrelay import wiring

COMMAND = """
import sys
from cdrelay.cli.main import app
app(sys.argv[1:], standalone_mode=False)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""
SERVERS = {"fastapi", "uvicorn", "reportlab", "joserfc"}


@pytest.mark.parametrize("words", ["settings", "publisher partner list", "publisher relation list"])
def test_a_command_without_a_server_imports_none(tmp_path: Path, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *words.split()],
        env=os.environ | {"CDRELAY_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(done.stdout.splitlines()[-1].split())
    assert "typer" in imported
    assert imported & SERVERS == set()


def test_a_name_that_nothing_has_is_said_to_be_missing() -> None:
    with pytest.raises(AttributeError, match="open_everything"):
        wiring.open_everything  # noqa: B018
