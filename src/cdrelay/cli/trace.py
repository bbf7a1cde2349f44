"""`cdrelay trace REPORT_ID`: everything that is known of one record."""

import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn

from cdrelay.cli.context import Context, context_of
from cdrelay.cli.organizations import one_organization
from cdrelay.cli.output import print_json, talk
from cdrelay.cli.period import read_moment
from cdrelay.collector.known_organizations import known_organizations
from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.collector.trace import Trace, Tracing, VersionTrace, read_report_id
from cdrelay.contract.windows import Period
from cdrelay.lake.export import LakeMissing
from cdrelay.wiring import HalfName, open_tracing

_HALVES: tuple[HalfName, ...] = ("collector", "publisher")


def trace(
    typer_context: typer.Context,
    report_id: Annotated[str, typer.Argument(help="The whole Report ID, in any case.", metavar="REPORT_ID")],
    *,
    day: Annotated[
        str | None, typer.Option("--day", help="Only Report times of this day, UTC; much faster.", metavar="DATE")
    ] = None,
    hour: Annotated[
        str | None, typer.Option("--hour", help="Only Report times of the hour from this time on.", metavar="TIME")
    ] = None,
    organization: Annotated[
        str | None,
        typer.Option(
            "--organization", "--org", help="Whose ledger to show if it is not stored: UUID, how it begins, encoded id."
        ),
    ] = None,
    half: Annotated[HalfName | None, typer.Option("--half", help="Only this one; else both that are here.")] = None,
    record: Annotated[bool, typer.Option("--record", help="Show the record too: numbers and names.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tell how a record came: payload, delivery, attempts, load, versions, ledger, drift, quarantine.

    Ends with status 1 when it is stored in none of the lakes.
    """
    wanted, period = read_report_id(report_id), _period(day, hour)
    context, traces = context_of(typer_context), []
    tracings = _tracings(context, half)
    org_uuid = one_organization(organization, partial(known_organizations, context.foundation().database))
    for name, tracing in tracings:
        found = _look(name, tracing, wanted, period, org_uuid)
        traces.append((found, [tracing.record(one.record) for one in found.versions] if record else []))
    if as_json:
        print_json([_as_json(found, records) for found, records in traces])
    else:
        for found, records in traces:
            for line in trace_lines(found):
                typer.echo(line)
            sys.stdout.flush()
            for text in filter(None, records):
                sys.stdout.buffer.write(text + b"\n")
    if not any(found.versions for found, _ in traces):
        raise typer.Exit(1)


def _period(day: str | None, hour: str | None) -> Period | None:
    if day is None and hour is None:
        return None
    if day is not None and hour is not None:
        raise typer.BadParameter("give --day or --hour, not both", param_hint="--hour")
    start = read_moment("--day", day) if day is not None else read_moment("--hour", hour or "")
    return Period(start, start + (timedelta(days=1) if day is not None else timedelta(hours=1)))


def _tracings(context: Context, half: HalfName | None) -> list[tuple[HalfName, Tracing]]:
    home = context.settings.home
    there = [name for name in _HALVES if half in (None, name) and (home / name / "lake" / "_delta_log").is_dir()]
    if not there:
        raise LakeMissing(home)
    return [(name, open_tracing(context.foundation(), name)) for name in there]


def _look(name: str, tracing: Tracing, report_id: str, period: Period | None, org_uuid: str | None) -> Trace:
    columns = (TextColumn(f"looking through the {name}'s lake"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as bars:
        task = bars.add_task(name, total=None)
        return tracing.trace(report_id, period, org_uuid, lambda done, of: bars.update(task, completed=done, total=of))


def _as_json(found: Trace, records: list[bytes | None]) -> dict[str, Any]:
    return asdict(found) | ({"records": [text and text.decode() for text in records]} if records else {})


def trace_lines(found: Trace) -> list[str]:
    """The same in words, a fact a line."""
    lines = [f"{found.half}: {found.report_id}"]
    if not found.versions:
        lines.append(f"  not stored: {found.looked_at:,} records were looked at")
    for version in found.versions:
        lines += _version_lines(version)
    for one in found.elsewhere:
        place = {"spool": "waits in the spool", "quarantine": "in quarantine", "aside": "in a body put aside"}[
            one.place
        ]
        lines.append(f"  {place}: payload {one.payload} of {one.source}" + (f": {one.reason}" if one.reason else ""))
    if not found.versions and not found.elsewhere:
        lines.append("  in no payload that waits, and none that was put aside")
    lines += map(_ledger_line, found.ledger)
    return lines


def _version_lines(version: VersionTrace) -> list[str]:
    record, payload, delivery = version.record, version.payload, version.delivery
    lines = [
        f"  organization  {record.org_uuid}",
        f"  version       Report time {_time(record.report_time)}; the newest that came, earlier ones are not kept",
        f"  load          {record.load_seq}, in {record.file}",
        f"  came          {_time(record.received)} by {record.channel} from {record.source}, payload {record.payload}",
    ]
    if payload is None:
        lines.append("  receipt       none: its load is not finished, or the receipt was pruned")
    else:
        lines.append(
            f"  receipt       {payload.records:,} records: {payload.added:,} new, {payload.corrected:,} corrected,"
            f" {payload.repeated:,} repeats, {payload.quarantined:,} refused; loaded {_time(payload.loaded_at)}"
        )
    if delivery is not None:
        lines.append(
            f"  delivery      window from {_time(delivery.window.start)}, part {delivery.part} of {delivery.parts},"
            f" {delivery.records:,} records, {delivery.state}"
        )
    for part in version.sent:
        lines.append(
            f"  sent          to {part.partner}, part {part.part} of {part.parts} of the window from"
            f" {_time(part.window.start)}: {part.state}"
        )
        lines += [
            f"    attempt {one.number}   {_time(one.started_at)}, {one.milliseconds} ms: {one.outcome}"
            for one in part.attempts
        ]
    lines += map(_ledger_line, version.ledger)
    lines += [f"  beside        {key!r} has no column, or does not fit it" for key in record.beside]
    lines += [f"  drift         {row.what}, first seen in its payload" for row in version.drift]
    return lines


def _ledger_line(row: LedgerRow) -> str:
    return (
        f"  ledger        {row.source}, hour from {_time(row.window.start)}: {row.state}, {row.stored:,} of"
        f" {row.expected:,}, proved by {row.proof}, checked {_time(row.checked_at)}"
    )


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"
