"""A home folder in which records were stored, and deliveries wait, by the real parts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import insert

from cdrelay.backup.manifest import Manifest
from cdrelay.backup.snapshot import HomeState, home_state
from cdrelay.backup.writing import BackupFolder, Written
from cdrelay.callbacks.bodies import PackedBody
from cdrelay.collector.sources import SourceChange
from cdrelay.contract.windows import Period
from cdrelay.control.tables import partners
from cdrelay.lake.spool import Channel, Envelope
from cdrelay.publisher.delivery.deliveries import Delivery
from cdrelay.settings import Settings, read_settings
from cdrelay.wiring import CollectorParts, Foundation, PublisherParts, open_collector, open_foundation, open_publisher
from cdrelay.wiring.keeping import halves_to_copy, installation_of
from tests.support.provider import Call, body_of, organization

MOMENT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PARTNER = str(uuid4())


class UsedHome:
    """Open until `close`. Its own times are those of the machine's clock."""

    def __init__(self, home: Path, **settings: str) -> None:
        home.mkdir(mode=0o700, exist_ok=True)
        self.home = home
        self.settings: Settings = read_settings(
            {"CDRELAY_HOME": str(home), "CDRELAY_DISK_RESERVE_BYTES": "0", **settings}
        )
        self.foundation: Foundation = open_foundation(self.settings)
        self.publisher: PublisherParts = open_publisher(self.foundation)
        self.collector: CollectorParts = open_collector(self.foundation)
        self.now = self.foundation.clock.now

    def close(self) -> None:
        """Let go of everything."""
        self.foundation.close()

    def use(self) -> None:
        """Both halves store records, a source has secrets, a delivery waits."""
        self.collector.sources.add("webex", SourceChange(secret="a-secret-of-a-source"))
        self.store_received(3)
        self.store_received(2)
        self.deliver_to(self.publisher.store.spool.put, 2, "intake")
        self.publisher.store.loader.drain()
        with self.foundation.database.write() as connection:
            connection.execute(insert(partners).values(id=PARTNER, name="Reseller", created_at=self.now()))
        self.add_delivery()

    def store_received(self, number: int) -> str:
        """A payload of so many records in the collector's lake; its id."""
        payload = self.spool_received(number)
        self.collector.store.loader.drain()
        return payload

    def spool_received(self, number: int) -> str:
        """The same, but it waits in the spool."""
        return self.deliver_to(self.collector.store.spool.put, number, "webhook")

    def deliver_to(self, put: Callable[[Envelope, bytes], object], number: int, channel: Channel) -> str:
        """Hand a payload to a spool; its id."""
        envelope = Envelope(id=str(uuid4()), source="webex", channel=channel, received=self.now())
        start = self.now() - timedelta(minutes=5)
        put(envelope, body_of(Call(organization(1), start, uuid4().int) for _ in range(number)))
        return envelope.id

    def add_delivery(self) -> str:
        """A delivery that waits, with its body; its id."""
        outbox, end = self.publisher.outbox, self.now()
        delivery = Delivery(
            id=str(uuid4()),
            partner_id=PARTNER,
            tick=end,
            window=Period(end - timedelta(minutes=5), end),
            part=1,
            parts=1,
            records=0,
            body_bytes=12,
            next_attempt_at=end + timedelta(hours=1),
        )
        with outbox.alone():
            outbox.write_body(delivery.id, PackedBody.pack(b'{"items":[]}'))
            outbox.add_windows([[delivery]])
        return delivery.id

    def about(self, **changes: object) -> Manifest:
        """What a backup that begins now says of itself."""
        values: dict[str, object] = {
            "made_by": "test",
            "installation": installation_of(self.home / "secret.key"),
            "began_at": self.now(),
            "with_key": True,
            "lakes": {},
            "files": (),
        }
        return Manifest(**(values | changes))  # type: ignore[arg-type]

    @contextmanager
    def state(self, *, with_key: bool = True) -> Iterator[HomeState]:
        """Its state, held fast."""
        with home_state(self.home, halves_to_copy(self.foundation), with_key=with_key) as state:
            yield state

    def back_up(
        self, target: Path, *, with_key: bool = True, progress: Callable[[int], None] = lambda size: None
    ) -> Written:
        """Into a folder."""
        folder, began_at = BackupFolder(target), self.now()
        with self.state(with_key=with_key) as state, folder.alone():
            about = self.about(with_key=with_key, began_at=began_at, lakes=state.lakes)
            return folder.write(state, about, progress)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
