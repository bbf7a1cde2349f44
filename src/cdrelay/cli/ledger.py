"""`cdrelay ledger …`: the heat map in a terminal, single windows, certificates of completeness."""

import sys
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cdrelay.cli.context import Context, context_of
from cdrelay.cli.given_paths import path_option
from cdrelay.cli.heat_lines import heat_lines, legend_lines, step_for
from cdrelay.cli.organizations import OrganizationOption, one_organization
from cdrelay.cli.output import print_json, show, talk
from cdrelay.cli.period import FromOption, ToOption, read_moment, read_period
from cdrelay.collector.certificate import as_json as certificate_json
from cdrelay.collector.certificate_pdf import certificate_pdf
from cdrelay.collector.comparison import State
from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.heat_map import HeatMap, HeatQuestion, Sums
from cdrelay.collector.heat_marks import Mark
from cdrelay.collector.known_organizations import known_organizations
from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.collector.under_repair import UnderRepair, read_under_repair
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import EPOCH, Period, ceil_to, floor_to
from cdrelay.errors import CdrelayError
from cdrelay.hub.ledger.addresses import read_beginning
from cdrelay.hub.ledger.answers import map_json, repair_json
from cdrelay.hub.ledger.asked import Asked
from cdrelay.hub.ledger.parts import no_organization
from cdrelay.wiring.ledger import open_ledger_parts

app = typer.Typer(help="What was expected and what is stored, for each organization and hour.")

SourceOption = Annotated[str | None, typer.Option("--source", help="Only this source.")]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
_IN_TABLE = ("org_uuid", "window_start", "expected", "stored", "state", "proof", "reason")
SHORT, NOT_PROVED = 1, 3
"""Exit statuses of --check: something is short or lost; nothing is, but not every hour was compared."""


@app.callback(invoke_without_command=True)
def ledger(
    typer_context: typer.Context,
    *,
    start: FromOption = None,
    end: ToOption = None,
    hours: Annotated[
        int | None,
        typer.Option(
            "--hours", min=1, max=10_000, help="The last so many hours; without it all in the provider's reach."
        ),
    ] = None,
    source: SourceOption = None,
    organization: Annotated[
        str | None,
        typer.Option("--organization", "--org", help="Only organizations whose UUID begins so; or an encoded id."),
    ] = None,
    state: Annotated[
        Mark | None, typer.Option("--state", help="Only organizations with an hour in this state.")
    ] = None,
    most: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="How many organizations at most.")] = 40,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Exit with 1 when something is short or lost, with 3 when hours were not compared."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a heat map of organizations by hour, the worst first, with totals and what is being repaired."""
    if typer_context.invoked_subcommand is not None:
        return
    parts = open_ledger_parts(context_of(typer_context).foundation(), context_of(typer_context).collector())
    if source is not None:
        source = _source(context_of(typer_context), source)
    now, rules = parts.clock.now(), parts.rules
    period = _whole_hours(parts.rules.count_span, read_period(start, end), hours, Asked().period(now, rules))
    out = Console(highlight=False)
    step = rules.count_span if as_json else step_for(period, rules.count_span, out.width)
    beginning = read_beginning(organization or "")
    drawn = parts.heat_maps.draw(HeatQuestion(period, step, source, beginning, state, 1, most), now)
    repair = read_under_repair(parts.database, rules, source)
    if as_json:
        print_json({"now": write_time(now), "repair": repair_json(repair)} | map_json(drawn, period))
    else:
        _print(out, drawn, repair, period)
    if check:
        raise typer.Exit(status_of(drawn.sums))


def status_of(sums: Sums) -> int:
    """The exit status of --check; hours that are not over do not count."""
    if sums.short or sums.lost:
        return SHORT
    return NOT_PROVED if sums.unchecked or not sums.compared else 0


def _whole_hours(hour: timedelta, given: Period | None, hours: int | None, usual: Period) -> Period:
    if given is not None and hours is not None:
        raise typer.BadParameter("give --hours, or --from and --to", param_hint="--hours")
    if hours is not None:
        return Period(usual.end - hours * hour, usual.end)
    if given is None:
        return usual
    end = min(ceil_to(given.end, hour), usual.end)
    start = end - usual.length if given.start == EPOCH else floor_to(given.start, hour)
    if start >= end:
        raise typer.BadParameter("it has not begun", param_hint="--from")
    return Period(start, end)


def _print(out: Console, drawn: HeatMap, repair: UnderRepair, period: Period) -> None:
    unicode = "utf" in (out.encoding or "").lower()
    sums = drawn.sums
    out.print(
        f"{period.start:%Y-%m-%d %H:%M} to {period.end:%Y-%m-%d %H:%M} UTC, {drawn.organizations:,} organizations:"
        f" {sums.expected:,} expected, {sums.stored:,} stored, {sums.missing:,} missing",
        soft_wrap=True,
    )
    for line in legend_lines(sums, unicode=unicode) if drawn.rows else ():
        out.print(line, soft_wrap=True)
    if drawn.rows:
        out.print()
        for line in heat_lines(drawn, drawn.columns[0].length, unicode=unicode):
            out.print(line, soft_wrap=True)
    else:
        talk.print("the ledger has no such organization in this time; `cdrelay reconcile` fills it")
    if drawn.pages > 1:
        talk.print(f"and {drawn.organizations - len(drawn.rows):,} more, none of them worse; --limit shows them")
    if (edge := repair.edge) is not None:
        out.print(
            f"\nbeing repaired: {repair.missing:,} records, in {repair.hours:,} hours of organizations;"
            f" next edge {edge.leaves_at:%Y-%m-%d %H:%M:%S} UTC, {edge.missing:,} records",
            soft_wrap=True,
        )


@app.command("windows")
def windows(
    typer_context: typer.Context,
    *,
    start: FromOption = None,
    end: ToOption = None,
    organization: OrganizationOption = None,
    source: SourceOption = None,
    state: Annotated[State | None, typer.Option("--state", help="Only windows in this state.")] = None,
    most: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="How many windows at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List single hours of organizations, newest first, with all that is known of each."""
    context = context_of(typer_context)
    if source is not None:
        source = _source(context, source)
    org_uuid = _organization(context, organization, source)
    states, period = [state] if state else (), read_period(start, end)
    rows = context.collector().ledger.rows(period, org_uuid, states=states, source=source, most=most)
    found = [_window(row) for row in rows]
    if not as_json:
        found = [{name: row[name] for name in _IN_TABLE} for row in found]
    show(found, as_json, "the ledger has no such window; `cdrelay reconcile` fills it")


@app.command("certificate")
def certificate(
    typer_context: typer.Context,
    *,
    organization: Annotated[
        str, typer.Option("--organization", "--org", help="Its UUID, how that begins, or its encoded id.")
    ],
    start: Annotated[str, typer.Option("--from", help="Start, a date or a whole hour, UTC.", metavar="TIME")],
    end: Annotated[str, typer.Option("--to", help="End, excluded; a date or a whole hour, UTC.", metavar="TIME")],
    source: Annotated[
        str | None, typer.Option("--source", help="As this source knows it; needed where there are several.")
    ] = None,
    pdf: Annotated[Path | None, path_option("--pdf", help="Write it there as PDF.", metavar="FILE")] = None,
    as_json: JsonOption = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 unless it says complete.")] = False,
) -> None:
    """Say for each hour of a period what was proved, what was not, and of which records: as text, JSON or PDF."""
    context = context_of(typer_context)
    try:
        period = Period(read_moment("--from", start), read_moment("--to", end))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--to") from error
    parts = open_ledger_parts(context.foundation(), context.collector())
    source = _source(context, source)
    org_uuid = _organization(context, organization, source)
    if org_uuid is None:
        raise typer.BadParameter("an organization is needed", param_hint="--organization")
    if parts.key(source, org_uuid, period) is None:
        # As one that makes no sense: with --check, 1 would be an answer.
        hint = f"`cdrelay ledger --org {org_uuid[:4]}` lists those that begin so"
        raise typer.BadParameter(f"{no_organization(source, org_uuid)}; {hint}", param_hint="--organization")
    made = parts.certificates.certificate(source, org_uuid, period)
    if pdf is not None:
        try:
            pdf.write_bytes(certificate_pdf(made))
        except OSError as error:
            raise CdrelayError(f"{pdf} cannot be written: {error.strerror or error}") from error
        talk.print(f"{pdf} is written", highlight=False)
    if as_json:
        print_json(certificate_json(made))
    else:
        sys.stdout.write(f"{made.statement}\n")
    if check and made.verdict != "complete":
        raise typer.Exit(1)


def _source(context: Context, given: str | None) -> str:
    names = context.collector().sources.names()
    if given is None and len(names) == 1:
        return names[0]
    if given is None:
        raise typer.BadParameter(f"there are {len(names)} sources; say which", param_hint="--source")
    if given not in names:
        raise SourceUnknown(given)
    return given


def _organization(context: Context, text: str | None, source: str | None) -> str | None:
    parts = context.collector()
    in_ledger = partial(known_organizations, parts.database, source=source)
    return one_organization(text, in_ledger, parts.store.lake.organizations)


def _window(row: LedgerRow) -> dict[str, Any]:
    values = asdict(row)
    window = values.pop("window")
    return {
        "source": values.pop("source"),
        "org_uuid": values.pop("org_uuid"),
        "window_start": window["start"],
        "window_end": window["end"],
        **values,
    }
