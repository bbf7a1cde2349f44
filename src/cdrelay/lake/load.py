"""The loader: from the spool into the lake, each record once, in its newest version.

The steps of one load, any of which may be the last before a crash (LAKE, "How a load goes"):
spool files → lines → keys → what is new → Parquet, synced → commit → receipts → spool files gone.
Until the last step the spool files are there, and loading them again changes nothing.
"""

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

import duckdb
import structlog

from cdrelay.clock import Clock
from cdrelay.lake.batch_load import BatchLoad
from cdrelay.lake.forgotten import Forgotten
from cdrelay.lake.prepare import Batch, PayloadTally, prepare
from cdrelay.lake.quarantine import Quarantine
from cdrelay.lake.reading import Reading
from cdrelay.lake.receipts import Drained, Receipt, receipt_of
from cdrelay.lake.retention import KEEP_ALL, KeepTimes
from cdrelay.lake.schema import Columns
from cdrelay.lake.spool import Spool
from cdrelay.lake.statements import statement
from cdrelay.lake.table import RecordTable
from cdrelay.lake.upkeep import Upkeep, UpkeepReport
from cdrelay.records.identity import Plausible

log = structlog.get_logger()

TIDY_EVERY = timedelta(minutes=10)
"""How often the table is looked after where nothing comes that would be loaded."""


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """The bounds of a load."""

    batch_bytes: int = 128 * 2**20
    unpacked_bytes: int = 2**30
    version_reach: timedelta = timedelta(hours=48)
    """How far apart the Report times of two versions of a record may lie."""
    max_age: timedelta = timedelta(days=400)
    max_ahead: timedelta = timedelta(hours=1)
    keep: timedelta | None = None
    """How long records are kept at least; None: for ever."""


@dataclass(frozen=True, slots=True)
class Duties:
    """What is owed to those whose calls they are; asked anew by each drain, once it has the lock."""

    own_times: Callable[[], Mapping[str, timedelta]] = dict
    """How long records of some organizations are kept, where that is not the general time."""
    forgotten: Callable[[], Forgotten] = Forgotten
    """Whose data must not come back."""
    believes: Callable[[datetime], bool] = lambda now: True
    """Whether the clock is believed enough to remove what is too old by it."""


NO_DUTIES = Duties()


class Loader:
    """Drains one spool into one table, one drain at a time: by a lock in the process, a file lock between processes."""

    def __init__(
        self,
        spool: Spool,
        table: RecordTable,
        engine: duckdb.DuckDBPyConnection,
        quarantine: Quarantine,
        clock: Clock,
        limits: LoadLimits,
        keep_receipts: Callable[[Sequence[Receipt]], None],
        duties: Duties = NO_DUTIES,
        tell_damaged: Callable[[str], None] = lambda file: None,
    ) -> None:
        """`tell_damaged` is told the name of each file of the spool that cannot be read, and was set aside."""
        self._spool = spool
        self._table = table
        self._engine = engine
        self._quarantine = quarantine
        self._clock = clock
        self._limits = limits
        self._keep_receipts = keep_receipts
        self._duties = duties
        self._tell_damaged = tell_damaged
        self._upkeep = Upkeep(table, engine)
        self._draining = Lock()
        self._tidied_at: datetime | None = None
        self.step: Callable[[str], None] = lambda name: None
        """Called with the name of each step once it is done: where a test kills the process."""

    def drain(self, progress: Callable[[Drained], None] = lambda so_far: None) -> Drained:
        """Load all that waits in the spool when it begins. Calling it again, or from several processes, is harmless.

        Once in a while it looks after the table also where nothing waits: what is old goes though nothing new comes.
        """
        total = Drained()
        tidying = self._is_time_to_tidy(self._clock.now())
        if not self._spool.waiting() and not tidying:
            return total
        with self.exclusively():
            paths = self._spool.waiting()
            now = self._clock.now()
            plausible = Plausible(now - self._limits.max_age, now + self._limits.max_ahead)
            self._table.snapshot()
            reading = Reading(self._table.columns)  # nobody adds a column while the lock is held
            batches = prepare(
                paths,
                reading,
                plausible,
                self._limits.batch_bytes,
                self._limits.unpacked_bytes,
                self._tell_damaged,
            )
            forgotten = self._duties.forgotten()
            for batch in _one_ahead(_erased(batches, forgotten, self._table.columns, plausible)):
                total += self._load(batch, plausible, forgotten)
                progress(total)
            self._upkeep.keep_up(self._keep_times(now), now, tidying=tidying)
            self._tidied_at = now if tidying else self._tidied_at
        return total

    def _is_time_to_tidy(self, now: datetime) -> bool:
        """Also where it was done after `now`: the clock was set back."""
        return self._tidied_at is None or not self._tidied_at <= now < self._tidied_at + TIDY_EVERY

    def keep_up(self) -> UpkeepReport:
        """Do at once what upkeep there is, and say what it was. Raises CdrelayError, OSError and duckdb.Error."""
        with self.exclusively():
            now = self._clock.now()
            return self._upkeep.whole(self._keep_times(now), now)

    @property
    def upkeep_failing(self) -> tuple[datetime, str] | None:
        """Since when the upkeep beside the loads has failed each time, and why it did lastly; None: it did not fail."""
        return self._upkeep.failing

    def _keep_times(self, now: datetime) -> KeepTimes:
        if not self._duties.believes(now):
            return KEEP_ALL
        return KeepTimes(self._limits.keep, self._duties.own_times())

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep every other loader of the table waiting, and whoever else changes it; waits for them at first."""
        # The underscore keeps the lock out of what `vacuum` of Delta Lake, also that of other engines, deletes.
        with self._draining, (self._table.folder / "_loader.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _load(self, batch: Batch, plausible: Plausible, forgotten: Forgotten) -> Drained:
        cursor = self._engine.cursor()
        try:
            cursor.execute(statement("keep_as_written"))
            snapshot = self._table.snapshot()
            load_seq = snapshot.last_load + 1
            loading = BatchLoad(self._table, cursor, self._limits.version_reach, batch, plausible, load_seq)
            written, removed = loading.run(snapshot.files)
            for block in batch.blocks:
                block.note_report_ids()
            self.step("written")
            if written or removed:
                self._table.commit_load(load_seq, written, removed)
            self.step("committed")
        finally:
            cursor.close()
        return self._finish(batch.finished, load_seq, forgotten)

    def _finish(self, payloads: list[PayloadTally], load_seq: int, forgotten: Forgotten) -> Drained:
        for payload in payloads:
            self._quarantine.put(payload, forgotten.erase_json)
        receipts = [receipt_of(payload, load_seq, self._clock.now()) for payload in payloads]
        self._keep_receipts(receipts)
        self.step("receipted")
        self._spool.remove([payload.spooled.path for payload in payloads])
        self.step("removed")
        loaded = sum(
            (Drained(1, r.records, r.added, r.corrected, r.repeated, r.quarantined) for r in receipts), Drained()
        )
        log.info("load.committed", load_seq=load_seq, **{name: getattr(loaded, name) for name in loaded.__slots__})
        return loaded


def _erased(batches: Iterator[Batch], forgotten: Forgotten, columns: Columns, plausible: Plausible) -> Iterator[Batch]:
    """The same batches without what must not come back."""
    for batch in batches:
        forgotten.apply(batch, columns.promoted, plausible)
        yield batch


def _one_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, the next one prepared while the present one is loaded: Python and DuckDB side by side."""
    with ThreadPoolExecutor(1, thread_name_prefix="prepare") as executor:
        coming = executor.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = executor.submit(next, batches, None)
            yield batch
