"""`cdrelay collector quarantine …`: what could not be stored, why, and loading it again."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.progress import track

from cdrelay.cli.context import context_of
from cdrelay.cli.output import show, talk
from cdrelay.collector.aside import NO_JSON, Aside
from cdrelay.collector.payload_history import payloads_named
from cdrelay.collector.recount import Recount
from cdrelay.lake.load_again import load_again
from cdrelay.lake.quarantine import PutAside, Quarantine
from cdrelay.lake.quarantine_heads import BODY
from cdrelay.lake.spool import Spooled
from cdrelay.wiring.receiving import open_aside

app = typer.Typer(no_args_is_help=True, help="What could not be stored: see why, load it again after a fix.")

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
AllOption = Annotated[bool, typer.Option("--all", help="All that is there.")]
PayloadsArgument = Annotated[
    list[str] | None, typer.Argument(help="Payloads, as `list` names them.", metavar="PAYLOAD…")
]


def _quarantine(typer_context: typer.Context) -> Quarantine:
    return context_of(typer_context).collector().store.quarantine


def _aside(typer_context: typer.Context) -> Aside:
    return open_aside(context_of(typer_context).foundation())


@app.command("list")
def list_quarantine(
    typer_context: typer.Context,
    most: Annotated[
        int, typer.Option("--limit", min=1, max=1_000_000, help="How many at most, records and bodies each.")
    ] = 100,
    as_json: JsonOption = False,
) -> None:
    """List what was put aside last and why; the records themselves, which name people, are not shown."""
    rows = [
        {"payload": one.payload, "source": one.source, "index": one.index, "field": one.field, "rule": one.rule}
        for one in _quarantine(typer_context).list(most)
    ]
    rows += [
        {"payload": one.envelope.id, "source": one.envelope.source, "index": 0, "field": BODY, "rule": NO_JSON}
        for one in _aside(typer_context).bodies(most)
    ]
    show(rows, as_json, "nothing is in quarantine")


@app.command("show")
def show_payload(
    typer_context: typer.Context,
    payload: Annotated[str, typer.Argument(help="The payload, as `list` names it.", metavar="PAYLOAD")],
    records: Annotated[
        bool, typer.Option("--records", help="Print the records themselves, one a line: they name people.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what is there of one payload: how it came, and each record's place, field and rule."""
    found = _found(typer_context, payload)
    if records:
        for one in found:
            sys.stdout.buffer.write(one.record.replace(b"\n", b" ") + b"\n")
        return
    show([_about(one) for one in found], as_json, "")


def _about(one: PutAside) -> dict[str, Any]:
    about = {name: value for name, value in asdict(one).items() if name not in ("asked_for", "manifest")}
    about["bytes"] = len(about.pop("record"))
    return about


def _found(typer_context: typer.Context, payload: str) -> Iterator[PutAside]:
    body = _aside(typer_context).find(payload)
    return _quarantine(typer_context).of_payload(payload) if body is None else iter([_as_put_aside(body)])


def _as_put_aside(body: Spooled) -> PutAside:
    envelope = body.envelope
    return PutAside(
        envelope.id,
        envelope.source,
        0,
        BODY,
        NO_JSON,
        body.body(),
        envelope.channel,
        envelope.received,
        envelope.content_encoding,
        envelope.lines,
    )


@app.command("load")
def load(
    typer_context: typer.Context,
    payloads: PayloadsArgument = None,
    everything: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load records again after a fix; what still cannot be stored is put aside again, as payload NAME~2.

    Windows of the ledger that lacked them are looked at again. Doing so twice stores nothing twice.
    """
    parts, clock = context_of(typer_context).collector(), context_of(typer_context).foundation().clock
    quarantine, spool = parts.store.quarantine, parts.store.spool
    chosen = _chosen(payloads, everything, quarantine.payloads())
    loaded = [load_again(quarantine, spool, payload, clock.now()) for payload in chosen]
    parts.store.loader.drain()
    became = payloads_named(parts.database, loaded)
    recount = Recount(parts.stores, context_of(typer_context).foundation().settings.rules)
    for source in {one.source for one in became}:
        recount.incomplete(source, clock.now())
    rows = [asdict(one) for one in became]
    show(rows, as_json, "nothing is in quarantine")


@app.command("drop")
def drop(
    typer_context: typer.Context,
    payloads: PayloadsArgument = None,
    everything: AllOption = False,
) -> None:
    """Remove what is there of payloads, for good. A provider can give them again for 48 hours, and you cannot after."""
    quarantine, aside = _quarantine(typer_context), _aside(typer_context)
    there = [*quarantine.payloads(), *(one.envelope.id for one in aside.bodies())]
    for payload in _chosen(payloads, everything, there):
        if not aside.drop(payload):
            quarantine.drop(payload)
    talk.print("dropped")


def _chosen(payloads: list[str] | None, everything: bool, there: list[str]) -> Iterable[str]:
    if bool(payloads) == everything:
        raise typer.BadParameter("name payloads, or give --all")
    chosen = payloads or there
    return track(chosen, "payloads", console=talk, transient=True) if talk.is_terminal else chosen
