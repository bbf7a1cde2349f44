"""The directory alone, on a real database: what manages partners and their customers needs no lake."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from argon2 import PasswordHasher

from cdrelay.clock import ManualClock
from cdrelay.control.database import Database
from cdrelay.publisher.access.administrators import Administrators
from cdrelay.publisher.access.operator_keys import OperatorKeys
from cdrelay.publisher.bulk.importing import Bulk
from cdrelay.publisher.directory.entitlement import Entitlement
from cdrelay.publisher.directory.licences import Licences
from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.directory.relations import Relations
from tests.integration.publisher.publisher_bench import START

HOLDER = "aaaaaaaa-2222-4333-8444-555555555555"
OTHER_HOLDER = "bbbbbbbb-2222-4333-8444-555555555555"


@dataclass
class Desk:
    """Whoever manages the directory sits here."""

    database: Database
    clock: ManualClock

    @cached_property
    def directory(self) -> Directory:
        """Partners and organizations."""
        return Directory(self.database, self.clock)

    @cached_property
    def relations(self) -> Relations:
        """Of partners with organizations."""
        return Relations(self.database, self.clock)

    @cached_property
    def licences(self) -> Licences:
        """Of users and workspaces."""
        return Licences(self.database, self.clock)

    @cached_property
    def administrators(self) -> Administrators:
        """Of the partners; with hashes that cost next to nothing."""
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        return Administrators(self.database, self.clock, hasher=cheap)

    @cached_property
    def bulk(self) -> Bulk:
        """All at once."""
        return Bulk(self.database, self.clock)

    @cached_property
    def keys(self) -> OperatorKeys:
        """Of the operator's programs."""
        return OperatorKeys(self.database, self.clock)

    @cached_property
    def entitlement(self) -> Entitlement:
        """What follows from it all."""
        return Entitlement(self.database)

    def advance(self, **step: float) -> None:
        """Move the clock."""
        self.clock.advance(timedelta(**step))


@contextmanager
def desk_in(folder: Path, empty: Path) -> Iterator[Desk]:
    """A desk with a copy of the `empty` database in a folder."""
    path = folder / "control.db"
    shutil.copyfile(empty, path)
    database = Database(path)
    yield Desk(database, ManualClock(START))
    database.close()
