"""Files and folders named on the command line: none is empty, and stdin is read for one of them."""

from pathlib import Path
from typing import Any

import typer


def path_option(*names: str, help: str, metavar: str = "PATH") -> Any:  # noqa: A002  # as Typer calls it
    """An option that takes a path; use it for each that does, so that an empty text is refused."""
    return typer.Option(*names, help=help, metavar=metavar, parser=read_path)


def path_argument(*, help: str, metavar: str) -> Any:  # noqa: A002  # as Typer calls it
    """The same as an argument."""
    return typer.Argument(help=help, metavar=metavar, parser=read_path)


def read_path(text: str | Path) -> Path:
    """The path as it is typed. Raises ValueError for none: it would mean the folder that one stands in."""
    if not str(text).strip():
        raise ValueError("it is empty, as from a shell variable that is not set; name a path")
    return Path(text)


def require_one_stdin(**files: Path | None) -> None:
    """Raise typer.BadParameter where more than one is `-`: the second would find nothing. By names as in Python."""
    both = [f"--{name.replace('_', '-')}" for name, file in files.items() if str(file) == "-"]
    if len(both) > 1:
        raise typer.BadParameter("only one of them can be - (stdin)", param_hint=" and ".join(both))
