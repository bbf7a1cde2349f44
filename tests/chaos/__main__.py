"""Our publisher against our collector while things go wrong: prints what held; exit status 1 when not all did."""

import argparse
import asyncio
import json
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import msgspec
import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.chaos.plan import ENOUGH_ROUNDS, KINDS
from tests.chaos.rounds import Outcome, run
from tests.chaos.world import Size

_SHOWN = 10


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=500, help="a round is a tick of compressed time")
    parser.add_argument("--seed", type=int, help="the same seed breaks the same things in each round; else by chance")
    parser.add_argument("--compress", type=float, default=100.0, help="100: a tick is 3 s, 48 hours are 29 minutes")
    parser.add_argument("--organizations", type=int, default=12)
    parser.add_argument("--rate", type=float, default=50.0, help="records a second")
    parser.add_argument("--keep", action="store_true", help="keep the folder of the run, also when all held")
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    seed = secrets.randbelow(2**31) if arguments.seed is None else arguments.seed
    size = Size(arguments.compress, arguments.organizations, arguments.rate)
    folder, talk = Path(tempfile.mkdtemp(prefix="cdrelay-chaos-")), Console(stderr=True)
    talk.print(f"[dim]seed {seed}; the run is in {folder}", soft_wrap=True)
    outcome = _run(folder, seed, arguments.rounds, size, talk)
    if arguments.json:
        json.dump(as_json(outcome), sys.stdout, indent=2)
    else:
        show(outcome, Console())
    if not outcome.holds:
        talk.print(
            f"[red]does not hold[/]; again: ./dev chaos --seed {seed} --rounds {arguments.rounds}", soft_wrap=True
        )
    if outcome.holds and not arguments.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if outcome.holds else 1


def _run(folder: Path, seed: int, rounds: int, size: Size, talk: Console) -> Outcome:
    columns = (TextColumn("rounds"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as bars:
        task = bars.add_task("rounds", total=rounds)

        async def stoppable() -> Outcome:
            # Being told to end leaves no process and no file system behind, as Ctrl-C does not.
            running = asyncio.ensure_future(
                run(folder, seed, rounds, size, lambda done: bars.update(task, completed=done))
            )
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, running.cancel)
            return await running

        return asyncio.run(stoppable())


def as_json(outcome: Outcome) -> dict[str, object]:
    """The outcome for programs."""
    return dict(msgspec.to_builtins(outcome)) | {"holds": outcome.holds, "missing": outcome.missing}


def show(outcome: Outcome, console: Console) -> None:
    """The outcome for people."""
    faults = Table("what went wrong", "times", title="Faults")
    for kind, times in sorted({**dict.fromkeys(KINDS, 0), **outcome.faults}.items()):
        faults.add_row(kind, f"{times:,}")
    console.print(faults)
    found = outcome.violations
    rows = {
        "seed, rounds, compress": f"{outcome.seed}, {outcome.rounds}, {outcome.compress:g}",
        "seconds": f"{outcome.seconds:.0f}",
        "kills, starts, starts that failed": f"{outcome.kills}, {outcome.starts}, {outcome.failed_starts}",
        "ended by itself, hung": f"{outcome.ended_by_itself}, {len(outcome.stalls)}",
        "records stored": f"{outcome.records:,}",
        "windows of which a part was lost and others came": f"{outcome.windows_in_part}",
        "records acknowledged by webhook": f"{outcome.acknowledged:,}",
        "lost, duplicates": f"{len(found.lost)}, {len(found.twice)}",
        "outdated, different, unknown": f"{len(found.outdated)}, {len(found.different)}, {len(found.unknown)}",
        "hours that the ledger does not prove": f"{len(found.ledger)}",
        "hours of organizations": ", ".join(f"{times} {what}" for what, times in sorted(outcome.hours.items())),
        "tokens refreshed": f"{outcome.refreshes}",
        "the collector's disk": "a file system of its own" if outcome.own_disk else "a limit on the size of files",
    }
    table = Table("", "", title="Outcome", show_header=False)
    for name, figures in rows.items():
        table.add_row(name, figures)
    console.print(table)
    console.print(_growth(outcome))
    for name in ("lost", "twice", "outdated", "different", "unknown"):
        for key in getattr(found, name)[:_SHOWN]:
            console.print(f"[red]{name}[/]: Report ID {key[1]} of organization {key[0]}", soft_wrap=True)
    never = [f"never happened: {kind}" for kind in outcome.missing if outcome.rounds >= ENOUGH_ROUNDS]
    for sentence in [*found.ledger[:_SHOWN], *outcome.growth, *never]:
        console.print(f"[red]{sentence}", soft_wrap=True)


def _growth(outcome: Outcome) -> Table:
    title = "Has it stopped growing?" if outcome.courses else "Has it stopped growing? Too few rounds to say"
    table = Table("files and memory", "in the middle fifth", "in the last fifth", "at the end", title=title)
    for name, one in outcome.courses.items():
        table.add_row(name, f"{one.middle:,.0f}", f"{one.last:,.0f}", f"{one.end:,.0f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
