"""Commands whose code is imported when it is asked for: no command waits for the imports of all others."""

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_group

from cdrelay.late_import import imported


class LateGroup(TyperGroup):
    """A group of commands that names them without importing them; help imports all.

    `where` says of each by its name which function or Typer it is, as `module:name` in `cdrelay.cli`; empty where the
    module of the group has it. The order is that of the help.
    """

    where: ClassVar[Mapping[str, str]] = {}

    def __init__(self, **given: Any) -> None:
        """`commands` among what is given are those that the module of the group has."""
        super().__init__(**given)
        self.commands = _Commands(self.where, self.commands)


class _Commands(MutableMapping[str, Any]):
    def __init__(self, where: Mapping[str, str], there: Mapping[str, Any]) -> None:
        self._where = where
        self._there: dict[str, Any] = dict.fromkeys(where) | dict(there)

    def __getitem__(self, name: str) -> Any:
        if self._there[name] is None:
            self._there[name] = _command(name, self._where[name])
        return self._there[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._there[name] = command

    def __delitem__(self, name: str) -> None:
        del self._there[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._there)

    def __len__(self) -> int:
        return len(self._there)


def _command(name: str, where: str) -> Any:
    module, _, attribute = where.partition(":")
    found = getattr(imported(f"cdrelay.cli.{module}"), attribute)
    holder = typer.Typer()
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name)(found)
    return get_group(holder).commands[name]
