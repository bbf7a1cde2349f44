"""`cdrelay lake erase` and `cdrelay lake erasures`: a person's numbers, names and ids out of all that a home holds."""

import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from cdrelay.cli.context import context_of
from cdrelay.cli.given_paths import path_option
from cdrelay.cli.organizations import whole_organization
from cdrelay.cli.output import print_json, print_table, show, talk
from cdrelay.control.erasures import Erasure, Erasures
from cdrelay.lake.forgotten import Forgotten, ForgottenPerson
from cdrelay.records.personal import ERASED, LEAST_CHARACTERS, forms_of
from cdrelay.wiring.erasing import HomeEraser, open_eraser

app = typer.Typer()

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("erase")
def erase(
    typer_context: typer.Context,
    person: Annotated[
        Path | None,
        path_option(
            "--person-file",
            help="File with what the person is known by, one a line: numbers, names, mail addresses, User UUIDs."
            " - is stdin. Without it they are asked for. They are no arguments, because others could see those.",
        ),
    ] = None,
    organization: Annotated[
        str | None,
        typer.Option(
            "--organization", "--org", help="Only records of this organization: its whole UUID or encoded id."
        ),
    ] = None,
    label: Annotated[str, typer.Option("--label", help="Your own words, such as a ticket; nothing personal.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much there is.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Finish what was interrupted; nothing is asked.")] = False,
    wait: Annotated[
        int, typer.Option("--wait-for-readers", min=0, help="Seconds that exports and pages may still need old files.")
    ] = 60,
    as_json: JsonOption = False,
) -> None:
    """Erase a person: numbers, names, addresses and ids go from records; counts, times, durations and Report IDs stay.

    It goes through lake, spool, quarantine, bodies kept aside and the outbox, and deletes the old files from the disk.
    Records of calls that ended before now stay erased if they come again. Backups and exports are not reached.
    """
    org_uuid = None if organization is None else whole_organization(organization, "--organization")
    context = context_of(typer_context)
    foundation = context.foundation()
    eraser = open_eraser(foundation)
    if resume:
        _finish_all(eraser, wait, as_json)
        return
    hashes = {foundation.secrets.keyed_hash(form) for text in _known_by(person) for form in _forms(text)}
    now = foundation.clock.now()
    found = eraser.count(eraser.forgotten(ForgottenPerson(org_uuid, now, frozenset(hashes))))
    rows = [{"place": one.place, "found": one.number} for one in found]
    if dry_run:
        show(rows, as_json, "this home holds no lake")
        return
    if not yes:
        if person is not None and str(person) == "-":
            raise typer.BadParameter("stdin is taken, so nothing can be asked: add --dry-run, and then --yes")
        print_table(["place", "found"], [list(row.values()) for row in rows])
        typer.confirm("Erase it? There is no way back.", abort=True, err=True)
    erasure = eraser.erasures.begin(hashes, org_uuid, label, now)
    forgotten = eraser.forgotten(ForgottenPerson(org_uuid, erasure.at, frozenset(hashes)))
    _run(eraser, [(erasure, forgotten)], wait, as_json)


@app.command("erasures")
def erasures(typer_context: typer.Context, as_json: JsonOption = False) -> None:
    """List what was erased: when, your own label, how many records. Whose data it was is not known any more."""
    rows = [asdict(one) for one in Erasures(context_of(typer_context).foundation().database).list()]
    show(rows, as_json, "nothing was ever erased")


def _finish_all(eraser: HomeEraser, wait: int, as_json: bool) -> None:
    unfinished = eraser.unfinished()
    if not unfinished:
        talk.print("no erasure was interrupted")
        return
    _run(eraser, unfinished, wait, as_json)


def _run(eraser: HomeEraser, whom: Iterable[tuple[Erasure, Forgotten]], wait: int, as_json: bool) -> None:
    whom = list(whom)
    with Progress(console=talk, transient=True, disable=not talk.is_terminal) as bars:
        task = bars.add_task("erasing", total=None)
        for erasure, forgotten in whom:
            for done, (place, left) in enumerate(eraser.erase(erasure, forgotten), 1):
                bars.update(task, description=place, completed=done, total=done + left)
        bars.update(task, description=f"{wait} seconds for readers", total=None)
        time.sleep(wait)
        for erasure, forgotten in whom:
            eraser.finish(erasure, forgotten)
    ids = {erasure.id for erasure, _ in whom}
    done_now = [one for one in eraser.erasures.list() if one.id in ids]
    if as_json:
        print_json([asdict(one) for one in done_now])
        return
    for one in done_now:
        talk.print(f"{one.records:,} records and payloads were changed, and the old files are gone", highlight=False)


def _known_by(file: Path | None) -> list[str]:
    if file is None:
        texts = _asked()
    else:
        try:
            texts = (sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(f"it cannot be read: {type(error).__name__}", param_hint="--person-file") from None
    known = [text.strip() for text in texts if text.strip()]
    if not known:
        raise typer.BadParameter("say at least one number, name, mail address or User UUID")
    return known


def _asked() -> list[str]:
    talk.print(
        "What is the person known by? One a line: numbers, names, mail addresses, User UUIDs. Then an empty line."
    )
    texts = []
    while text := typer.prompt("", default="", show_default=False, prompt_suffix="> ", err=True).strip():
        texts.append(text)
    return texts


def _forms(text: str) -> frozenset[str]:
    forms = forms_of(text)
    # The text itself is not repeated: the line may be logged.
    if not forms:
        raise typer.BadParameter(f"each line needs at least {LEAST_CHARACTERS} characters; shorter ones are anybody's")
    if ERASED in forms:
        raise typer.BadParameter(f"{ERASED!r} is what stands where something was erased")
    return forms
