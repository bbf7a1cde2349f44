"""The entry of the command line."""

import logging
import os
import sys
from collections.abc import Mapping
from typing import Annotated, ClassVar

import structlog
import typer
from rich.markup import escape

from cdrelay import __version__
from cdrelay.cli.context import install_context
from cdrelay.cli.late import LateGroup
from cdrelay.cli.output import talk
from cdrelay.cli.own_words import InOurWords
from cdrelay.errors import CdrelayError


class Commands(InOurWords, LateGroup):
    """All of them."""

    where: ClassVar[Mapping[str, str]] = {
        "up": "serve:up",
        "serve": "serve:serve",
        "reconcile": "reconcile:reconcile",
        "export": "records:export",
        "query": "records:query",
        "trace": "trace:trace",
        "traffic": "traffic:traffic",
        "settings": "settings:settings",
        "restore": "backup:restore",
        "doctor": "doctor:doctor",
        "publisher": "publisher:app",
        "collector": "collector:app",
        "alarms": "alarms:app",
        "lake": "lake:app",
        "ledger": "ledger:app",
        "backup": "backup:app",
        "conformance": "conformance:app",
    }


app = typer.Typer(
    name="cdrelay",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Call detail records from a calling provider to its partners. Try `cdrelay up --demo --compress 60`.",
)


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
        try:
            app(prog_name="cdrelay")
        finally:
            sys.stdout.flush()  # here, where it can still be told that the disk is full
    except CdrelayError as error:
        talk.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except PermissionError as error:
        what = f"{error.strerror}: {error.filename}; a home folder belongs to the user that cdrelay runs as"
        talk.print(f"[red]error:[/] {escape(what)}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except RuntimeError as error:
        if str(error) != "Query interrupted":  # what the engine makes of Ctrl-C
            raise
        _write_no_more()
        sys.exit(130)
    except BrokenPipeError:
        _write_no_more()  # whoever read our output has seen enough
    except OSError as error:
        what = f"{error.strerror or error}: {error.filename or 'the output could not be written'}"
        structlog.get_logger().debug("command.failed", exc_info=True)
        talk.print(f"[red]error:[/] {escape(what)}", highlight=False, soft_wrap=True)
        _write_no_more()
        sys.exit(1)


def _write_no_more() -> None:
    """Not even at exit, when Python empties its buffers."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
