"""`cdrelay conformance …`: checks of a listener or a publisher from outside."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column, Table
from rich.text import Text
from yarl import URL

from cdrelay.cli.given_paths import path_option, require_one_stdin
from cdrelay.cli.organizations import whole_organization
from cdrelay.cli.output import print_json, secret_given, talk
from cdrelay.clock import SystemClock
from cdrelay.conformance.checks import CannotRun, Check, Result, Verdict, chosen, exit_status
from cdrelay.conformance.deliverer import Pace
from cdrelay.conformance.exchange import read_url, shown
from cdrelay.conformance.publisher import PUBLISHER_CHECKS, SLOW_SECONDS, WEBHOOK_CHECKS, Callback, check_publisher
from cdrelay.conformance.receiver import RECEIVER_CHECKS, check_receiver
from cdrelay.conformance.report import as_json, as_junit, counted
from cdrelay.contract.history import HistoryRules
from cdrelay.contract.rules import Rules

T = TypeVar("T")
S = TypeVar("S")
Kind = Literal["receiver", "publisher"]

app = typer.Typer(
    no_args_is_help=True,
    help="Check a webhook listener or a publisher from outside. Ends with 0: nothing failed; 1: something did; "
    "2: it could not be run.",
)

_COULD_NOT_RUN = 2
_COLOURS: dict[Verdict, str] = {"passed": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
JunitOption = Annotated[
    Path | None, path_option("--junit", help="Write a JUnit XML report there, too.", metavar="FILE")
]
OnlyOption = Annotated[
    list[str] | None, typer.Option("--only", help="Run this check alone; give it several times for several.")
]
ListOption = Annotated[bool, typer.Option("--list", help="Show the checks and what each asks; run none.")]


@app.command("receiver")
def receiver(
    url: Annotated[str | None, typer.Argument(help="The callback URL of the listener.", metavar="URL")] = None,
    secret: Annotated[
        str | None, typer.Option("--secret", help="The secret it verifies signatures with; none: it takes all.")
    ] = None,
    secret_file: Annotated[
        Path | None, path_option("--secret-file", help="A file that holds the secret; - is stdin.")
    ] = None,
    answer_within: Annotated[
        float, typer.Option("--answer-within", min=0.1, max=3600, help="Seconds in which a delivery must be answered.")
    ] = 15.0,
    only: OnlyOption = None,
    as_json: JsonOption = False,
    junit: JunitOption = None,
    show_list: ListOption = False,
) -> None:
    """Play the provider against any webhook listener: deliver made-up records in every way that can occur.

    The listener keeps what it takes, so point it at a store for tests.
    """
    checks = _checks(RECEIVER_CHECKS, only)
    if show_list:
        _show_checks(checks, as_json)
        return
    address, key = _address(url), secret_given("secret", secret, secret_file)
    _require_place(junit)
    pace = Pace(answer_seconds=answer_within)

    async def run(begins: Callable[[str], None]) -> list[Result]:
        return await check_receiver(address, key or None, SystemClock(), checks=checks, pace=pace, begins=begins)

    _report("receiver", address, _run(run, len(checks)), as_json, junit)


@app.command("publisher")
def publisher(
    url: Annotated[str | None, typer.Argument(help="Scheme and host of the partner endpoints.", metavar="URL")] = None,
    token: Annotated[str | None, typer.Option("--token", help="A partner access token.")] = None,
    token_file: Annotated[
        Path | None, path_option("--token-file", help="A file that holds the token; - is stdin.")
    ] = None,
    org: Annotated[
        str | None, typer.Option("--org", help="Ask for records of this organization; else of those with the most.")
    ] = None,
    compress: Annotated[
        float, typer.Option("--compress", help="How much faster contract time passes there: 60 makes 5 minutes 5 s.")
    ] = 1.0,
    only: OnlyOption = None,
    callback_listen: Annotated[
        str | None,
        typer.Option(
            "--callback-listen",
            help="Check deliveries, too: listen for them on this HOST:PORT.",
            metavar="HOST:PORT",
        ),
    ] = None,
    callback_url: Annotated[
        str | None, typer.Option("--callback-url", help="Where the publisher reaches that, if elsewhere.")
    ] = None,
    secret: Annotated[
        str | None, typer.Option("--secret", help="The secret its webhook is set up with; none: unsigned deliveries.")
    ] = None,
    secret_file: Annotated[
        Path | None, path_option("--secret-file", help="A file that holds the secret; - is stdin.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            help="Seconds to watch after the first delivery; two ticks unless said.",
            min=0.1,
            max=1_000_000,
        ),
    ] = None,
    as_json: JsonOption = False,
    junit: JunitOption = None,
    show_list: ListOption = False,
) -> None:
    """Play the partner against a publisher: read its endpoints and, with a callback, take its deliveries.

    The webhook of the partner has to be set to the callback by hand; the kit says to what, and waits for it.
    """
    checks = _checks(PUBLISHER_CHECKS, only)
    if show_list:
        _show_checks(checks, as_json)
        return
    require_one_stdin(token_file=token_file, secret_file=secret_file)
    address, key = _address(url), secret_given("token", token, token_file)
    if not key:
        raise typer.BadParameter("give --token or --token-file", param_hint="--token")
    if not key.isprintable():
        raise typer.BadParameter("a token is one line, and nothing else", param_hint="--token")
    _require_place(junit)
    rules = _fit(lambda: Rules().compressed(compress), "--compress")
    organization = None if org is None else whole_organization(org, "--org")
    callback = None
    if callback_listen is not None:
        host, port = _fit(lambda: _host_and_port(callback_listen), "--callback-listen")
        reached_at = None if callback_url is None else _fit(lambda: read_url(callback_url), "--callback-url")
        signed = secret_given("secret", secret, secret_file) or None
        watched = seconds or 2 * rules.tick.total_seconds()
        slow = min(SLOW_SECONDS, rules.tick.total_seconds() / 5)
        callback = Callback(host=host, port=port, url=reached_at, secret=signed, seconds=watched, slow_seconds=slow)
    elif (callback_url, secret, secret_file, seconds) != (None,) * 4:
        what = "--callback-url, --secret and --seconds are about deliveries, which need it"
        raise typer.BadParameter(what, param_hint="--callback-listen")
    elif only and all(one in WEBHOOK_CHECKS for one in checks):
        raise typer.BadParameter("these checks need deliveries: give --callback-listen", param_hint="--only")

    async def run(begins: Callable[[str], None]) -> list[Result]:
        return await check_publisher(
            address,
            key,
            SystemClock(),
            rules=rules,
            history=HistoryRules().compressed(compress),
            organization=organization,
            callback=callback,
            checks=checks,
            begins=begins,
            says=lambda text: talk.print(Text(text), soft_wrap=True),
        )

    _report("publisher", address, _run(run, len(checks)), as_json, junit)


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise ValueError(f"{text!r} is no HOST:PORT, such as 127.0.0.1:9000")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _checks(checks: Sequence[Check[S]], only: list[str] | None) -> list[Check[S]]:
    return _fit(lambda: chosen(checks, only or []), "--only")


def _address(url: str | None) -> URL:
    if url is None:
        raise typer.BadParameter("an address is needed", param_hint="URL")
    return _fit(lambda: read_url(url), "URL")


def _require_place(junit: Path | None) -> None:
    """Raises typer.BadParameter where the report could not be written: that is known before minutes of checks."""
    if junit is not None and (junit.is_dir() or not junit.absolute().parent.is_dir()):
        what = f"{junit} is a folder" if junit.is_dir() else f"there is no folder {junit.parent}"
        raise typer.BadParameter(f"{what}; name a file", param_hint="--junit")


def _fit(read: Callable[[], T], option: str) -> T:
    """What is read from an option; a ValueError is the fault of whoever typed it."""
    try:
        return read()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _run(run: Callable[[Callable[[str], None]], Awaitable[list[Result]]], number: int) -> list[Result]:
    """Run the checks with a bar for who looks. Ends the command with status 2 when they cannot be run."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=talk, disable=not talk.is_terminal, transient=True) as progress:
        task = progress.add_task("connecting", total=number)
        begun = 0

        def begins(name: str) -> None:
            nonlocal begun
            progress.update(task, description=name, completed=begun)
            begun += 1

        async def all_of_them() -> list[Result]:
            return await run(begins)

        try:
            return asyncio.run(all_of_them())
        except CannotRun as error:
            progress.stop()
            talk.print(Text(f"cannot run: {error}", "red"), soft_wrap=True)
            raise typer.Exit(_COULD_NOT_RUN) from error


def _report(kind: Kind, url: URL, results: list[Result], as_document: bool, junit: Path | None) -> None:
    address = shown(url)
    if as_document:
        print_json(as_json(kind, address, results))
    else:
        _print_results(results)
    if junit is not None:
        try:
            junit.write_bytes(as_junit(kind, address, results))
        except OSError as error:
            talk.print(Text(f"{junit} cannot be written: {error.strerror}", "red"), soft_wrap=True)
            raise typer.Exit(_COULD_NOT_RUN) from error
    numbers = ", ".join(f"{number} {verdict}" for verdict, number in counted(results).items() if number)
    talk.print(Text(f"{len(results)} checks of the {kind} at {address}: {numbers}"), soft_wrap=True)
    raise typer.Exit(exit_status(results))


def _print_results(results: Sequence[Result]) -> None:
    table = Table(Column("check", no_wrap=True), "verdict", "what the contract asks (section), and what happened")
    for one in results:
        colour = _COLOURS[one.verdict]
        # Text, not markup: what the other side answered may hold brackets.
        both = Text.assemble(f"{one.asks} ({one.section})\n", (one.what, colour))
        table.add_row(one.name, Text(one.verdict, colour), both, end_section=True)
    Console().print(table)


def _show_checks(checks: Sequence[Check[S]], as_document: bool) -> None:
    rows = [{"name": one.name, "section": one.section, "asks": one.asks} for one in checks]
    if as_document:
        print_json(rows)
        return
    table = Table(Column("check", no_wrap=True), "what the contract asks", "section")
    for row in rows:
        table.add_row(row["name"], Text(row["asks"]), Text(row["section"]))
    Console().print(table)
