"""`cdrelay lake begin-anew`: going on without the records of a lake that is gone."""

from typing import Annotated

import typer

from cdrelay.cli.context import context_of
from cdrelay.cli.output import talk
from cdrelay.collector.lost_lake import revise_for_lost_lake
from cdrelay.control.receipts import Receipts
from cdrelay.lake.gone import begin_anew as begin_lake_anew
from cdrelay.lake.gone import refuse_if_there
from cdrelay.wiring import Foundation, HalfName, claim_roles
from cdrelay.wiring.forgetting import records_kept_since

app = typer.Typer()


@app.command("begin-anew")
def begin_anew(
    typer_context: typer.Context,
    half: Annotated[HalfName, typer.Option("--half", help="Whose lake is gone.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
) -> None:
    """Make an empty lake in the place of one that is gone for good: deleted, its disk lost, and no backup.

    Nothing starts before, so that no disk is forgotten that was only not mounted. Loads are numbered on. The ledger
    calls short or lost what is missing now; the next start fetches what providers still have.
    """
    foundation = context_of(typer_context).foundation()
    folder, loads = foundation.settings.home / half / "lake", Receipts(foundation.database, half).last_load()
    claim_roles(foundation, [half])
    refuse_if_there(folder, half, loads)
    if not yes:
        talk.print(f"{folder}: {loads:,} loads were made; what they stored will be missing for good", soft_wrap=True)
        typer.confirm("Begin anew without it?", abort=True, err=True)
    if half == "collector":
        # Before there is a lake: interrupted in between, the same command does the rest.
        _revise_ledger(foundation)
    begin_lake_anew(folder, half, loads)
    talk.print(f"there is an empty lake in {folder} now; the next start uses it", soft_wrap=True)
    if half == "publisher":
        talk.print("hand in the records of the last 48 hours again: those that were sent are not there to be asked for")


def _revise_ledger(foundation: Foundation) -> None:
    now = foundation.clock.now()
    done = revise_for_lost_lake(
        foundation.database, records_kept_since(foundation, now), now, foundation.settings.rules
    )
    what = (
        f"{done.records:,} records that the ledger called stored are gone: {done.short:,} hours of organizations are"
        f" short, {done.lost:,} are lost"
    )
    foundation.incidents.record("load", f"the collector's lake was begun anew; {what}")
    talk.print(what, soft_wrap=True)
    talk.print(
        "the next start fetches what the providers still have; for the rest import reports (docs/reconciliation.md)",
        soft_wrap=True,
    )
