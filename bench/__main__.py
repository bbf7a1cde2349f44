"""Runs the benchmarks by name, or those that are quick; prints a table, or JSON; exit status 1 when a limit fails.

Without names it runs all that take less than ten minutes together; `--list` shows the others.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

import structlog
from rich.console import Console
from rich.table import Table

from bench.measure import Measure
from cdrelay.serving import share_heaps, take_short_turns


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What there is to run; the module has the same name."""

    what: str
    minutes: float
    """About so long it takes on two cores."""
    always: bool = True
    """Whether it runs when nobody names one."""


BENCHMARKS = {
    "loading": Benchmark("spool to lake, against COPY of DuckDB; also with 25 % repeats", 1.5),
    "receiving": Benchmark("signed bodies over HTTP, against hashing and writing; also with 25 % repeats", 0.3),
    "afternoon": Benchmark("records/s and bytes on disk, against FastAPI and PostgreSQL", 2),
    "reconciling": Benchmark("1,000 organizations for 48 hours: requests, seconds", 1.5),
    "memory": Benchmark("the collector's process while it takes 1 GB", 0.7),
    "answering": Benchmark("the records endpoint, against DuckDB writing JSON", 0.5),
    "delivering": Benchmark("a window cut, built, signed and sent, against sending alone", 2),
    "spreading": Benchmark("a window spread over 10,000 partners, against one", 1),
    "growing": Benchmark("load, count and repair with 1, 10 and 50 million records in the lake", 15, always=False),
}


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(BENCHMARKS)}")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--list", action="store_true", help="what there is, and how long it takes")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - BENCHMARKS.keys():
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    if arguments.list:
        _show_benchmarks()
        return 0
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    share_heaps()  # as a server does, whose parts run in this process
    take_short_turns()
    names = arguments.names or [name for name, benchmark in BENCHMARKS.items() if benchmark.always]
    measures = _measure(names)
    if arguments.json:
        json.dump([asdict(measure) | {"holds": measure.holds} for measure in measures], sys.stdout, indent=2)
    else:
        _show(measures)
    return 0 if all(measure.holds for measure in measures) else 1


def _measure(names: list[str]) -> list[Measure]:
    talk = Console(stderr=True)
    measures: list[Measure] = []
    for name in names:
        talk.print(f"[dim]measuring {name}, about {BENCHMARKS[name].minutes:g} min …")
        with tempfile.TemporaryDirectory(prefix="cdrelay-bench-") as scratch:
            measures += import_module(f"bench.{name}").run(Path(scratch))
    return measures


def _show_benchmarks() -> None:
    table = Table("name", "what", "minutes", "without names")
    for name, one in BENCHMARKS.items():
        table.add_row(name, one.what, f"{one.minutes:g}", "yes" if one.always else "")
    Console().print(table)


def _show(measures: list[Measure]) -> None:
    table = Table("measure", "figures", "ratio", "limit", "")
    for one in measures:
        verdict = "[green]holds" if one.holds else "[red]does not hold"
        table.add_row(one.name, one.figures, f"{one.ratio:.2f}", f"{one.direction} {one.limit:g}", verdict)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
