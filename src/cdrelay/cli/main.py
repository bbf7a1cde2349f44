"""The entry of the command line."""

import logging
import os
import sys
from typing import Annotated

import structlog
import typer
from rich.markup import escape

from cdrelay import __version__
from cdrelay.cli import (
    alarms,
    backup,
    collector,
    conformance,
    doctor,
    lake,
    ledger,
    publisher,
    reconcile,
    records,
    serve,
    settings,
    trace,
    traffic,
)
from cdrelay.cli.context import install_context
from cdrelay.cli.output import talk
from cdrelay.errors import CdrelayError

app = typer.Typer(
    name="cdrelay",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Call detail records from a calling provider to its partners. Try `cdrelay up --demo --compress 60`.",
)
app.add_typer(publisher.app, name="publisher")
app.add_typer(collector.app, name="collector")
app.add_typer(alarms.app, name="alarms")
app.add_typer(lake.app, name="lake")
app.add_typer(ledger.app, name="ledger")
app.add_typer(backup.app, name="backup")
app.add_typer(conformance.app, name="conformance")
for command in (
    serve.up,
    serve.serve,
    reconcile.reconcile,
    records.export,
    records.query,
    trace.trace,
    traffic.traffic,
    settings.settings,
    backup.restore,
    doctor.doctor,
):
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def entry(
    typer_context: typer.Context,
    home: Annotated[
        str | None, typer.Option("--home", help="Folder of all that cdrelay keeps; else CDRELAY_HOME, else ~/.cdrelay.")
    ] = None,
    log_level: Annotated[
        str, typer.Option("--log-level", help="debug, info, warning or error; to stderr.")
    ] = "warning",
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Settings come from settings.toml in the home folder and from CDRELAY_… variables; see `cdrelay settings`."""
    levels = {"debug", "info", "warning", "error"}
    if log_level not in levels:
        raise typer.BadParameter(f"choose among {', '.join(sorted(levels))}", param_hint="--log-level")
    configure_log(log_level)
    if typer_context.invoked_subcommand != "doctor":  # which finds out itself what is wrong with the settings
        install_context(typer_context, home=home)


def configure_log(level: str) -> None:
    """One event a line on stderr: for people in a terminal, JSON otherwise."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shape: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            shape,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stderr)


def run() -> None:
    """Run the command line: what cdrelay can explain is a line on stderr and exit status 1, never a traceback."""
    try:
        app()
    except CdrelayError as error:
        talk.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except BrokenPipeError:
        # Whoever read our output has seen enough. Nothing more can be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
