"""How commands speak: data on stdout, as a table or as JSON; talk on stderr. And how they are told a secret."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

talk = Console(stderr=True)
"""For people: progress, advice, warnings. Data goes to stdout."""
_WIDEST = 1_000_000


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
    """A table on stdout. What stands in it is text: a name with brackets is no markup, and nothing is cut off.

    In a terminal it is folded between words; one that would have to be folded within them is written as a block of
    lines for each row, without what is empty. Elsewhere a row is one line, however long.
    """
    out, cells = Console(markup=False, highlight=False), [list(map(_cell, row)) for row in rows]
    table = Table(*(Column(name, overflow="fold") for name in columns))
    for row in cells:
        table.add_row(*row)
    widths = Measurement.get(out, out.options.update_width(_WIDEST), table)
    if not out.is_terminal:
        out.width = max(out.width, widths.maximum)
    elif widths.minimum > out.width:
        out.print("\n\n".join(_block(columns, row) for row in cells), soft_wrap=True)
        return
    out.print(table)


def _block(columns: Sequence[str], row: Sequence[str]) -> str:
    width = max(map(len, columns))
    return "\n".join(f"{name:<{width}}  {cell}" for name, cell in zip(columns, row, strict=True) if cell)


def print_line(text: str) -> None:
    """A sentence on stdout, below a table that has no room for it: folded between words in a terminal, else whole."""
    out = Console(markup=False, highlight=False)
    out.print(text, soft_wrap=not out.is_terminal)


def unreadable(option: str, file: Path, error: OSError | UnicodeDecodeError) -> typer.BadParameter:
    """What to raise when the file that `option` names cannot be read."""
    why = "it is no text in UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or str(error)
    return typer.BadParameter(f"{file} cannot be read: {why}", param_hint=option)


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
        raise unreadable(f"--{option}-file", file, error) from error
    return content.removesuffix("\n").removesuffix("\r")
