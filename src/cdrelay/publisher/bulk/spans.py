"""Planning of relations and licences, of which no two of the same owner may overlap once everything is done.

Ends and changes come before additions, so that a document may end one entry and begin the next at the same moment,
in any order of its rows. Where two rows cannot both be, the later one is refused.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import uuid4

from cdrelay.publisher.bulk.changes import Change, Plan, Values
from cdrelay.publisher.bulk.formats import Place, Refusal
from cdrelay.publisher.directory.licences import LICENCES
from cdrelay.publisher.directory.relations import RELATIONS
from cdrelay.publisher.directory.rows import Kind, LicenceRow, RelationRow
from cdrelay.publisher.directory.spans import END_AFTER_START, Spans
from cdrelay.publisher.errors import EntryRefused

SpanRow = RelationRow | LicenceRow
SPANS: dict[Kind, Spans] = {"relations": RELATIONS, "licences": LICENCES}
_MATCHED_BY: dict[Kind, tuple[str, ...]] = {
    "relations": ("partner_id", "org_uuid", "kind"),
    # The seller takes part: another seller is another licence, and the calls until now stay with the first.
    "licences": ("holder_uuid", "org_uuid", "partner_id"),
}


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    """An entry as it would be, what it is now, and the row that wants it so."""

    values: Values
    before: Values | None
    place: Place | None

    @property
    def asked(self) -> bool:
        """Whether a row wants something new, which may be refused."""
        return self.place is not None and self.values != self.before

    @property
    def ending(self) -> bool:
        """Whether it ends as no row means it."""
        return self.place is None and self.values != self.before

    def kept(self) -> "_Span":
        """It stays as it is."""
        assert self.before is not None  # noqa: S101  # only what is there can stay
        return _Span(self.before, self.before, None)


def plan_spans(plan: Plan, kind: Kind, rows: Sequence[tuple[Place, SpanRow]], *, end_missing: bool) -> None:
    """By id or, without one, by what it joins and its start or, without a start, the one that lasts.

    With `end_missing` those end that no row means; not while a row of the kind is refused that may mean any of them.
    """
    planning = _SpanPlanning(plan, kind)
    wanted: list[_Span] = []
    for place, row in rows:
        with plan.taking(place):
            wanted.append(planning.wanted(place, row))
    for span in planning.settle([*planning.others(wanted, end_missing=end_missing), *wanted]):
        if span.place is not None:
            plan.put(span.place, span.values, span.before)
        elif span.before is not None and span.ending:
            never_began = span.values["ends_at"] == span.values["starts_at"]
            plan.changes.append(Change(kind, "ended", span.values, span.before, None, never_began))


class _SpanPlanning:
    def __init__(self, plan: Plan, kind: Kind) -> None:
        self._plan = plan
        self._kind = kind
        self._there = plan.state[kind]
        self._joined: dict[tuple[Any, ...], list[Values]] = defaultdict(list)
        for values in self._there.values():
            self._joined[_of(values, _MATCHED_BY[kind])].append(values)
        self._in_doubt = any(refusal.place.kind == kind for refusal in plan.refused)

    def wanted(self, place: Place, row: SpanRow) -> _Span:
        """What a row wants. Raises EntryRefused."""
        before = self._meant(place, row)
        given = row.model_dump(exclude_unset=before is not None) | {"partner_id": self._plan.partner_of(row.partner_id)}
        new = {"id": str(uuid4()), "starts_at": self._plan.now}
        always = {name: value for name, value in given.items() if value is not None or name == "ends_at"}
        values = {**(before or new), **always}
        if before is None:
            self._plan.meet(self._kind, values["id"], place)
        if values["ends_at"] is not None and values["ends_at"] <= values["starts_at"]:
            raise EntryRefused("endsAt", END_AFTER_START)
        return _Span(values, before, place)

    def _meant(self, place: Place, row: SpanRow) -> Values | None:
        """The entry that is there already. Raises EntryRefused."""
        found = self._there.get(row.id or "")
        if found is not None:
            self._plan.meet(self._kind, found["id"], place)
        try:
            joins = row.model_dump() | {"partner_id": self._plan.partner_of(row.partner_id)}
            self._plan.require_organization(row.org_uuid)
        except EntryRefused:
            self._in_doubt |= found is None
            raise
        if row.id is None:
            found = self._match(self._joined.get(_of(joins, _MATCHED_BY[self._kind]), []), row)
            if found is not None:
                self._plan.meet(self._kind, found["id"], place)
        return found

    def _match(self, candidates: Iterable[Values], row: SpanRow) -> Values | None:
        if row.starts_at is not None:
            return next((one for one in candidates if one["starts_at"] == row.starts_at), None)
        # Without a start the row means what lasts, or what ended as the row says when it was read before.
        meant = [one for one in candidates if self._lasts(one) or one["ends_at"] == row.ends_at]
        return min(meant, key=itemgetter("starts_at"), default=None)

    def _lasts(self, values: Values) -> bool:
        return values["ends_at"] is None or values["ends_at"] > self._plan.now

    def others(self, wanted: Iterable[_Span], *, end_missing: bool) -> list[_Span]:
        """The entries of which nothing is wanted. If that is wished, those end that no row meant.

        One that has not begun ends where it starts. One that a refused row meant stays as it is.
        """
        if end_missing and self._in_doubt:
            self._plan.kept.append(self._kind)
        ending = end_missing and not self._in_doubt
        changing = {span.before["id"] for span in wanted if span.before is not None}
        spans = []
        for key, values in self._there.items():
            if key not in changing:
                ends = ending and self._lasts(values) and not self._plan.met(self._kind, key)
                ended = {**values, "ends_at": max(self._plan.now, values["starts_at"])}
                spans.append(_Span(ended if ends else values, values, None))
        return spans

    def settle(self, spans: Sequence[_Span]) -> list[_Span]:
        """What can be: of those that would overlap, one is refused.

        An owner of whose rows one is refused keeps what would have ended: the row may have been to replace it.
        """
        columns = SPANS[self._kind].owner
        asked = [span for span in spans if span.asked]
        unsettled = {_of(values, columns) for span in asked for values in (span.values, span.before) if values}
        rooms: dict[tuple[Any, ...], list[_Span]] = defaultdict(list)
        settled: list[_Span] = []
        for span in spans:
            room = rooms[owner] if (owner := _of(span.values, columns)) in unsettled else settled
            room.append(span)
        while unsettled:
            owner = unsettled.pop()
            if losers := _losers(rooms[owner]):
                rooms[owner] = [span.kept() if span.ending else span for span in rooms[owner] if span not in losers]
                unsettled.add(owner)
            for loser in losers:
                self._plan.refused.append(Refusal(_placed(loser), "startsAt", SPANS[self._kind].rule))
                if loser.before is not None:
                    # It stays what it was, which another row may have counted on to change.
                    home = _of(loser.before, columns)
                    rooms[home].append(loser.kept())
                    unsettled.add(home)
        return settled + [span for room in rooms.values() for span in room]


def _losers(spans: Iterable[_Span]) -> set[_Span]:
    """What must give way so that none of these overlap: of two, the one that a later row asks for."""
    losers, kept = set[_Span](), list[_Span]()
    taking_room = (span for span in spans if span.values["ends_at"] != span.values["starts_at"])
    for span in sorted(taking_room, key=lambda span: span.values["starts_at"]):
        while kept and _reaches(kept[-1].values["ends_at"], span.values["starts_at"]):
            loser = max(kept[-1], span, key=lambda one: one.place.number if one.place and one.asked else 0)
            if not loser.asked:
                break
            losers.add(loser)
            if loser is span:
                break
            kept.pop()
        if span not in losers:
            kept.append(span)
    return losers


def _reaches(end: datetime | None, moment: datetime) -> bool:
    return end is None or end > moment


def _of(values: Values, columns: Iterable[str]) -> tuple[Any, ...]:
    return tuple(values[column] for column in columns)


def _placed(span: _Span) -> Place:
    assert span.place is not None  # noqa: S101  # only what a row asks for is refused
    return span.place
