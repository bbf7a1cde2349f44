"""Erasing a person from everything that a home holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cdrelay.contract.windows import EPOCH
from cdrelay.control.erasures import Erasure, Erasures
from cdrelay.lake.erasure import LakeEraser, erase_bodies
from cdrelay.lake.forgotten import Forgotten, ForgottenPerson
from cdrelay.publisher.delivery.erasing import erase_from_outbox
from cdrelay.publisher.delivery.outbox import Outbox
from cdrelay.wiring.foundation import Foundation, HalfName, Store, open_store, used_halves


@dataclass(frozen=True, slots=True)
class Found:
    """How much of a person there is in one place: records in a lake or a quarantine, else payloads."""

    place: str
    number: int


class HomeEraser:
    """Erases from the stores of both halves. Blocking; servers may run beside it."""

    def __init__(self, foundation: Foundation, stores: Sequence[tuple[HalfName, Store]]) -> None:
        self._foundation = foundation
        self._stores = stores
        self._limit = foundation.settings.unpacked_limit_bytes
        self.erasures = Erasures(foundation.database)

    def forgotten(self, person: ForgottenPerson) -> Forgotten:
        """The person as what is gone through is compared with."""
        return Forgotten([person], self._foundation.secrets.keyed_hash)

    def count(self, forgotten: Forgotten) -> list[Found]:
        """How much there is of the person. Changes nothing."""
        found = []
        for half, store in self._stores:
            found.append(Found(f"{half} lake", self._lake(store, forgotten).count()))
            found += self._beside(half, store, forgotten, change=False)
        return found

    def erase(self, erasure: Erasure, forgotten: Forgotten) -> Iterator[tuple[str, int]]:
        """Erase, and after each step say where it is, and how many files are left there; the last says none.

        Killed at any moment, doing it again does the rest.
        """
        for half, store in self._stores:
            for step in self._lake(store, forgotten).run():
                self.erasures.count(erasure.id, step.records)
                yield f"{half} lake", step.files_left
        for half, store in self._stores:
            yield f"what waits beside the {half} lake", 0
            for found in self._beside(half, store, forgotten, change=True):
                self.erasures.count(erasure.id, found.number)

    def finish(self, erasure: Erasure, forgotten: Forgotten) -> None:
        """Delete the old files from the disk, once no reader needs them, and note that it is done."""
        for _half, store in self._stores:
            self._lake(store, forgotten).purge()
        self.erasures.finish(erasure.id, self._foundation.clock.now())

    def unfinished(self) -> list[tuple[Erasure, Forgotten]]:
        """Those that were interrupted."""
        known = self.erasures.hashes_since(EPOCH)
        return [
            (erasure, self.forgotten(ForgottenPerson(erasure.org_uuid, erasure.at, hashes)))
            for erasure, hashes in known.items()
            if erasure.finished_at is None
        ]

    def _lake(self, store: Store, forgotten: Forgotten) -> LakeEraser:
        return LakeEraser(store.table, store.engine, store.loader.exclusively, forgotten)

    def _beside(self, half: HalfName, store: Store, forgotten: Forgotten, *, change: bool) -> Iterator[Found]:
        with store.loader.exclusively():
            for name in ("spool", "aside"):
                number = erase_bodies(store.folder / name, forgotten, self._limit, change=change)
                yield Found(f"{half} {name}", number)
            yield Found(f"{half} quarantine", store.quarantine.erase(forgotten.erase_json, change=change))
        outbox = store.folder / "outbox"
        if outbox.is_dir():
            box = Outbox(self._foundation.database, outbox, self._foundation.clock)
            yield Found(f"{half} outbox", erase_from_outbox(box, forgotten, self._limit, change=change))


def open_eraser(foundation: Foundation) -> HomeEraser:
    """What erases from the halves that the home has. Raises LakeUnreadable."""
    # One whose lake is gone is opened too, which refuses: persons would stay in it.
    return HomeEraser(foundation, [(half, open_store(foundation, half)) for half in used_halves(foundation)])
