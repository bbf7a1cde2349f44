"""`cdrelay export` and `cdrelay query`: records out of a lake, beside a server that goes on writing."""

import csv
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cdrelay.cli.context import Context, context_of
from cdrelay.cli.given_paths import path_option
from cdrelay.cli.organizations import OrganizationOption, one_organization
from cdrelay.cli.output import print_json, print_table, talk
from cdrelay.cli.period import FromOption, ToOption, read_period
from cdrelay.lake.engine import EngineLimits
from cdrelay.lake.export import Format, Reader
from cdrelay.wiring import HalfName
from cdrelay.wiring.living import keys_for_reading

HalfOption = Annotated[HalfName, typer.Option("--half", help="Whose lake: the collector's or the publisher's.")]
OutputOption = Annotated[Path, path_option("--output", "-o", help="File to write; - is stdout (not for Parquet).")]


def _reader(context: Context, half: HalfName) -> Reader:
    settings = context.settings
    folder = settings.home / half
    limits = EngineLimits(settings.engine_memory_megabytes, settings.engine_threads)
    return Reader(folder / "lake", limits, folder / "scratch", keys_for_reading(settings, half))


def export(
    typer_context: typer.Context,
    output: OutputOption = Path("-"),
    form: Annotated[
        Format, typer.Option("--format", "-f", help="parquet, csv: typed columns; ndjson: as on the wire.")
    ] = "ndjson",
    start: FromOption = None,
    end: ToOption = None,
    organization: OrganizationOption = None,
    half: HalfOption = "collector",
) -> None:
    """Write stored records to a file, by Report time."""
    to_stdout = str(output) == "-"
    if to_stdout and form == "parquet":
        raise typer.BadParameter("Parquet needs a file", param_hint="--output")
    period = read_period(start, end)
    with _reader(context_of(typer_context), half) as reader:
        org_uuid = one_organization(organization, reader.organizations)
        count = reader.export(Path("/dev/stdout") if to_stdout else output, form, period, org_uuid)
    talk.print(f"{count:,} records" + ("" if to_stdout else f" in {output}"))


def query(
    typer_context: typer.Context,
    sql: Annotated[str, typer.Argument(help="A SELECT over the table `records`.", metavar="SQL")],
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array of objects.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header.")] = False,
    half: HalfOption = "collector",
) -> None:
    """Answer a question in SQL, such as "SELECT call_type, count(*) FROM records GROUP BY ALL"."""
    if as_json and as_csv:
        raise typer.BadParameter("give --json or --csv, not both", param_hint="--csv")
    with _reader(context_of(typer_context), half) as reader:
        answer = reader.ask(sql)
        if as_json:
            twice = sorted({name for name in answer.columns if list(answer.columns).count(name) > 1})
            if twice:
                what = f"two columns are called {twice[0]!r}, and an object has one of each; write AS another name"
                raise typer.BadParameter(what, param_hint="--json")
            print_json([dict(zip(answer.columns, map(_for_json, row), strict=True)) for row in answer.rows])
        elif as_csv or not sys.stdout.isatty():
            writer = csv.writer(sys.stdout)
            writer.writerow(answer.columns)
            writer.writerows(answer.rows)
        else:
            print_table(answer.columns, list(answer.rows))


def _for_json(value: Any) -> Any:
    """JSON has no number for what is none, or has no end."""
    if isinstance(value, list | tuple):
        return list(map(_for_json, value))
    if isinstance(value, dict):
        return {key: _for_json(each) for key, each in value.items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
