"""`cdrelay collector …`, and the commands `cdrelay reconcile` and `cdrelay ledger`: the half that receives."""

import asyncio
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from cdrelay.cli.context import context_of
from cdrelay.cli.output import print_json, secret_given, show, talk
from cdrelay.cli.period import FromOption, ToOption, read_period
from cdrelay.collector.comparison import STATES, State
from cdrelay.collector.ledger import LedgerHour, LedgerRow, ReconciliationReport
from cdrelay.collector.payload_history import latest_payloads
from cdrelay.collector.reconciliation import Progress, Reconciler
from cdrelay.collector.sources import Source, SourceChange, Sources
from cdrelay.contract.organization_ids import organization_uuid

app = typer.Typer(no_args_is_help=True, help="The receiving half: who delivers, and what became of the payloads.")
source_app = typer.Typer(
    no_args_is_help=True, help="Who delivers: POST /webhooks/NAME, and the endpoints to compare with."
)
app.add_typer(source_app, name="source")
quarantine_app = typer.Typer(no_args_is_help=True, help="Records that cannot be stored.")
app.add_typer(quarantine_app, name="quarantine")

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
NameArgument = Annotated[str, typer.Argument(help="The source's name, as in /webhooks/NAME.", metavar="NAME")]
_SHOWN = "It shows in the process list and the shell's history; prefer the file."
SecretOption = Annotated[str | None, typer.Option("--secret", help=f"Secret of the webhook. {_SHOWN}")]
SecretFileOption = Annotated[
    Path | None, typer.Option("--secret-file", help="File with the secret; - is stdin.", metavar="PATH")
]
TokenOption = Annotated[str | None, typer.Option("--token", help=f"Partner access token. {_SHOWN}")]
TokenFileOption = Annotated[
    Path | None, typer.Option("--token-file", help="File with the token; - is stdin.", metavar="PATH")
]
ApiOption = Annotated[
    str | None,
    typer.Option("--api", help="Where the provider's partner endpoints are, e.g. https://analytics.webexapis.com."),
]


def _sources(typer_context: typer.Context) -> Sources:
    return context_of(typer_context).collector().sources


def _described(source: Source) -> dict[str, Any]:
    """What may be shown of a source."""
    return {
        "name": source.name,
        "signed": source.secret is not None,
        "rotating": source.previous_secret is not None,
        "api": source.api,
        "token": source.token is not None,
        "created_at": source.created_at,
    }


@source_app.command("add")
def add_source(
    typer_context: typer.Context,
    name: NameArgument,
    *,
    secret: SecretOption = None,
    secret_file: SecretFileOption = None,
    api: ApiOption = None,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take payloads from a new source. Without a secret, whoever knows the address can deliver."""
    change = SourceChange(
        secret=secret_given("secret", secret, secret_file), api=api, token=secret_given("token", token, token_file)
    )
    source = _sources(typer_context).add(name, change)
    if source.secret is None:
        talk.print(f"[yellow]{name} has no secret[/]: whoever knows its address can deliver records")
    print_json(_described(source)) if as_json else typer.echo(f"/webhooks/{source.name}")


@source_app.command("set")
def set_source(
    typer_context: typer.Context,
    name: NameArgument,
    *,
    secret: SecretOption = None,
    secret_file: SecretFileOption = None,
    api: ApiOption = None,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is given of a source; a new secret is valid at once and alone (see rotate-secret)."""
    change = SourceChange(
        secret=secret_given("secret", secret, secret_file), api=api, token=secret_given("token", token, token_file)
    )
    show([_described(_sources(typer_context).change(name, change))], as_json, "")


@source_app.command("rotate-secret")
def rotate_secret(
    typer_context: typer.Context,
    name: NameArgument,
    secret: SecretOption = None,
    secret_file: SecretFileOption = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="End the rotation: only the newer secret stays valid.")
    ] = False,
) -> None:
    """Give a source a new secret while the present one stays valid; set it at the provider, then --finish."""
    new = secret_given("secret", secret, secret_file)
    if (new is None) != finish:
        raise typer.BadParameter("give the new secret, or --finish once the provider signs with it")
    if new is None:
        _sources(typer_context).end_rotation(name)
        talk.print("only the newer secret is valid now")
    else:
        _sources(typer_context).rotate(name, new)
        talk.print("both secrets are valid now; set the new one at the provider, then run this with --finish")


@source_app.command("remove")
def remove_source(typer_context: typer.Context, name: NameArgument) -> None:
    """Take no more payloads from a source and forget its ledger; its records stay."""
    _sources(typer_context).remove(name)
    talk.print(f"{name} is removed; its records stay in the lake")


@source_app.command("list")
def list_sources(typer_context: typer.Context, as_json: JsonOption = False) -> None:
    """List the sources; secrets and tokens are not shown."""
    rows = [_described(source) for source in _sources(typer_context).list()]
    show(rows, as_json, "there are no sources yet; `cdrelay collector source add NAME` makes one")


@app.command("payloads")
def list_payloads(
    typer_context: typer.Context,
    source: Annotated[str | None, typer.Option("--source", help="Only those of this source.")] = None,
    most: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the payloads that came last and what their loads did."""
    found = latest_payloads(context_of(typer_context).foundation().database, most, source)
    show([asdict(one) for one in found], as_json, "no payload has been loaded yet")


@quarantine_app.command("list")
def list_quarantine(
    typer_context: typer.Context,
    most: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List what was put aside last and why; the records themselves, which name people, are not shown."""
    found = context_of(typer_context).collector().store.quarantine.list(most)
    rows = [
        {"payload": one.payload, "source": one.source, "index": one.index, "field": one.field, "rule": one.rule}
        for one in found
    ]
    show(rows, as_json, "nothing is in quarantine")


# --- commands of the top level ---


def reconcile(
    typer_context: typer.Context,
    source: Annotated[str | None, typer.Argument(help="Only this source.", metavar="[SOURCE]")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare with the provider's counts now, and fetch what is missing. Fails when something stays missing."""
    parts = context_of(typer_context).collector()
    reports = asyncio.run(_reconciled(parts.reconciler, source))
    nothing = "no source has an api address and a token; `cdrelay collector source set` gives it both"
    show([asdict(report) for report in reports], as_json, nothing)
    if any(report.short or report.lost or report.problem for report in reports):
        raise typer.Exit(1)


async def _reconciled(reconciler: Reconciler, source: str | None) -> list[ReconciliationReport]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=talk, transient=True) if talk.is_terminal else nullcontext() as bars:
        tasks: dict[str, Any] = {}

        def show(progress: Progress) -> None:
            if bars is not None:
                if progress.source not in tasks:
                    tasks[progress.source] = bars.add_task(f"{progress.source}: hours")
                bars.update(tasks[progress.source], completed=progress.done, total=progress.spans)

        return await reconciler.run_once(source, show)


def ledger(
    typer_context: typer.Context,
    *,
    start: FromOption = None,
    end: ToOption = None,
    organization: Annotated[
        str | None, typer.Option("--organization", "--org", help="Only this organization: its UUID or encoded id.")
    ] = None,
    state: Annotated[State | None, typer.Option("--state", help="Only windows in this state.")] = None,
    hours: Annotated[
        int | None, typer.Option("--hours", min=1, help="Sums of the last so many hours, over all organizations.")
    ] = None,
    most: Annotated[int, typer.Option("--limit", min=1, help="How many windows at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Show what was expected and what is stored, for each organization and hour."""
    store = context_of(typer_context).collector().ledger
    nothing = "the ledger has no such window; `cdrelay reconcile` fills it"
    if hours is not None:
        show([_hour(one) for one in store.by_hour(hours)], as_json, nothing)
        return
    try:
        org_uuid = organization_uuid(organization) if organization else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--organization") from error
    rows = store.rows(read_period(start, end), org_uuid, states=[state] if state else (), most=most)
    show([_window(row) for row in rows], as_json, nothing)


def _window(row: LedgerRow) -> dict[str, Any]:
    return {
        "source": row.source,
        "org_uuid": row.org_uuid,
        "window_start": row.window.start,
        "window_end": row.window.end,
        "expected": row.expected,
        "stored": row.stored,
        "state": row.state,
        "fetched": row.fetched,
        "checked_at": row.checked_at,
    }


def _hour(hour: LedgerHour) -> dict[str, Any]:
    states: dict[str, int] = {state: getattr(hour.states, state) for state in STATES}
    return {
        "window_start": hour.window.start,
        "window_end": hour.window.end,
        "expected": hour.expected,
        "stored": hour.stored,
        **states,
    }
