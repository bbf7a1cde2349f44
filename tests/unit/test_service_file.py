"""The service of systemd among the examples says what the commands and the documents say."""

import shlex
from configparser import ConfigParser
from pathlib import Path

import typer

from cdrelay.cli.main import app

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
INSTALL = EXAMPLES.parent / "operations" / "install.md"


def service() -> dict[str, str]:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(EXAMPLES / "cdrelay.service")
    return dict(parser["Service"])


def test_it_starts_what_there_is() -> None:
    program, *arguments = shlex.split(service()["ExecStart"])
    command, *options = arguments
    known = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]

    context = known.make_context(command, options, resilient_parsing=False)

    assert context.params["roles"] == "collector,hub"
    assert str(Path(program).parent.parent / "bin" / "pip") in INSTALL.read_text()


def test_its_home_is_the_one_folder_that_it_may_write_to() -> None:
    said = service()

    assert said["Environment"] == f"CDRELAY_HOME=/var/lib/{said['StateDirectory']}"
    assert said["ProtectSystem"] == "strict"
    assert f"CDRELAY_HOME=/var/lib/{said['StateDirectory']} " in INSTALL.read_text()
    assert f"useradd --system --home-dir /var/lib/{said['StateDirectory']} " in INSTALL.read_text()
    assert INSTALL.read_text().count(f" {said['User']}\n") >= 1
