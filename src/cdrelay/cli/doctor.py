"""`cdrelay doctor`: what is wrong with an installation, and what to do."""

from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from cdrelay.cli.output import print_json, print_table, talk
from cdrelay.clock import SystemClock
from cdrelay.doctor.checks import examine_all
from cdrelay.doctor.findings import Examined, Finding, worst
from cdrelay.settings import look_at_settings

_STATUS = {"ok": 0, "warning": 1, "failed": 2}


def doctor(
    typer_context: typer.Context,
    deep: Annotated[bool, typer.Option("--deep", help="Also read every record: damaged files, duplicates.")] = False,
    online: Annotated[
        bool, typer.Option("--online", help="Also ask each provider once, and the mail server; nothing is sent.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Take away the torn end of a lake's log where nothing is lost by it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Check everything that can be wrong, and say what to do.
    It may run beside the server, and changes nothing without --repair.

    Exit status: 0 all is well, 1 there are warnings, 2 something has failed.
    """
    parent = typer_context.parent
    settings, problems = look_at_settings(home=parent.params.get("home") if parent else None)
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), console=talk, transient=True, disable=not talk.is_terminal
    ) as bars:
        task = bars.add_task("", total=None)
        examined = Examined(
            settings,
            SystemClock(),
            tuple(map(str, problems)),
            deep=deep,
            online=online,
            repair=repair,
            progress=lambda what: bars.update(task, description=what),
        )
        findings = list(examine_all(examined))
    state = worst(findings)
    if as_json:
        print_json({"state": state, "findings": [asdict(finding) for finding in findings]})
    else:
        print_table(["", "check", "what", "what to do"], [_row(finding) for finding in findings])
        numbers = Counter(finding.state for finding in findings)
        warnings = "1 warning" if numbers["warning"] == 1 else f"{numbers['warning']} warnings"
        talk.print(f"{numbers['ok']} ok, {warnings}, {numbers['failed']} failed", highlight=False)
    if state != "ok":
        raise typer.Exit(_STATUS[state])


def _row(finding: Finding) -> list[str]:
    todo = "" if finding.state == "ok" else "; ".join(filter(None, (finding.advice, finding.page)))
    return [finding.state, finding.check, finding.what, todo]
