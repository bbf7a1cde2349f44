"""What is wrong with a value on the command line, in our words: those of the library are about its own types."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

_KINDS = {"int": ("a whole number", "10"), "float": ("a number", "1.5"), "bool": ("true or false", "true")}
_RULES = {"greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le")}
_SHOWN = 60


class InOurWords(TyperGroup):
    """A group that says the rule and an example, and not what the library says, of a value that does not fit."""

    def make_context(self, *given: Any, **more: Any) -> Any:
        """For its own options."""
        with _reworded():
            return super().make_context(*given, **more)

    def invoke(self, ctx: Any) -> Any:
        """For those of every command below."""
        with _reworded():
            return super().invoke(ctx)


@contextmanager
def _reworded() -> Iterator[None]:
    try:
        yield
    except typer.BadParameter as error:
        # The library's own error is the cause; what a command says itself has none of this kind.
        problems = getattr(error.__cause__, "errors", None)
        if problems is not None:
            error.message = rule_of(problems()[0], getattr(error.param, "default", None))
        raise


def rule_of(problem: dict[str, Any], default: object = None) -> str:
    """The rule that a value breaks, by what the library says of it; the example is the default, if it is one."""
    kind, given = problem["type"], repr(problem["input"])[:_SHOWN]
    what, _, _ = kind.partition("_")
    if kind in _RULES:
        words, bound = _RULES[kind]
        return f"must be {words} {problem['ctx'][bound]:,.12g}, not {given}"
    if what in _KINDS or kind == "finite_number":
        words, example = _KINDS.get(what, _KINDS["float"])
        if isinstance(default, int | float) and not isinstance(default, bool):
            example = f"{default:g}"
        return f"must be {words}, such as {example}, not {given}"
    said = str(problem["msg"]).removeprefix("Value error, ")
    return said[:1].lower() + said[1:]
