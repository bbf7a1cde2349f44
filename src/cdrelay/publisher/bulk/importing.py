"""The whole directory at once: exported as it is, or brought to what a document says, in one transaction.

All methods block and may be used from any thread; all raise DatabaseUnavailable when the database is gone.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import groupby
from typing import Any, cast

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.tables import (
    administrator_organizations,
    administrators,
    licences,
    organizations,
    partners,
    relations,
)
from cdrelay.publisher.bulk.changes import ACTIONS, KEYS, Change, Plan, State, Values
from cdrelay.publisher.bulk.formats import Document
from cdrelay.publisher.bulk.parties import plan_administrators, plan_organizations, plan_partners
from cdrelay.publisher.bulk.spans import plan_spans
from cdrelay.publisher.directory.rows import ROWS, Kind, fields_of

_TABLES: dict[Kind, Table] = {
    "partners": partners,
    "organizations": organizations,
    "relations": relations,
    "licences": licences,
    "administrators": administrators,
}
_BATCH = 5_000
Progress = Callable[[int, int], None]
"""Told how many of the changes are written, and how many there are."""


class Bulk:
    """Reads and writes partners, organizations, relations, licences and administrators, without their passwords."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def export(self, kinds: Collection[Kind] = tuple(ROWS)) -> dict[Kind, list[Values]]:
        """The entries of each kind by their key, as columns; all of one moment."""
        with self._database.read() as connection:
            state = _load(connection, kinds)
        return {kind: list(state[kind].values()) for kind in ROWS if kind in kinds}

    def plan(self, document: Document, *, remove_missing: bool = False) -> Plan:
        """What importing it would do now. Changes nothing."""
        with self._database.read() as connection:
            return self._plan(connection, document, remove_missing)

    def bring(
        self,
        document: Document,
        *,
        remove_missing: bool = False,
        strict: bool = False,
        progress: Progress = lambda done, of: None,
    ) -> Plan:
        """Import it: add what is new, change what differs; rows that are refused are left out.

        With `remove_missing`, relations and licences end that it lacks, of the kinds it has. With `strict`, nothing is
        done when a row is refused. All is done or, after an error, nothing. Importing it again changes nothing.
        """
        with self._database.write() as connection:
            plan = self._plan(connection, document, remove_missing)
            if not (strict and plan.refused):
                _write(connection, plan, progress)
            return plan

    def _plan(self, connection: Connection, document: Document, remove_missing: bool) -> Plan:
        state = _load(connection, {"partners", "organizations", *document.rows})
        plan = Plan(state, self._clock.now(), refused=list(document.refused))
        rows = cast("dict[Kind, list[Any]]", document.rows)
        plan_partners(plan, rows.get("partners", ()))
        plan_organizations(plan, rows.get("organizations", ()))
        for kind in ("relations", "licences"):
            if kind in rows:
                plan_spans(plan, kind, rows[kind], end_missing=remove_missing)
        if "administrators" in rows:
            plan_administrators(plan, rows["administrators"])
        kinds = list(ROWS)
        # What ends or changes makes room for what is added.
        plan.changes.sort(
            key=lambda one: (
                kinds.index(one.kind),
                -ACTIONS.index(one.action),
                one.place.number if one.place else 0,
            )
        )
        plan.refused.sort(key=lambda refusal: (kinds.index(refusal.place.kind), refusal.place.number))
        return plan


def _load(connection: Connection, kinds: Collection[Kind]) -> State:
    state: State = {}
    for kind in kinds:
        columns = [_TABLES[kind].c[name] for name in fields_of(kind).values() if name in _TABLES[kind].c]
        key = _TABLES[kind].c[KEYS[kind]]
        rows = connection.execute(select(*columns).order_by(key))
        state[kind] = {row._mapping[KEYS[kind]]: dict(row._mapping) for row in rows}
    if "administrators" in state:
        _load_assigned(connection, state["administrators"])
    return state


def _load_assigned(connection: Connection, found: dict[str, Values]) -> None:
    for values in found.values():
        values["organizations"] = ()
    links = select(administrator_organizations).order_by(administrator_organizations.c.org_uuid)
    for link in connection.execute(links):
        found[link.administrator_id]["organizations"] += (link.org_uuid,)


def _write(connection: Connection, plan: Plan, progress: Progress) -> None:
    done = 0
    for (kind, action), together in groupby(plan.changes, key=lambda change: (change.kind, change.action)):
        changes = list(together)
        for start in range(0, len(changes), _BATCH):
            batch = changes[start : start + _BATCH]
            _write_batch(connection, _TABLES[kind], KEYS[kind], action, batch, plan)
            done += len(batch)
            progress(done, len(plan.changes))


def _write_batch(
    connection: Connection, table: Table, key: str, action: str, batch: Sequence[Change], plan: Plan
) -> None:
    rows = [{name: value for name, value in one.values.items() if name in table.c} for one in batch]
    if action == "added":
        made = {"created_at": plan.now, "failures": 0}
        rows = [row | {name: value for name, value in made.items() if name in table.c} for row in rows]
        connection.execute(insert(table), rows)
    else:
        this = table.c[key] == bindparam("this")
        changed: dict[str, Any] = {name: bindparam(f"new_{name}") for name in rows[0] if name != key}
        news = [{"this": row[key]} | {f"new_{name}": row[name] for name in changed} for row in rows]
        connection.execute(update(table).where(this).values(changed), news)
        # Nothing of the past hangs on what never began.
        if gone := [{"this": one.key} for one in batch if one.never_began]:
            connection.execute(delete(table).where(this), gone)
    if table is administrators:
        _assign(connection, batch)


def _assign(connection: Connection, batch: Sequence[Change]) -> None:
    links = administrator_organizations
    connection.execute(
        delete(links).where(links.c.administrator_id == bindparam("this")), [{"this": one.key} for one in batch]
    )
    assigned = [
        {"administrator_id": one.key, "org_uuid": org_uuid} for one in batch for org_uuid in one.values["organizations"]
    ]
    if assigned:
        connection.execute(insert(links), assigned)
