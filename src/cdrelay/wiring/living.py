"""What the lakes of a home owe to those whose calls they hold: keys, times of their own, and erasures."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from cdrelay.clock import Clock
from cdrelay.collector.retention import Retentions
from cdrelay.control.clock_seen import SeenClock
from cdrelay.control.database import Database
from cdrelay.control.erasures import Erasures
from cdrelay.control.secrets_at_rest import SecretBox
from cdrelay.lake.encryption import LakeKeys
from cdrelay.lake.forgotten import Forgotten, ForgottenPerson
from cdrelay.lake.load import Duties
from cdrelay.settings import Settings


def lake_keys(settings: Settings, half: str, secrets: SecretBox) -> LakeKeys:
    """The data keys of one half's lake."""
    file = settings.home / half / "lake.keys"
    return LakeKeys(file, secrets.seal, secrets.open, encrypting=settings.encrypt_lake)


def keys_for_reading(settings: Settings, half: str) -> LakeKeys | None:
    """The same for a reader that opens nothing else; None where the lake never had keys."""
    if not (settings.home / half / "lake.keys").exists():
        return None
    return lake_keys(settings, half, SecretBox(settings.home / "secret.key", make=False))


def duties(
    settings: Settings, half: str, database: Database, secrets: SecretBox, clock: Clock, seen_clock: SeenClock
) -> Duties:
    """What one half's loader keeps to."""
    persons = _Persons(Erasures(database), secrets.keyed_hash, clock, timedelta(days=settings.record_max_age_days))
    if half != "collector":
        return Duties(forgotten=persons.now, believes=seen_clock.believes)
    retentions = Retentions(database)
    return Duties(
        own_times=lambda: retentions.times(settings.compress),
        forgotten=persons.now,
        believes=seen_clock.believes,
    )


@dataclass(slots=True)
class _Persons:
    """Those whose old records can still come; made anew only when the list has changed, for it remembers much."""

    erasures: Erasures
    keyed_hash: Callable[[str], str]
    clock: Clock
    max_age: timedelta
    _last: Forgotten = field(default_factory=Forgotten)

    def now(self) -> Forgotten:
        hashes = self.erasures.hashes_since(self.clock.now() - self.max_age)
        persons = [ForgottenPerson(erasure.org_uuid, erasure.at, known) for erasure, known in hashes.items()]
        if persons != list(self._last.persons):
            self._last = Forgotten(persons, self.keyed_hash)
        return self._last
