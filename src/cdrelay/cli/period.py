"""Periods as people type them: `--from 2026-11-24 --to 2026-11-25T12:00`, in UTC."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from cdrelay.contract.windows import EPOCH, Period

FromOption = Annotated[
    str | None,
    typer.Option(
        "--from", help="Start of the period, by Report time, included; a date or a time, UTC.", metavar="TIME"
    ),
]
ToOption = Annotated[
    str | None, typer.Option("--to", help="End of the period, excluded; a date or a time, UTC.", metavar="TIME")
]

_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


def read_moment(name: str, text: str) -> datetime:
    """The moment a person typed. Raises typer.BadParameter that names the option."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no time; write 2026-11-24 or 2026-11-24T10:00Z", param_hint=name
        ) from None
    if not EPOCH <= moment <= _LATEST:
        raise typer.BadParameter(f"must lie between {EPOCH:%Y-%m-%d} and {_LATEST:%Y-%m-%d}", param_hint=name)
    return moment


def moment_given(name: str, text: str | None) -> datetime | None:
    """The same of an option that may be left out. An empty text is no time: a variable of a script may be unset."""
    return None if text is None else read_moment(name, text)


def read_period(start: str | None, end: str | None) -> Period | None:
    """The period between two options, open where one is missing; None when both are."""
    if start is None and end is None:
        return None
    try:
        return Period(
            moment_given("--from", start) or EPOCH,
            moment_given("--to", end) or _LATEST,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--to") from error
