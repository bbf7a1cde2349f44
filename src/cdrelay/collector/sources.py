"""The sources in the control database: with the secrets they sign with, and how their providers are asked.

Receiving must go on while the control database is locked or lost, so the receive path asks `known`, which answers from
memory. The limits of that memory:

* what another process changed (the command line) is seen at the next request that comes a second or more later, as
  long as the database answers within two seconds; while it does not, the last known state holds;
* a process that starts while the database is lost knows no source and answers 503 until it has read them once.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import DatabaseError, IntegrityError

from cdrelay.clock import Clock
from cdrelay.collector.errors import SourceExists, SourceUnknown
from cdrelay.collector.source_settings import Source, SourceChange, Unreadable, changed, in_words, named
from cdrelay.control.database import Database, DatabaseUnavailable
from cdrelay.control.secrets_at_rest import SecretBox, SecretUnreadable
from cdrelay.control.tables import sources

__all__ = ["Source", "SourceChange", "Sources"]

_FRESH = timedelta(seconds=1)
_PATIENCE_SECONDS = 2.0

_SIGNING = {"secret", "previous_secret"}
_SEALED = ("secret", "previous_secret", "token", "client_secret", "refresh_token")
_COLUMNS = tuple(one.name for one in fields(Source))

_log = structlog.get_logger(__name__)


class Sources:
    """The sources in the control database. All methods but `known` block; it alone is for the event loop."""

    def __init__(self, database: Database, secret_box: SecretBox, clock: Clock) -> None:
        self._database = database
        self._box = secret_box
        self._clock = clock
        self._remembered: Mapping[str, Source | SecretUnreadable] | None = None
        self._remembered_at: datetime | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._told_unreadable: set[str] = set()

    def add(self, name: str, given: SourceChange, kind: str = "webhook") -> Source:
        """Make a source. Raises SourceExists, SourceRefused, DatabaseUnavailable."""
        source = changed(named(name, kind, self._clock.now()), given)
        try:
            with self._database.write() as connection:
                connection.execute(insert(sources).values(self._sealed(source)))
        except IntegrityError:
            raise SourceExists(
                f"there is a source {name!r} already; `cdrelay collector source set` changes it"
            ) from None
        return source

    def change(self, name: str, given: SourceChange) -> Source:
        """Change what is given and keep the rest. A new secret replaces both old ones at once; `rotate` does it gently.

        Secrets that cannot be opened are no hindrance: what is not given of them stays as it is stored (`unreadable`).
        Raises SourceUnknown, SourceRefused, DatabaseUnavailable.
        """

        def change(source: Source) -> Source:
            source = changed(source, given)
            return source if given.secret is None else replace(source, previous_secret=None)

        return self.alter(name, change)

    def rotate(self, name: str, secret: str) -> Source:
        """Make `secret` the one to sign with; the present one stays valid until the next rotation or `end_rotation`.

        Doing so again with the same secret changes nothing, so that the older one is not pushed out by a repeat.
        Raises SourceUnknown, SourceRefused, DatabaseUnavailable; SecretUnreadable when the present one is.
        """

        def rotate(source: Source) -> Source:
            if isinstance(source.secret, Unreadable):
                raise SecretUnreadable(
                    f"the present secret of {name} cannot be opened with the key that is there, so it cannot stay"
                    " valid; `cdrelay collector source set` replaces it"
                )
            if source.secret == secret:
                return source
            return replace(changed(source, SourceChange(secret=secret)), previous_secret=source.secret)

        return self.alter(name, rotate)

    def end_rotation(self, name: str) -> Source:
        """From now on only the present secret is valid; harmless without a rotation. Raises SourceUnknown."""
        return self.alter(name, lambda source: replace(source, previous_secret=None))

    def alter(self, name: str, change: Callable[[Source], Source]) -> Source:
        """Replace a source by what `change` makes of it, in one transaction: no change made beside it is undone.

        What cannot be opened of it is `Unreadable`, and stays as it is stored unless `change` replaces it.
        Raises SourceUnknown, DatabaseUnavailable, and what `change` raises.
        """
        with self._database.write() as connection:
            before = self._partly_opened(self._row(connection, name))
            source = change(before)
            if source != before:
                connection.execute(update(sources).where(sources.c.name == name).values(self._sealed(source)))
        return source

    def remove(self, name: str) -> None:
        """Forget a source and its ledger; its records stay in the lake. Raises SourceUnknown."""
        with self._database.write() as connection:
            if not connection.execute(delete(sources).where(sources.c.name == name)).rowcount:
                raise SourceUnknown(name)

    def get(self, name: str) -> Source:
        """The source of that name. Raises SourceUnknown, SecretUnreadable, DatabaseUnavailable."""
        with self._database.read() as connection:
            return self._opened(self._row(connection, name))

    def get_partly(self, name: str) -> Source:
        """The same with what can be opened of it; `unreadable` names the rest. Raises SourceUnknown."""
        with self._database.read() as connection:
            return self._partly_opened(self._row(connection, name))

    def list(self) -> tuple[Source, ...]:
        """All sources by name, but those whose secrets cannot be opened: they must not hold up the others.

        `names` has them too, and `get` says what is wrong. Raises DatabaseUnavailable.
        """
        with self._database.read() as connection:
            rows = connection.execute(select(sources).order_by(sources.c.name)).all()
        opened = []
        for row in rows:
            try:
                opened.append(self._opened(row))
            except SecretUnreadable as error:
                if row.name not in self._told_unreadable:
                    _log.error("source.unreadable", source=row.name, reason=str(error))
                self._told_unreadable.add(row.name)
        return tuple(opened)

    def names(self) -> Sequence[str]:
        """The names of all sources, in their order. Raises DatabaseUnavailable."""
        with self._database.read() as connection:
            return connection.scalars(select(sources.c.name).order_by(sources.c.name)).all()

    def unreadable(self) -> Mapping[str, Sequence[str]]:
        """Which secrets and tokens cannot be opened with the key that is there, by source; those without are left out.

        Raises DatabaseUnavailable.
        """
        with self._database.read() as connection:
            rows = connection.execute(select(sources).order_by(sources.c.name)).all()
        closed = {row.name: self._partly_opened(row).unreadable for row in rows}
        return {name: columns for name, columns in closed.items() if columns}

    async def known(self, name: str) -> Source:
        """The source of that name for the receive path: from memory, brought up to date first when it can be.

        One that is pulled takes no deliveries, and is unknown here. Raises SourceUnknown, SecretUnreadable (then
        nothing can be verified; tokens are not asked for), and DatabaseUnavailable only when nothing was ever read.
        """
        stale = self._remembered_at is None or abs(self._clock.now() - self._remembered_at) >= _FRESH
        if stale and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.create_task(self._refresh())
            # Only the request that starts a refresh waits for it, and not for long: the others would all hang while
            # the database does. Before the first refresh there is nothing else to do than wait.
            await asyncio.wait({self._refreshing}, timeout=_PATIENCE_SECONDS)
        if self._remembered is None and self._refreshing is not None:
            await asyncio.wait({self._refreshing})
        if self._remembered is None:
            raise DatabaseUnavailable("the sources were never read: the control database does not answer")
        found = self._remembered.get(name)
        if found is None:
            raise SourceUnknown(name)
        if isinstance(found, SecretUnreadable):
            raise found
        return found

    async def _refresh(self) -> None:
        asked_at = self._clock.now()
        try:
            self._remembered = await asyncio.to_thread(self._read_all)
            self._remembered_at = asked_at
        except (DatabaseUnavailable, DatabaseError) as error:
            _log.warning("sources.not_refreshed", reason=type(error).__name__)

    def _read_all(self) -> Mapping[str, Source | SecretUnreadable]:
        with self._database.read() as connection:
            rows = connection.execute(select(sources).where(sources.c.kind == "webhook")).all()
        found: dict[str, Source | SecretUnreadable] = {}
        for row in rows:
            try:
                found[row.name] = self._opened(row, needed=_SIGNING)
            except SecretUnreadable as error:
                # One source that cannot be verified must not silence the others, nor be taken for an unsigned one.
                found[row.name] = error
        return found

    def _row(self, connection: Connection, name: str) -> Row[tuple[object, ...]]:
        row = connection.execute(select(sources).where(sources.c.name == name)).one_or_none()
        if row is None:
            raise SourceUnknown(name)
        return row

    def _sealed(self, source: Source) -> dict[str, object]:
        values: dict[str, object] = {column: getattr(source, column) for column in _COLUMNS}
        for column in _SEALED:
            text = values[column]
            if isinstance(text, Unreadable):
                values[column] = text.encode("latin-1")
            else:
                values[column] = self._box.seal(text) if isinstance(text, str) else None
        return values

    def _opened(self, row: Row[tuple[object, ...]], needed: Collection[str] = _SEALED) -> Source:
        """The source; SecretUnreadable is raised where one of the `needed` secrets is."""
        source = self._partly_opened(row)
        closed = in_words(column for column in source.unreadable if column in needed)
        if closed:
            raise SecretUnreadable(
                f"of source {source.name} cannot be opened with the key that is there: {', '.join(closed)};"
                " `cdrelay collector source set` and `login` replace them"
            )
        return source

    def _partly_opened(self, row: Row[tuple[object, ...]]) -> Source:
        values: dict[str, Any] = {column: getattr(row, column) for column in _COLUMNS}
        for column in _SEALED:
            sealed = values[column]
            try:
                values[column] = self._box.open(sealed) if isinstance(sealed, bytes) else None
            except SecretUnreadable:
                values[column] = Unreadable(sealed, "latin-1")
        return Source(**values)
