"""What people are told to type, where an alarm says what to do first, are commands that there are."""

import re

import pytest
from typer.main import get_command

from cdrelay.cli.main import app
from cdrelay.collector.alarms.kinds import FIRST_STEPS

_COMMANDS = sorted({typed for text in FIRST_STEPS.values() for typed in re.findall(r"`(cdrelay [^`]+)`", text)})


@pytest.mark.parametrize("typed", _COMMANDS)
def test_a_command_that_is_told_to_be_typed_is_there(typed: str) -> None:
    command = get_command(app)
    words = typed.split()[1:]
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    options = {name for one in command.params for name in one.opts}
    assert not getattr(command, "commands", {}), f"{typed}: no command"
    assert {word for word in words if word.startswith("--")} <= options
