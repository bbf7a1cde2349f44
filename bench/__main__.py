"""Runs the benchmarks by name, or all; prints a table, or JSON; exit status 1 when a limit does not hold."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import structlog
from rich.console import Console
from rich.table import Table

from bench.measure import Measure

NAMES = ("loading", "receiving", "counting", "memory", "delivering", "spreading", "answering")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(NAMES)}; all without one")
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    talk = Console(stderr=True)
    measures: list[Measure] = []
    for name in arguments.names or NAMES:
        talk.print(f"[dim]measuring {name} …")
        with tempfile.TemporaryDirectory(prefix="cdrelay-bench-") as scratch:
            measures += import_module(f"bench.{name}").run(Path(scratch))
    if arguments.json:
        json.dump([asdict(measure) | {"holds": measure.holds} for measure in measures], sys.stdout, indent=2)
    else:
        table = Table("measure", "figures", "ratio", "limit", "")
        for one in measures:
            verdict = "[green]holds" if one.holds else "[red]does not hold"
            table.add_row(one.name, one.figures, f"{one.ratio:.2f}", f"{one.direction} {one.limit:g}", verdict)
        Console().print(table)
    return 0 if all(measure.holds for measure in measures) else 1


sys.exit(main())
