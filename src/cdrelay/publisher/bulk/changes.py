"""What an import does to the directory, as values, and the bookkeeping while that is being worked out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from cdrelay.publisher.bulk.formats import Place, Refusal
from cdrelay.publisher.directory.rows import ROWS, Kind, fields_of, wire_value
from cdrelay.publisher.errors import EntryRefused

Action = Literal["added", "changed", "ended"]
ACTIONS: tuple[Action, ...] = ("added", "changed", "ended")
Values = dict[str, Any]
"""An entry, by column."""
State = dict[Kind, dict[str, Values]]
"""Entries by kind and by key."""

KEYS: dict[Kind, str] = {kind: "org_uuid" if kind == "organizations" else "id" for kind in ROWS}
"""The column that names an entry of each kind."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry that is added, changed or ended."""

    kind: Kind
    action: Action
    values: Values
    """What it is afterwards."""
    before: Values | None
    place: Place | None
    """The row that asked for it; none where the lack of one did."""
    never_began: bool = False
    """It is ended before it has begun, and so leaves no trace."""

    @property
    def key(self) -> str:
        """The key of the entry."""
        return str(self.values[KEYS[self.kind]])

    def fields(self) -> dict[str, tuple[Any, Any]]:
        """The fields that differ, by their names outside: what each was (None: nothing) and what it is afterwards."""
        before = self.before or {}
        pairs = {
            name: (wire_value(before.get(column)), wire_value(self.values[column]))
            for name, column in fields_of(self.kind).items()
        }
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(slots=True)
class Plan:
    """What an import does, in the order in which it is done."""

    state: State
    """The entries that are there; what is planned is put in at once."""
    now: datetime
    changes: list[Change] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    unchanged: int = 0
    kept: list[Kind] = field(default_factory=list)
    """Kinds of which nothing is ended though it is missing, for rows that were refused may have meant it."""
    _partners: dict[str, str] = field(init=False, repr=False)
    _seen: dict[tuple[Kind, str], Place] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._partners = {values["name"]: key for key, values in self.state["partners"].items()}

    @contextmanager
    def taking(self, place: Place) -> Iterator[None]:
        """Around the work on one row: what refuses it is noted, and the next row is looked at."""
        try:
            yield
        except EntryRefused as error:
            self.refused.append(Refusal(place, error.field, error.rule))

    def meet(self, kind: Kind, key: str, place: Place) -> None:
        """The row at `place` means this entry. Raises EntryRefused when another row did."""
        first = self._seen.setdefault((kind, key), place)
        if first is not place:
            raise EntryRefused("the row", f"means the same as {first.unit} {first.number}")

    def met(self, kind: Kind, key: str) -> bool:
        """Whether a row meant this entry."""
        return (kind, key) in self._seen

    def put(self, place: Place, values: Values, before: Values | None) -> None:
        """The entry is to be like that."""
        if values == before:
            self.unchanged += 1
            return
        change = Change(place.kind, "changed" if before else "added", values, before, place)
        self.changes.append(change)
        self.state[place.kind][change.key] = values
        if place.kind == "partners":
            if before:
                del self._partners[before["name"]]
            self._partners[values["name"]] = change.key

    def partner_named(self, name: str) -> str | None:
        """The id of the partner of that name."""
        return self._partners.get(name)

    def partner_of(self, id_or_name: str) -> str:
        """The id of a partner. Raises EntryRefused."""
        if id_or_name in self.state["partners"]:
            return id_or_name
        found = self.partner_named(id_or_name)
        if found is None:
            raise EntryRefused("partnerId", "there is no partner of that id or name")
        return found

    def require_organization(self, org_uuid: str, name: str = "orgId") -> None:
        """Raises EntryRefused when there is no organization of that id."""
        if org_uuid not in self.state["organizations"]:
            raise EntryRefused(name, f"there is no organization {org_uuid}")
