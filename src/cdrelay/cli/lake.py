"""`cdrelay lake …`: what is in a lake that the documents do not know, and columns for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cdrelay import wiring
from cdrelay.cli import lake_anew, lake_erasure, lake_upkeep
from cdrelay.cli.context import Context, context_of
from cdrelay.cli.output import print_json, show, talk
from cdrelay.cli.records import HalfOption
from cdrelay.collector.drift import Drift, DriftRow
from cdrelay.lake.export import LakeMissing
from cdrelay.lake.promote import Promoter
from cdrelay.records.fields import Kind
from cdrelay.wiring.foundation import HalfName

app = typer.Typer(no_args_is_help=True, help="What the lake holds that nobody documented, and the lake's upkeep.")
app.add_typer(lake_upkeep.app)
app.add_typer(lake_erasure.app)
app.add_typer(lake_anew.app)

_IN_A_TERMINAL = ("kind", "field", "value", "source", "records", "first_seen")

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("drift")
def drift(
    typer_context: typer.Context,
    source: Annotated[str | None, typer.Option("--source", help="Only of this source.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List how records differ from the documents: unknown keys, new values, values of another type."""
    rows = Drift(context_of(typer_context).foundation().database).rows(source)
    columns = tuple(DriftRow.__slots__) if as_json else _IN_A_TERMINAL
    shown = [{name: getattr(row, name) for name in columns} for row in rows]
    show(shown, as_json, "all records are as documented")


@app.command("promoted")
def promoted(typer_context: typer.Context, half: HalfOption = "collector", as_json: JsonOption = False) -> None:
    """List the keys that were given a column."""
    columns = _promoter(context_of(typer_context), half).promoted()
    rows = [{"key": one.name, "column": one.column, "type": one.kind.value} for one in columns]
    show(rows, as_json, "no key was given a column")


@app.command("promote")
def promote(
    typer_context: typer.Context,
    key: Annotated[str, typer.Argument(help="The key as it is on the wire, to the letter.", metavar="KEY")],
    kind: Annotated[Kind, typer.Option("--type", help="What the column holds.")] = Kind.TEXT,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many values fit each type; change nothing.")
    ] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also where no record has the key yet.")] = False,
    half: HalfOption = "collector",
    as_json: JsonOption = False,
) -> None:
    """Make a column of a key that nobody documented, old records included.

    It can be stopped at any time; the same command again goes on. Loads go on beside it. A value that does not fit the
    type stays in `extra`. There is no way back.
    """
    promoter = _promoter(context_of(typer_context), half)
    if dry_run:
        with _progress("looking") as progress:
            fitting = promoter.fitting(key, progress)
        rows = [{"type": one.value, "fit": number, "of": fitting.records} for one, number in fitting.fit.items()]
        show(rows, as_json, "")
        return
    if not anyway:
        with _progress("looking") as progress:
            promoter.require_seen(key, progress)
    with _progress("files") as progress:
        done = promoter.promote(key, kind, progress)
    report = {
        "key": key,
        "column": done.column.column,
        "type": done.column.kind.value,
        "files": done.files,
        "moved": done.records,
        "left": done.left,
    }
    if as_json:
        print_json(report)
        return
    talk.print(
        f"{key!r} has the column {done.column.column}: {done.records:,} values of old records are in it", markup=False
    )
    if done.left:
        talk.print(f"{done.left:,} values are no {done.column.kind.value} and stay in extra", markup=False)


def _promoter(context: Context, half: HalfName) -> Promoter:
    folder = context.settings.home / half / "lake"
    if not (folder / "_delta_log").is_dir():
        raise LakeMissing(folder)
    return wiring.open_promoter(context.foundation(), half)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, of: bars.update(task, completed=done, total=of)
