"""`cdrelay publisher directory …`: the whole directory as a document."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cdrelay.cli.context import context_of
from cdrelay.cli.given_paths import path_argument
from cdrelay.cli.output import print_json, talk
from cdrelay.publisher.bulk.changes import Plan
from cdrelay.publisher.bulk.formats import Document, Format, read_document, write_document
from cdrelay.publisher.bulk.importing import Bulk
from cdrelay.publisher.bulk.report import report_lines, report_values
from cdrelay.publisher.directory.rows import ROWS, Kind

app = typer.Typer(no_args_is_help=True, help="All partners, organizations, relations and licences at once.")

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
KindOption = Annotated[Kind | None, typer.Option("--kind", help="Only entries of this kind; CSV needs it.")]


def _bulk(typer_context: typer.Context) -> Bulk:
    foundation = context_of(typer_context).foundation()
    return Bulk(foundation.database, foundation.clock)


@app.command("import")
def import_directory(
    typer_context: typer.Context,
    file: Annotated[Path, path_argument(help="JSON, or CSV with one kind; - reads stdin.", metavar="FILE")],
    *,
    kind: KindOption = None,
    file_format: Annotated[Format | None, typer.Option("--format", help="Else what the name ends in.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    remove_missing: Annotated[
        bool, typer.Option("--remove-missing", help="End relations and licences that it lacks, of the kinds it has.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Do nothing when a row is refused.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the directory to what a file says: add what is new, change what differs. Again changes nothing.

    Ends with status 1 when a row was refused.
    """
    document = _read(file, file_format, kind)
    bulk = _bulk(typer_context)
    if dry_run:
        plan = bulk.plan(document, remove_missing=remove_missing)
    else:
        plan = _bring(bulk, document, remove_missing=remove_missing, strict=strict)
    done = not dry_run and not (strict and plan.refused)
    if as_json:
        print_json(report_values(plan, done=done))
    else:
        for line in report_lines(plan):
            typer.echo(line)
        talk.print("done" if done else "nothing was done")
    if plan.refused:
        raise typer.Exit(1)


def _read(file: Path, file_format: Format | None, kind: Kind | None) -> Document:
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}", param_hint="FILE") from error
    return read_document(data, file_format or ("csv" if file.suffix.lower() == ".csv" else "json"), kind)


def _bring(bulk: Bulk, document: Document, *, remove_missing: bool, strict: bool) -> Plan:
    columns = (TextColumn("writing"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as bars:
        task = bars.add_task("writing", total=None)

        def progress(done: int, of: int) -> None:
            bars.update(task, completed=done, total=of)

        return bulk.bring(document, remove_missing=remove_missing, strict=strict, progress=progress)


@app.command("export")
def export_directory(
    typer_context: typer.Context,
    file: Annotated[Path | None, path_argument(help="Where to; else stdout.", metavar="FILE")] = None,
    *,
    kind: KindOption = None,
    file_format: Annotated[Format | None, typer.Option("--format", help="Else what the name ends in.")] = None,
) -> None:
    """Write the directory, without passwords, as a document that can be imported."""
    named_csv = file is not None and file.suffix.lower() == ".csv"
    chosen: Format = file_format or ("csv" if named_csv else "json")
    if chosen == "csv" and kind is None:
        raise typer.BadParameter("must be given for CSV, which holds one kind of entries", param_hint="--kind")
    pieces = write_document(_bulk(typer_context).export([kind] if kind else tuple(ROWS)), chosen)
    if file is None:
        sys.stdout.writelines(pieces)
        return
    try:
        with file.open("w", encoding="utf-8", newline="") as target:
            target.writelines(pieces)
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be written: {error}", param_hint="FILE") from error
