"""What ships: the defaults, and what each setting does, said once, in settings.default.toml."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Described:
    """A setting as `cdrelay settings` shows it."""

    name: str
    help: str
    default: Any


def default_text() -> str:
    """The shipped defaults file, comments and all."""
    return (files("cdrelay") / "settings.default.toml").read_text("utf-8")


def described() -> list[Described]:
    """Every setting with its help and default, in the order of the defaults file."""
    shipped = defaults()
    found, comment = [], []
    for line in default_text().splitlines():
        if line.startswith("#"):
            comment.append(line.lstrip("# "))
        elif match := re.match(r"(\w+) *=", line):
            found.append(Described(match[1], " ".join(comment), shipped[match[1]]))
            comment = []
        else:
            comment = []
    return found


@cache
def defaults() -> dict[str, Any]:
    """Every setting by name, as it is shipped."""
    return tomllib.loads(default_text())
