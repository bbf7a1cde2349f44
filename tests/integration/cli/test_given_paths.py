"""Paths on the command line: an empty one is refused by every command, and stdin is read once."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cdrelay.cli.main import app

_STDIN = re.compile(r"- (?:is|reads it from|reads|for a tar on) stdin")


def _leaves(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield words, command
        return
    for name in below:
        yield from _leaves(below[name], (*words, name))


def _paths(command: Any) -> set[str]:
    """The parameters that the function behind a command takes as paths."""
    hints = {name: one.annotation for name, one in inspect.signature(command.callback).parameters.items()}
    found = set()
    for name, hint in hints.items():
        kinds = {hint, *get_args(hint), *(inner for one in get_args(hint) for inner in get_args(one))}
        if Path in kinds:
            found.add(name)
    return found


LEAVES = dict(_leaves(get_command(app), ()))
PATHS = [(words, one) for words, command in LEAVES.items() for one in command.params if one.name in _paths(command)]
FROM_STDIN = [
    (words, options)
    for words, command in LEAVES.items()
    if len(options := [one.opts[0] for one in command.params if _STDIN.search(getattr(one, "help", None) or "")]) > 1
]


def _told(text: str) -> str:
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


def test_the_paths_of_all_commands_are_found() -> None:
    found = {(" ".join(words), one.name) for words, one in PATHS}
    assert {
        ("restore", "home"),
        ("backup make", "target"),
        ("export", "output"),
        ("collector import", "files"),
    } <= found


@pytest.mark.parametrize(("words", "parameter"), PATHS)
def test_an_empty_path_is_refused_with_the_name_of_the_option(
    words: tuple[str, ...], parameter: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    others = [one for one in LEAVES[words].params if one.required and one is not parameter]
    given = [word for one in others for word in ([one.opts[0], "x"] if one.opts[0].startswith("-") else [])]
    arguments = ["" if one is parameter else "x" for one in LEAVES[words].params if not one.opts[0].startswith("-")]
    option = [] if not parameter.opts[0].startswith("-") else [parameter.opts[0], ""]
    for empty in ("", " "):
        line = [empty if word == "" else word for word in (*words, *arguments, *given, *option)]
        done = CliRunner().invoke(app, ["--home", str(tmp_path / "home"), *line])
        assert done.exit_code == 2, done.output
        assert "it is empty, as from a shell variable that is not set" in _told(done.stderr)
        name = parameter.opts[-1] if option else parameter.metavar
        assert name in _told(done.stderr)
    assert not list(tmp_path.iterdir()), "something was written where one stands"


def test_an_empty_home_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDRELAY_HOME", str(tmp_path / "not-this-one"))
    for words in (["settings"], ["doctor"]):
        done = CliRunner().invoke(app, ["--home", "", *words])
        assert done.exit_code != 0
        assert "--home: home must be text" in str(done.exception)
    assert not (tmp_path / "not-this-one").exists()


def test_there_are_commands_that_could_read_stdin_twice() -> None:
    names = {" ".join(words) for words, _ in FROM_STDIN}
    assert names == {"collector source add", "collector source set", "conformance publisher"}


@pytest.mark.parametrize(("words", "options"), FROM_STDIN)
def test_stdin_is_given_for_one_option_only(words: tuple[str, ...], options: list[str], tmp_path: Path) -> None:
    argument = "http://127.0.0.1:1" if words[0] == "conformance" else "one"
    both = [word for option in options for word in (option, "-")]
    home = tmp_path / "home"
    done = CliRunner().invoke(app, ["--home", str(home), *words, argument, *both], input="first\n")
    assert done.exit_code == 2, done.output
    told = _told(done.stderr)
    assert "only one of them can be - (stdin)" in told
    assert all(option in told for option in options)
    assert not home.exists(), "it was refused too late"
