"""Where payloads come from: each source with the secrets it signs with and the endpoints it can be reconciled against.

Receiving must go on while the control database is locked or lost, so the receive path asks `known`, which answers from
memory. The limits of that memory:

* what another process changed (the command line) is seen at the next request that comes a second or more later, as
  long as the database answers within two seconds; while it does not, the last known state holds;
* a process that starts while the database is lost knows no source and answers 503 until it has read them once.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import DatabaseError, IntegrityError

from cdrelay.clock import Clock
from cdrelay.collector.errors import SourceExists, SourceRefused, SourceUnknown
from cdrelay.contract.addresses import AddressRefused, checked_base
from cdrelay.control.database import Database, DatabaseUnavailable
from cdrelay.control.secrets_at_rest import SecretBox, SecretUnreadable
from cdrelay.control.tables import sources

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_FRESH = timedelta(seconds=1)
_PATIENCE_SECONDS = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One sender of webhooks. Its secrets and token do not show when it is printed."""

    name: str
    secret: str | None = field(default=None, repr=False)
    """Signs the deliveries; None: unsigned deliveries are taken."""
    previous_secret: str | None = field(default=None, repr=False)
    """Valid beside `secret` while a rotation is under way."""
    api: str | None = None
    """Scheme and host of the provider's partner endpoints, such as `https://analytics.webexapis.com`."""
    token: str | None = field(default=None, repr=False)
    """Partner access token for them."""
    created_at: datetime

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets that are valid now; none means that nothing is verified."""
        return tuple(secret for secret in (self.secret, self.previous_secret) if secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange:
    """What to change of a source; None leaves a value as it is."""

    secret: str | None = field(default=None, repr=False)
    api: str | None = None
    token: str | None = field(default=None, repr=False)


class Sources:
    """The sources in the control database. All methods but `known` block; it alone is for the event loop."""

    def __init__(self, database: Database, secret_box: SecretBox, clock: Clock) -> None:
        self._database = database
        self._box = secret_box
        self._clock = clock
        self._remembered: Mapping[str, Source | SecretUnreadable] | None = None
        self._remembered_at: datetime | None = None
        self._refreshing: asyncio.Task[None] | None = None

    def add(self, name: str, given: SourceChange) -> Source:
        """Make a source. Raises SourceExists, SourceRefused, DatabaseUnavailable."""
        if not _NAME.fullmatch(name):
            raise SourceRefused(
                f"a source's name is 1 to 64 of a-z, 0-9 and -, not starting with -: {name[:70]!r} is not"
            )
        source = _changed(Source(name=name, created_at=self._clock.now()), given)
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

        Raises SourceUnknown, SourceRefused, DatabaseUnavailable.
        """
        source = _changed(self.get(name), given)
        return self._store(replace(source, previous_secret=None) if given.secret is not None else source)

    def rotate(self, name: str, secret: str) -> Source:
        """Make `secret` the one to sign with; the present one stays valid until the next rotation or `end_rotation`.

        Doing so again with the same secret changes nothing, so that the older one is not pushed out by a repeat.
        Raises SourceUnknown, SourceRefused, DatabaseUnavailable.
        """
        source = self.get(name)
        if source.secret == secret:
            return source
        return self._store(replace(_changed(source, SourceChange(secret=secret)), previous_secret=source.secret))

    def end_rotation(self, name: str) -> Source:
        """From now on only the present secret is valid; harmless without a rotation. Raises SourceUnknown."""
        return self._store(replace(self.get(name), previous_secret=None))

    def remove(self, name: str) -> None:
        """Forget a source and its ledger; its records stay in the lake. Raises SourceUnknown."""
        with self._database.write() as connection:
            if not connection.execute(delete(sources).where(sources.c.name == name)).rowcount:
                raise SourceUnknown(name)

    def get(self, name: str) -> Source:
        """The source of that name. Raises SourceUnknown, SecretUnreadable, DatabaseUnavailable."""
        with self._database.read() as connection:
            row = connection.execute(select(sources).where(sources.c.name == name)).one_or_none()
        if row is None:
            raise SourceUnknown(name)
        return self._opened(row)

    def list(self) -> tuple[Source, ...]:
        """All sources by name. Raises SecretUnreadable, DatabaseUnavailable."""
        with self._database.read() as connection:
            rows = connection.execute(select(sources).order_by(sources.c.name)).all()
        return tuple(self._opened(row) for row in rows)

    async def known(self, name: str) -> Source:
        """The source of that name for the receive path: from memory, brought up to date first when it can be.

        Raises SourceUnknown, SecretUnreadable (then nothing can be verified), and DatabaseUnavailable only when
        nothing was ever read.
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
            rows = connection.execute(select(sources)).all()
        found: dict[str, Source | SecretUnreadable] = {}
        for row in rows:
            try:
                found[row.name] = self._opened(row)
            except SecretUnreadable as error:
                # One source that cannot be verified must not silence the others, nor be taken for an unsigned one.
                found[row.name] = error
        return found

    def _store(self, source: Source) -> Source:
        with self._database.write() as connection:
            values = self._sealed(source)
            if not connection.execute(update(sources).where(sources.c.name == source.name).values(values)).rowcount:
                raise SourceUnknown(source.name)
        return source

    def _sealed(self, source: Source) -> dict[str, object]:
        def sealed(text: str | None) -> bytes | None:
            return None if text is None else self._box.seal(text)

        return {
            "name": source.name,
            "secret": sealed(source.secret),
            "previous_secret": sealed(source.previous_secret),
            "api": source.api,
            "token": sealed(source.token),
            "created_at": source.created_at,
        }

    def _opened(self, row: Row[tuple[object, ...]]) -> Source:
        def opened(sealed: bytes | None) -> str | None:
            return None if sealed is None else self._box.open(sealed)

        return Source(
            name=row.name,
            secret=opened(row.secret),
            previous_secret=opened(row.previous_secret),
            api=row.api,
            token=opened(row.token),
            created_at=row.created_at,
        )


def _changed(source: Source, given: SourceChange) -> Source:
    """`source` with what is given. Raises SourceRefused for what no source can have."""
    for what, text in (("secret", given.secret), ("token", given.token)):
        if text is not None and (not text or not text.isprintable() or text != text.strip()):
            raise SourceRefused(f"a {what} is not empty and has no line breaks, and no blanks around it")
    try:
        api = source.api if given.api is None else checked_base(given.api)
    except AddressRefused as error:
        raise SourceRefused(str(error)) from error
    return replace(
        source,
        secret=source.secret if given.secret is None else given.secret,
        api=api,
        token=source.token if given.token is None else given.token,
    )
