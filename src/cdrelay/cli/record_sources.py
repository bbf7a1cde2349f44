"""`cdrelay publisher source …`: where call records come from, beside those that are handed in as they are."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from cdrelay import wiring
from cdrelay.cli.context import context_of
from cdrelay.cli.given_paths import path_option
from cdrelay.cli.output import print_json, secret_given, show, talk, unreadable
from cdrelay.cli.period import read_moment
from cdrelay.contract.times import write_time
from cdrelay.publisher.sources.origin import FORMATS
from cdrelay.publisher.sources.record_sources import RecordSources
from cdrelay.publisher.sources.running import LOOK_SECONDS
from cdrelay.publisher.sources.source_settings import KINDS, RecordSource, SourceSettings
from cdrelay.publisher.sources.taking import Kept

app = typer.Typer(no_args_is_help=True, help="Where call records come from: folders, files, providers, platforms.")

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
NameArgument = Annotated[
    str, typer.Argument(help="The source's name; derived Report IDs depend on it.", metavar="NAME")
]
LocationOption = Annotated[
    str | None,
    typer.Option("--location", help="The folder, the file, or the address of the provider.", metavar="PLACE"),
]
FormatOption = Annotated[
    str | None, typer.Option("--format", help=f"What it gives: {', '.join(FORMATS)}; record unless said.")
]
OrgOption = Annotated[
    str | None,
    typer.Option("--org", help="Whose calls they are, where nothing else tells; empty takes it away.", metavar="ORG"),
]
OrgMapOption = Annotated[
    Path | None,
    path_option("--org-map", help="CSV of rules: field,value,org, such as accountcode,acme,UUID."),
]
ZoneOption = Annotated[
    str | None, typer.Option("--time-zone", help="Of times that say none, such as Europe/Berlin. UTC unless said.")
]
TokenOption = Annotated[
    str | None, typer.Option("--token", help="Access token of the provider. Others can see it here; prefer the file.")
]
TokenFileOption = Annotated[Path | None, path_option("--token-file", help="File with the token; - is stdin.")]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", help="Pull from this time on, UTC; else as far back as the provider lets."),
]


def _sources(typer_context: typer.Context) -> RecordSources:
    return context_of(typer_context).publisher().record_sources


def _shown(source: RecordSource) -> dict[str, Any]:
    """What may be shown of a source."""
    return {
        "name": source.name,
        "kind": source.kind,
        "format": source.format,
        "location": source.location,
        "org_uuid": source.org_uuid,
        "rules": len(source.origin.rules),
        "time_zone": source.time_zone,
        "active": source.active,
        "read_at": source.read_at,
        "cursor": source.cursor,
        "problem": source.problem,
    }


_FOR_PEOPLE = ("name", "kind", "location", "active", "read_at", "problem")
"""What a list of sources shows in a terminal; all of it is in JSON."""


def _given(
    location: str | None,
    form: str | None,
    org: str | None,
    org_map: Path | None,
    time_zone: str | None,
    token: str | None,
    since: str | None,
    active: bool | None = None,
) -> SourceSettings:
    rules = None
    if org_map is not None:
        try:
            rules = org_map.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise unreadable("--org-map", org_map, error) from error
    return SourceSettings(
        location=location,
        format=form,
        org_id=org,
        org_map=rules,
        time_zone=time_zone,
        token=token,
        active=active,
        cursor=None if since is None else write_time(read_moment("--since", since)),
    )


@app.command("add")
def add_source(
    typer_context: typer.Context,
    name: NameArgument,
    *,
    kind: Annotated[str, typer.Option("--kind", help=f"One of {', '.join(KINDS)}.")],
    location: LocationOption = None,
    form: FormatOption = None,
    org: OrgOption = None,
    org_map: OrgMapOption = None,
    time_zone: ZoneOption = None,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    since: SinceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take records from a new source; a running publisher begins within a second or so."""
    token = secret_given("token", token, token_file)
    _require_outside(typer_context, location)
    source = _sources(typer_context).add(name, kind, _given(location, form, org, org_map, time_zone, token, since))
    _warn(source)
    print_json(_shown(source)) if as_json else talk.print(f"added {source.name}")


def _require_outside(typer_context: typer.Context, location: str | None) -> None:
    """Raises typer.BadParameter for a place in the home folder: files are moved out of a folder that is watched."""
    home = context_of(typer_context).settings.home.resolve()
    if location and "://" not in location and Path(location).expanduser().resolve().is_relative_to(home):
        raise typer.BadParameter(f"it lies in the home folder {home}, which is cdrelay's own", param_hint="--location")


def _warn(source: RecordSource) -> None:
    if source.kind in {"folder", "follow"} and not Path(source.location).exists():
        talk.print(f"[yellow]warning:[/] {source.location} is not there yet")


@app.command("set")
def set_source(
    typer_context: typer.Context,
    name: NameArgument,
    *,
    location: LocationOption = None,
    form: FormatOption = None,
    org: OrgOption = None,
    org_map: OrgMapOption = None,
    time_zone: ZoneOption = None,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    since: SinceOption = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Read it, or leave it alone.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is given of a source and keep the rest."""
    token = secret_given("token", token, token_file)
    _require_outside(typer_context, location)
    source = _sources(typer_context).change(name, _given(location, form, org, org_map, time_zone, token, since, active))
    _warn(source)
    print_json(_shown(source)) if as_json else talk.print(f"changed {source.name}")


@app.command("list")
def list_sources(typer_context: typer.Context, as_json: JsonOption = False) -> None:
    """List the sources, when each was last read to its end, and what is wrong since; --json tells more."""
    rows = [_shown(one) for one in _sources(typer_context).list()]
    if not as_json:
        rows = [{name: row[name] for name in _FOR_PEOPLE} for row in rows]
    show(rows, as_json, "there are no sources yet; `cdrelay publisher source add NAME` makes one")


@app.command("remove")
def remove_source(typer_context: typer.Context, name: NameArgument) -> None:
    """Forget a source; its records stay."""
    _sources(typer_context).remove(name)
    talk.print(f"removed {name}")


@app.command("read-once")
def read_once(typer_context: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Read a source once, also one that is inactive, and say how many records were taken. Again is harmless."""
    context = context_of(typer_context)
    parts = context.publisher()
    reader = wiring.source_readers(context.foundation(), parts).reader(name)
    source = parts.record_sources.get(name)

    async def read() -> Kept:
        kept = await reader.read()
        if source.kind == "folder":  # the second look finds which files are whole
            await asyncio.sleep(LOOK_SECONDS)
            kept += await reader.read()
        return kept

    kept = asyncio.run(read())
    parts.record_sources.note_read(name)
    if as_json:
        print_json({"accepted": kept.accepted, "refused": kept.refused})
    else:
        talk.print(f"{kept.accepted} records taken, {kept.refused} refused")


@app.command("refused")
def list_refused(
    typer_context: typer.Context,
    number: Annotated[
        int, typer.Option("--number", "-n", help="How many, the newest first.", min=1, max=1_000_000)
    ] = 50,
    as_json: JsonOption = False,
) -> None:
    """List what was put into quarantine, with the field and the rule. Folders keep theirs in `refused`."""
    found = context_of(typer_context).publisher().store.quarantine.list(number)
    rows = [{"source": one.source, "place": one.index, "field": one.field, "rule": one.rule} for one in found]
    show(rows, as_json, "nothing is in quarantine")
