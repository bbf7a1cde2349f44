"""How commands speak: data on stdout, as a table or as JSON; talk on stderr. And how they are told a secret."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Column, Table

talk = Console(stderr=True)
"""For people: progress, advice, warnings. Data goes to stdout."""


def print_json(data: Any) -> None:
    """For programs: one JSON document on stdout."""
    json.dump(data, sys.stdout, indent=2, default=str, ensure_ascii=False)
    sys.stdout.write("\n")


def show(rows: Sequence[dict[str, Any]], as_json: bool, nothing: str) -> None:
    """The same facts as a table or as JSON; `nothing` is said, to people, when there are none."""
    if as_json:
        print_json(rows)
    elif not rows:
        talk.print(nothing)
    else:
        print_table([column.replace("_", " ") for column in rows[0]], [list(row.values()) for row in rows])


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on stdout. What stands in it is text: a name with brackets is no markup, and nothing is cut off."""
    table = Table(*(Column(name, overflow="fold") for name in columns))
    for row in rows:
        table.add_row(*map(_cell, row))
    Console(markup=False).print(table)


def print_line(text: str) -> None:
    """A sentence on stdout, below a table that has no room for it: folded between words in a terminal, else whole."""
    out = Console(markup=False, highlight=False)
    out.print(text, soft_wrap=not out.is_terminal)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    return "" if value is None else str(value)


def secret_given(option: str, text: str | None, file: Path | None) -> str | None:
    """The secret itself, from the option `--option` or `--option-file`; one line break at the end is the file's.

    None when neither was given. Raises typer.BadParameter.
    """
    if file is None:
        return text
    if text is not None:
        raise typer.BadParameter(f"give --{option} or --{option}-file, not both")
    try:
        content = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}", param_hint=f"--{option}-file") from error
    return content.removesuffix("\n").removesuffix("\r")
