"""What both halves stand on: the home folder, its database, clock and secrets, and a store for each half."""

import fcntl
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal, get_args

import duckdb
from argon2 import PasswordHasher

from cdrelay.backup.restoring import RESTORING, RestoreRefused
from cdrelay.clock import Clock, SystemClock
from cdrelay.contract.answers import Patience
from cdrelay.control.clock_seen import SeenClock
from cdrelay.control.database import Database, DatabaseUnavailable
from cdrelay.control.incidents import Incidents
from cdrelay.control.receipts import Receipts
from cdrelay.control.sealed import key_is_needed
from cdrelay.control.secrets_at_rest import SecretBox
from cdrelay.errors import CdrelayError
from cdrelay.lake.engine import EngineLimits, open_engine
from cdrelay.lake.gone import refuse_if_gone
from cdrelay.lake.load import Loader, LoadLimits
from cdrelay.lake.log_repair import Payloads
from cdrelay.lake.quarantine import Quarantine
from cdrelay.lake.receipts import Receipt
from cdrelay.lake.scratch import own_scratch
from cdrelay.lake.spool import Spool
from cdrelay.lake.store import Lake
from cdrelay.lake.table import RecordTable
from cdrelay.provider_exchange import ClientLimits
from cdrelay.settings import SettingError, Settings
from cdrelay.wiring.living import duties, lake_keys

HalfName = Literal["publisher", "collector"]
HALVES: tuple[HalfName, ...] = get_args(HalfName)
Role = Literal["publisher", "collector", "hub"]


@dataclass(frozen=True, slots=True)
class Foundation:
    """What both halves stand on."""

    settings: Settings
    clock: Clock
    database: Database
    secrets: SecretBox
    incidents: Incidents
    seen_clock: SeenClock
    closing: ExitStack
    hasher: PasswordHasher
    """Says what hashing a password costs."""

    def close(self) -> None:
        """Close all that was opened on it, last first."""
        self.closing.close()


@dataclass(frozen=True, slots=True)
class Store:
    """A lake with its spool, loader and quarantine: each half has one of its own."""

    folder: Path
    spool: Spool
    lake: Lake
    loader: Loader
    quarantine: Quarantine
    engine: duckdb.DuckDBPyConnection
    table: RecordTable


def open_foundation(settings: Settings, clock: Clock | None = None, hasher: PasswordHasher | None = None) -> Foundation:
    """Open (at first: make) the home folder: control database, migrated, and the key of the secrets at rest.

    A clock and a hasher of passwords are given by tests alone. Raises DatabaseUnavailable, also where the database is
    gone: an empty one in its place would know no source and no partner, and turn their payloads away for good. Raises
    SecretUnreadable where the key is gone, and something there can only be read with it, and SettingError where no
    folder can be.
    Raises RestoreRefused while the home is not restored to its end.
    """
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingError(
            f"home: {settings.home} cannot be a folder of ours: {error.strerror or error}; set CDRELAY_HOME, or --home,"
            " such as ~/.cdrelay"
        ) from error
    clock = clock or SystemClock()
    closing = ExitStack()
    if (settings.home / RESTORING).exists():
        raise RestoreRefused(
            f"a restore into {settings.home} is under way, or was interrupted: then delete the folder and restore again"
        )
    database, key_file = Database(settings.home / "control.db"), settings.home / "secret.key"
    # The key is made after the database, and its tables.
    lost = "gone" if not database.path.exists() else "empty" if not database.path.stat().st_size else None
    if key_file.exists() and lost:
        raise DatabaseUnavailable(
            f"the control database {database.path} is {lost}, and {settings.home} was in use: put it back, from a"
            f" backup if need be; or move {key_file} away too, to begin anew"
        )
    closing.callback(database.close)
    database.migrate()
    incidents = Incidents(database, clock)
    return Foundation(
        settings=settings,
        clock=clock,
        database=database,
        secrets=SecretBox(key_file, make=not key_is_needed(database, settings.home)),
        incidents=incidents,
        seen_clock=SeenClock(database, incidents, settings.rules, settings.compress),
        closing=closing,
        hasher=hasher or PasswordHasher(),
    )


class RoleTaken(CdrelayError):
    """Another process runs a role on this home folder."""


def claim_roles(foundation: Foundation, roles: Iterable[Role]) -> None:
    """Make sure that each role runs once on a home folder: two senders would deliver twice. Raises RoleTaken.

    The claim ends with the foundation, and with the process however it ends.
    """
    for role in sorted(roles):
        file = foundation.closing.enter_context((foundation.settings.home / f"{role}.lock").open("w"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RoleTaken(
                f"the {role} of {foundation.settings.home} runs already; stop it, or use another home with CDRELAY_HOME"
            ) from None


def load_limits(settings: Settings, half: HalfName) -> LoadLimits:
    """The bounds of a load, as set."""
    keep_hours = settings.publisher_keep_hours if half == "publisher" else settings.collector_keep_days * 24
    return LoadLimits(
        batch_bytes=settings.load_batch_bytes,
        unpacked_bytes=settings.unpacked_limit_bytes,
        version_reach=timedelta(hours=settings.version_reach_hours),
        max_age=timedelta(days=settings.record_max_age_days),
        max_ahead=timedelta(minutes=settings.record_max_ahead_minutes),
        keep=timedelta(hours=keep_hours) / settings.compress if keep_hours else None,
    )


def client_limits(settings: Settings) -> ClientLimits:
    """How a provider's endpoints are asked, as set."""
    return ClientLimits(
        answer_seconds=settings.api_seconds,
        body_bytes=settings.unpacked_limit_bytes,
        patience=Patience(settings.api_attempts, settings.api_retry_longest_seconds),
    )


def used_halves(foundation: Foundation) -> list[HalfName]:
    """The halves that were ever used on this home, also one whose lake is gone, such as not mounted.

    Raises DatabaseUnavailable.
    """
    home = foundation.settings.home
    return [
        half for half in HALVES if (home / half / "lake").is_dir() or Receipts(foundation.database, half).last_load()
    ]


def open_store(foundation: Foundation, half: HalfName) -> Store:
    """Open (at first: make) one half's lake and spool in the home folder. Raises LakeUnreadable, also if it is gone."""
    settings, folder = foundation.settings, foundation.settings.home / half
    receipts = Receipts(foundation.database, half, foundation.incidents.record)
    refuse_if_gone(folder / "lake", half, receipts.last_load)
    scratch = foundation.closing.enter_context(own_scratch(folder / "scratch"))
    engine = open_engine(EngineLimits(settings.engine_memory_megabytes, settings.engine_threads), scratch)
    foundation.closing.callback(engine.close)
    spool = Spool(folder / "spool", settings.disk_reserve_bytes)
    quarantine = Quarantine(folder / "quarantine")
    keys = lake_keys(settings, half, foundation.secrets)
    keys.serve(engine)
    payloads = Payloads(spool.folder, receipts.of_later_loads)
    readers = timedelta(minutes=settings.replaced_files_minutes)
    table = RecordTable(folder / "lake", keys, payloads, readers)
    loader = Loader(
        spool,
        table,
        engine,
        quarantine,
        foundation.clock,
        load_limits(settings, half),
        _receipt_keeper(foundation, half, receipts),
        duties(settings, half, foundation.database, foundation.secrets, foundation.clock, foundation.seen_clock),
        lambda file: foundation.incidents.record("load", f"{half}: {file} cannot be read; {_LOST_BY_DAMAGE[half]}"),
    )
    return Store(folder, spool, Lake(table, engine), loader, quarantine, engine, table)


_LOST_BY_DAMAGE: Mapping[HalfName, str] = {
    "publisher": "the records in it are in no window, count or answer until they are handed in again",
    "collector": "reconciliation fetches the records in it while they are in the provider's reach",
}


def _receipt_keeper(foundation: Foundation, half: HalfName, receipts: Receipts) -> Callable[[Sequence[Receipt]], None]:
    """Keeps receipts. At the publisher it tells of records that were acknowledged and not stored: nobody else does."""
    if half == "collector":
        return receipts.keep

    def keep(loaded: Sequence[Receipt]) -> None:
        receipts.keep(loaded)
        if aside := sum(one.quarantined for one in loaded):
            what = f"publisher: {aside:,} records that were taken in cannot be stored, and are in quarantine"
            foundation.incidents.record("load", f"{what}; `cdrelay publisher source refused` says why")

    return keep
