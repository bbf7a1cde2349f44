"""The sources of call records beside the bare intake endpoint, in the control database."""

from dataclasses import replace

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.secrets_at_rest import SecretBox
from cdrelay.control.tables import record_sources
from cdrelay.publisher.errors import RecordSourceExists, RecordSourceRefused, RecordSourceUnknown
from cdrelay.publisher.sources.origin import Origin
from cdrelay.publisher.sources.source_settings import PULLED, RecordSource, SourceSettings, changed, named


class RecordSources:
    """All sources. Methods block, may be used from any thread, and raise DatabaseUnavailable."""

    def __init__(self, database: Database, secret_box: SecretBox, clock: Clock) -> None:
        self._database = database
        self._box = secret_box
        self._clock = clock

    def add(self, name: str, kind: str, given: SourceSettings) -> RecordSource:
        """Make a source. Raises RecordSourceExists, RecordSourceRefused."""
        source = changed(named(name, kind, self._clock.now()), given)
        try:
            with self._database.write() as connection:
                connection.execute(insert(record_sources).values(self._sealed(source)))
        except IntegrityError:
            raise RecordSourceExists(
                f"there is a source {name!r} already; `cdrelay publisher source set` changes it"
            ) from None
        return source

    def change(self, name: str, given: SourceSettings) -> RecordSource:
        """Change what is given and keep the rest; the problem is forgotten, as it may be mended.

        Raises RecordSourceUnknown, RecordSourceRefused.
        """
        source = replace(changed(self.get(name), given), problem=None)
        with self._database.write() as connection:
            this = record_sources.c.name == name
            if not connection.execute(update(record_sources).where(this).values(self._sealed(source))).rowcount:
                raise RecordSourceUnknown(name)
        return source

    def remove(self, name: str) -> None:
        """Forget a source; its records stay. Raises RecordSourceUnknown."""
        with self._database.write() as connection:
            if not connection.execute(delete(record_sources).where(record_sources.c.name == name)).rowcount:
                raise RecordSourceUnknown(name)

    def get(self, name: str) -> RecordSource:
        """The source of that name. Raises RecordSourceUnknown, SecretUnreadable."""
        with self._database.read() as connection:
            row = connection.execute(select(record_sources).where(record_sources.c.name == name)).one_or_none()
        if row is None:
            raise RecordSourceUnknown(name)
        return self._opened(row)

    def list(self) -> list[RecordSource]:
        """All, by name, without their tokens, so that one that cannot be decrypted hides no other."""
        with self._database.read() as connection:
            rows = connection.execute(select(record_sources).order_by(record_sources.c.name)).all()
        return [self._opened(row, with_token=False) for row in rows]

    def pushing(self, name: str) -> Origin:
        """The source of that name, for what is posted in its name: one that is pulled from a provider has none.

        A folder has, so that a platform may post, and write to the folder what it could not post. Raises
        RecordSourceUnknown, and RecordSourceRefused when the source is pulled or switched off.
        """
        source = next((one for one in self.list() if one.name == name), None)
        if source is None:
            raise RecordSourceUnknown(name)
        if source.kind in PULLED:
            raise RecordSourceRefused(f"{name!r} is pulled from a provider; nothing is posted to it")
        if not source.active:
            raise RecordSourceRefused(f"{name!r} is switched off")
        return source.origin

    # --- how far it was read; the settings are left alone, so that no change of the operator is undone ---

    def keep_cursor(self, name: str, cursor: str, before: str | None = None) -> None:
        """What was read so far is durable elsewhere; go on from `cursor` next time.

        With `before`, where it was read from: when an operator has set the cursor since, theirs holds.
        """
        this = record_sources.c.name == name
        if before is not None:
            this &= record_sources.c.cursor == before
        with self._database.write() as connection:
            connection.execute(update(record_sources).where(this).values(cursor=cursor))

    def note_read(self, name: str) -> None:
        """It was read to its end now."""
        self._note(name, read_at=self._clock.now(), problem=None)

    def note_problem(self, name: str, problem: str) -> None:
        """It could not be read; `problem` holds no payload and no secret."""
        self._note(name, problem=problem)

    def _note(self, name: str, **values: object) -> None:
        with self._database.write() as connection:
            connection.execute(update(record_sources).where(record_sources.c.name == name).values(values))

    def _sealed(self, source: RecordSource) -> dict[str, object]:
        return {
            "name": source.name,
            "kind": source.kind,
            "format": source.format,
            "location": source.location,
            "org_uuid": source.org_uuid,
            "org_map": source.org_map,
            "time_zone": source.time_zone,
            "token": None if source.token is None else self._box.seal(source.token),
            "cursor": source.cursor,
            "active": source.active,
            "created_at": source.created_at,
            "read_at": source.read_at,
            "problem": source.problem,
        }

    def _opened(self, row: Row[tuple[object, ...]], *, with_token: bool = True) -> RecordSource:
        values = dict(row._mapping)  # SQLAlchemy's public name for it
        sealed = values.pop("token")
        token = self._box.open(sealed) if with_token and isinstance(sealed, bytes) else None
        return RecordSource(**values, token=token)
