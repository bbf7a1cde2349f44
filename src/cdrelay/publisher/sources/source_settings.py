"""One source of call records, and what it may be."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cdrelay.contract.addresses import AddressRefused, checked_base
from cdrelay.contract.organization_ids import organization_uuid
from cdrelay.publisher.errors import RecordSourceRefused
from cdrelay.publisher.sources.origin import FORMATS, Format, Origin, read_org_rules

Kind = Literal["folder", "follow", "cdr_stream", "cdr_feed", "push"]
"""A folder of whole files, one file that grows, a history API of a provider, or what is posted to the intake."""
KINDS: tuple[Kind, ...] = get_args(Kind)
PULLED: frozenset[Kind] = frozenset({"cdr_stream", "cdr_feed"})

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSource:
    """One source. Its token does not show when it is printed."""

    name: str
    kind: Kind
    format: Format = "record"
    location: str = ""
    """The folder, the file, or the base address of the provider; empty for what is pushed."""
    org_uuid: str | None = None
    org_map: str = ""
    """Rules in CSV, see `read_org_rules`."""
    time_zone: str = "UTC"
    """Of times that say none."""
    token: str | None = field(default=None, repr=False)
    """Access token of the provider."""
    cursor: str = ""
    """How far it has been read; empty: not at all."""
    active: bool = True
    created_at: datetime
    read_at: datetime | None = None
    """When it was last read to its end."""
    problem: str | None = None
    """What kept it from being read since."""

    @property
    def origin(self) -> Origin:
        """The source as its records need to know it. Raises RecordSourceRefused."""
        return Origin(
            name=self.name,
            format=self.format,
            org_uuid=self.org_uuid,
            rules=read_org_rules(self.org_map),
            zone=_zone(self.time_zone),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """What an operator says of a source; None leaves a value as it is, or at first to its default."""

    location: str | None = None
    format: str | None = None
    org_id: str | None = None
    org_map: str | None = None
    time_zone: str | None = None
    token: str | None = field(default=None, repr=False)
    active: bool | None = None
    cursor: str | None = None


def named(name: str, kind: str, created_at: datetime) -> RecordSource:
    """A source without settings yet. Raises RecordSourceRefused for a name or a kind that none has."""
    if not _NAME.fullmatch(name):
        raise RecordSourceRefused("a source's name is 1 to 64 of a-z, 0-9 and -, not starting with -")
    return RecordSource(name=name, kind=_one_of("kind", kind, KINDS), created_at=created_at)


def changed(source: RecordSource, given: SourceSettings) -> RecordSource:
    """`source` with what is given, checked as a whole. Raises RecordSourceRefused."""
    if given.cursor is not None and source.kind not in PULLED:
        raise RecordSourceRefused("only a source that is pulled can be told since when")
    if given.token is not None and source.kind not in PULLED:
        raise RecordSourceRefused("only a source that is pulled has a token")
    checks: dict[str, Callable[[str], Any]] = {
        "format": lambda text: _one_of("format", text, FORMATS),
        "location": lambda text: _location(source.kind, text),
        "org_map": _org_map,
        "time_zone": lambda text: _zone(text).key,
        "token": _token,
        "cursor": str,
    }
    values: dict[str, Any] = {
        name: check(getattr(given, name)) for name, check in checks.items() if getattr(given, name) is not None
    }
    if given.org_id is not None:
        values["org_uuid"] = _org_uuid(given.org_id) if given.org_id else None
    if given.active is not None:
        values["active"] = given.active
    if values.get("location", source.location) != source.location:
        values.setdefault("cursor", "")  # another file, another provider: read from its beginning
    whole = replace(source, **values)
    _require_whole(whole)
    return whole


def _require_whole(source: RecordSource) -> None:
    if source.kind != "push" and not source.location:
        raise RecordSourceRefused("a source needs a location: its folder, its file, or the address of its provider")
    if source.kind in PULLED:
        if source.token is None:
            raise RecordSourceRefused("a source that is pulled needs the provider's access token")
        if source.format != "record":
            raise RecordSourceRefused("a provider gives records; the format of a source that is pulled is record")


def _location(kind: Kind, text: str) -> str:
    if kind in PULLED:
        try:
            return checked_base(text)
        except AddressRefused as error:
            raise RecordSourceRefused(str(error)) from error
    if kind == "push" and text:
        raise RecordSourceRefused("what is pushed has no location")
    if not text:
        return ""
    path = Path(text).expanduser().absolute()  # means the same from whichever folder the server is started
    if kind == "folder" and path.exists() and not path.is_dir():
        raise RecordSourceRefused(f"the location {path} is no folder")
    if kind == "follow" and path.exists() and not path.is_file():
        raise RecordSourceRefused(f"the location {path} is no file to which lines are added")
    return str(path)


def _one_of(what: str, text: str, allowed: tuple[Kind, ...] | tuple[Format, ...]) -> Any:
    if text not in allowed:
        raise RecordSourceRefused(f"the {what} must be one of {', '.join(allowed)}")
    return text


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise RecordSourceRefused(f"the time zone {text[:64]!r} is none of those such as Europe/Berlin") from error


def _org_map(text: str) -> str:
    read_org_rules(text)
    return text


def _token(text: str) -> str:
    if not text or not text.isprintable() or text != text.strip():
        raise RecordSourceRefused("a token is not empty and has no line breaks, and no blanks around it")
    return text


def _org_uuid(org_id: str) -> str:
    try:
        return organization_uuid(org_id)
    except ValueError as error:
        raise RecordSourceRefused(str(error)) from error
