"""Documents of the directory: JSON with a list for each kind, or CSV with one kind and a header line."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import msgspec
from pydantic import ValidationError

from cdrelay.errors import UNREADABLE
from cdrelay.publisher.directory.row_rules import first_problem
from cdrelay.publisher.directory.rows import ROWS, Kind, Row, fields_of, wire_value
from cdrelay.publisher.errors import PublisherError

Format = Literal["json", "csv"]


class DocumentRefused(PublisherError):
    """A document that cannot be taken apart into rows; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: the line of a CSV file, or the place in its list of a JSON document, from 1."""

    kind: Kind
    number: int
    unit: Literal["line", "entry"]

    def __str__(self) -> str:
        return f"{self.kind} {self.unit} {self.number}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that is not taken, and the rule that one of its fields breaks."""

    place: Place
    field: str
    rule: str

    def __str__(self) -> str:
        return f"{self.place}: {self.field}: {self.rule}"


@dataclass(frozen=True, slots=True)
class Document:
    """The rows of a document: what was understood, by kind, and what was not. A kind that it lacks is not meant."""

    rows: dict[Kind, list[tuple[Place, Row]]] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)

    def take(self, place: Place, given: object) -> None:
        """One more row."""
        try:
            self.rows[place.kind].append((place, ROWS[place.kind].model_validate(given)))
        except ValidationError as error:
            name, rule = first_problem(error)
            self.refused.append(Refusal(place, name, rule))


def read_document(data: bytes, document_format: Format, kind: Kind | None = None) -> Document:
    """The rows of a document, of one kind or of all in it. CSV needs the kind. Raises DocumentRefused."""
    if document_format == "json":
        return _read_json(data, kind)
    if kind is None:
        raise DocumentRefused("kind: must be given for CSV, which holds one kind of entries")
    return _read_csv(data, kind)


def _read_json(data: bytes, wanted: Kind | None) -> Document:
    try:
        content = msgspec.json.decode(data)
    except UNREADABLE as error:
        raise DocumentRefused(f"the document is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise DocumentRefused(f"the document must be an object with lists by kind: {', '.join(ROWS)}")
    document = Document()
    for kind, entries in content.items():
        if kind not in ROWS:
            raise DocumentRefused(f"{kind[:100]!r} is no kind of entries; there are {', '.join(ROWS)}")
        if not isinstance(entries, list):
            raise DocumentRefused(f"{kind}: must be a list")
        if wanted in (None, kind):
            document.rows[kind] = []
            for number, entry in enumerate(entries, 1):
                document.take(Place(kind, number, "entry"), entry)
    return document


def _read_csv(data: bytes, kind: Kind) -> Document:
    document = Document({kind: []})
    try:
        lines = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        header = _read_header(next(lines, []), kind)
        before = lines.line_num
        for cells in lines:
            place, before = Place(kind, before + 1, "line"), lines.line_num
            if len(cells) == len(header):
                document.take(place, _uncelled(dict(zip(header, cells, strict=True))))
            elif cells:
                document.refused.append(Refusal(place, "the row", f"has {len(cells)} cells, and not {len(header)}"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DocumentRefused(f"the document is no CSV in UTF-8: {error}") from error
    return document


def _read_header(cells: Sequence[str], kind: Kind) -> list[str]:
    names = [cell.strip() for cell in cells]
    known = fields_of(kind)
    needed = [name for name, column in known.items() if ROWS[kind].model_fields[column].is_required()]
    for name in names:
        if name not in known or names.count(name) > 1:
            raise DocumentRefused(
                f"line 1: {name[:100]!r} is no column of {kind}, or twice; they are {', '.join(known)}"
            )
    if missing := [name for name in needed if name not in names]:
        raise DocumentRefused(f"line 1: {kind} need the columns {', '.join(missing)}")
    return names


def _uncelled(cells: Mapping[str, str]) -> dict[str, Any]:
    """An empty cell is a field without a value; but for the region, of which empty is one."""
    given: dict[str, Any] = {name: cell.strip() or None for name, cell in cells.items()}
    if "organizations" in given:
        given["organizations"] = (given["organizations"] or "").split()
    if "region" in given:
        given["region"] = given["region"] or ""
    return {name: value for name, value in given.items() if value is not None or name == "endsAt"}


def write_document(entries: Mapping[Kind, Sequence[Mapping[str, Any]]], document_format: Format) -> Iterator[str]:
    """The document of entries, given as columns, in pieces. CSV holds the one kind there is."""
    if document_format == "csv":
        ((kind, rows),) = entries.items()
        yield from _write_csv(kind, rows)
        return
    yield "{"
    for number, (kind, rows) in enumerate(entries.items()):
        yield f'{"," if number else ""}\n "{kind}": ['
        for place, row in enumerate(rows):
            text = msgspec.json.encode({name: wire_value(row[column]) for name, column in fields_of(kind).items()})
            yield f"{',' if place else ''}\n  {text.decode()}"
        yield "\n ]"
    yield "\n}\n"


def _write_csv(kind: Kind, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    fields, text = fields_of(kind), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(fields)
    for row in rows:
        writer.writerow(_cell(wire_value(row[column])) for column in fields.values())
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def _cell(value: Any) -> str:
    return " ".join(value) if isinstance(value, list) else cast("str", value or "")
