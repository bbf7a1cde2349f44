"""`cdrelay lake begin-anew`: going on without the records of a lake that is gone."""

from typing import Annotated

import typer

from cdrelay.cli.context import context_of
from cdrelay.cli.output import talk
from cdrelay.control.receipts import Receipts
from cdrelay.lake.gone import begin_anew as begin_lake_anew
from cdrelay.wiring import HalfName, claim_roles

app = typer.Typer()


@app.command("begin-anew")
def begin_anew(
    typer_context: typer.Context,
    half: Annotated[HalfName, typer.Option("--half", help="Whose lake is gone.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
) -> None:
    """Make an empty lake in the place of one that is gone for good: deleted, its disk lost, and no backup.

    Nothing starts before, so that no disk is forgotten that was only not mounted. Loads are numbered on.
    """
    foundation = context_of(typer_context).foundation()
    folder, loads = foundation.settings.home / half / "lake", Receipts(foundation.database, half).last_load()
    claim_roles(foundation, [half])
    if not yes:
        talk.print(f"{folder}: {loads:,} loads were made; what they stored will be missing for good", soft_wrap=True)
        typer.confirm("Begin anew without it?", abort=True, err=True)
    begin_lake_anew(folder, half, loads)
    talk.print(f"there is an empty lake in {folder} now; the next start uses it", soft_wrap=True)
    if half == "collector":
        talk.print("`cdrelay reconcile` fetches what the providers still have; older hours of the ledger stay as told")
    else:
        talk.print("hand in the records of the last 48 hours again: those that were sent are not there to be asked for")
