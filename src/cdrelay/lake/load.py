"""The loader: from the spool into the lake, each record once, in its newest version.

The steps of one load, any of which may be the last before a crash (LAKE, "How a load goes"):
spool files → lines → keys → what is new → Parquet, synced → commit → receipts → spool files gone.
Until the last step the spool files are there, and loading them again changes nothing.
"""

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Lock

import duckdb
import pyarrow as pa
import structlog

from cdrelay.clock import Clock
from cdrelay.contract.manifest import ManifestState
from cdrelay.lake.drift import Sighting
from cdrelay.lake.forgotten import Forgotten
from cdrelay.lake.parquet import LOADED, REWRITTEN, RowsWritten, write_rows
from cdrelay.lake.payload import UNREADABLE
from cdrelay.lake.prepare import Batch, PayloadTally, Refused, prepare
from cdrelay.lake.quarantine import Quarantine
from cdrelay.lake.reading import Reading
from cdrelay.lake.retention import KeepTimes
from cdrelay.lake.schema import EXTRA, Columns, literal
from cdrelay.lake.spool import Envelope, Spool
from cdrelay.lake.statements import statement
from cdrelay.lake.table import DataFile, RecordTable, Written
from cdrelay.lake.upkeep import SMALL_BYTES, Upkeep, UpkeepReport
from cdrelay.records.identity import Plausible
from cdrelay.records.wire import decode_object, read_record

log = structlog.get_logger()

TIDY_EVERY = timedelta(minutes=10)
"""How often the table is looked after where nothing comes that would be loaded."""

_MISFIT = " misfit"
"""Stands in `extra` of a line with a value whose cast is not sure. It sorts before all JSON: the statistics show it."""


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


NO_DUTIES = Duties()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one payload. After a crash in the middle, part of `added` may be told as `repeated`."""

    envelope: Envelope
    size: int
    records: int
    added: int
    corrected: int
    repeated: int
    quarantined: int
    load_seq: int
    loaded: datetime
    manifest_state: ManifestState | None = None
    """Whether its records are those its manifest says; None where it has none."""
    drift: Mapping[Sighting, int] = field(default_factory=dict)
    """How its records differ from the documents, and how many do."""


@dataclass(frozen=True, slots=True)
class Drained:
    """The sum of what one drain did."""

    payloads: int = 0
    records: int = 0
    added: int = 0
    corrected: int = 0
    repeated: int = 0
    quarantined: int = 0

    def __add__(self, other: "Drained") -> "Drained":
        return Drained(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


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
    ) -> None:
        self._spool = spool
        self._table = table
        self._engine = engine
        self._quarantine = quarantine
        self._clock = clock
        self._limits = limits
        self._keep_receipts = keep_receipts
        self._duties = duties
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
        tidying = self._tidied_at is None or self._clock.now() >= self._tidied_at + TIDY_EVERY
        if not self._spool.waiting() and not tidying:
            return total
        with self.exclusively():
            paths = self._spool.waiting()
            now = self._clock.now()
            plausible = Plausible(now - self._limits.max_age, now + self._limits.max_ahead)
            self._table.snapshot()
            reading = Reading(self._table.columns)  # nobody adds a column while the lock is held
            batches = prepare(paths, reading, plausible, self._limits.batch_bytes, self._limits.unpacked_bytes)
            forgotten = self._duties.forgotten()
            for batch in _one_ahead(_erased(batches, forgotten, self._table.columns, plausible)):
                total += self._load(batch, plausible, forgotten)
                progress(total)
            self._upkeep.keep_up(self._keep_times(), now, tidying=tidying)
            self._tidied_at = now if tidying else self._tidied_at
        return total

    def keep_up(self) -> UpkeepReport:
        """Do at once what upkeep there is, and say what it was. Raises CdrelayError, OSError and duckdb.Error."""
        with self.exclusively():
            return self._upkeep.whole(self._keep_times(), self._clock.now())

    @property
    def upkeep_failing(self) -> tuple[datetime, str] | None:
        """Since when the upkeep beside the loads has failed each time, and why it did lastly; None: it did not fail."""
        return self._upkeep.failing

    def _keep_times(self) -> KeepTimes:
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
            cursor.execute(statement("keep_join_sides"))
            snapshot = self._table.snapshot()
            load_seq = snapshot.last_load + 1
            written, removed = _BatchLoad(self._table, cursor, self._limits, batch, plausible, load_seq).run(
                snapshot.files
            )
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
        receipts = [_receipt(payload, load_seq, self._clock.now()) for payload in payloads]
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


def _receipt(payload: PayloadTally, load_seq: int, now: datetime) -> Receipt:
    quarantined = len(payload.refused) or int(payload.unreadable is not None)
    records = payload.records or int(payload.unreadable is not None)
    envelope, manifest = payload.spooled.envelope, payload.spooled.envelope.manifest
    state = None
    if manifest is not None:
        state = manifest.compared(payload.report_ids, records, _ids_of(payload.refused))
    return Receipt(
        envelope=envelope,
        size=payload.spooled.size,
        records=records,
        added=payload.added,
        corrected=payload.corrected,
        repeated=records - quarantined - payload.added - payload.corrected,
        quarantined=quarantined,
        load_seq=load_seq,
        loaded=now,
        drift=payload.drift,
        manifest_state=state,
    )


def _ids_of(refused: Sequence[Refused]) -> list[str]:
    """The Report IDs of those that have one that can be read."""
    found = []
    for one in refused:
        with suppress(*UNREADABLE):
            report_id = read_record(decode_object(one.raw)).values.get("report_id")
            if isinstance(report_id, str):
                found.append(report_id)
    return found


class _BatchLoad:
    """One batch on its way into files; nothing is committed here."""

    def __init__(
        self,
        table: RecordTable,
        cursor: duckdb.DuckDBPyConnection,
        limits: LoadLimits,
        batch: Batch,
        plausible: Plausible,
        load_seq: int,
    ) -> None:
        self._table = table
        self._cursor = cursor
        self._limits = limits
        self._batch = batch
        self._plausible = plausible
        self._load_seq = load_seq

    def run(self, files: Sequence[DataFile]) -> tuple[list[Written], list[DataFile]]:
        """The new files, and the old ones they replace."""
        if not any(block.lines for block in self._batch.blocks):
            return [], []
        self._find_newest()
        self._find_stored(files)
        self._cursor.execute(statement("due"))
        written = self._write_due()
        rewritten, removed = self._rewrite(files)
        return written + rewritten, removed

    def _find_newest(self) -> None:
        self._cursor.register("arrived", self._batch.arrived)
        self._cursor.execute(statement("keys"), {"oldest": self._plausible.oldest, "newest": self._plausible.newest})
        self._read_again(self._cursor.execute(statement("unsure_lines")).fetchall())
        self._cursor.execute(statement("newest_in_batch"))

    def _read_again(self, lines: list[tuple[int, int]]) -> None:
        for block, row in lines:
            identity = self._batch.blocks[block].read_again(row, self._plausible)
            if identity is not None:
                self._cursor.execute(statement("replace_key"), {"block": block, "row": row, **asdict(identity)})
        if lines:
            self._cursor.register("arrived", self._batch.made_ready().arrived)

    def _find_stored(self, files: Sequence[DataFile]) -> None:
        """A version may be older or newer than the one that came, by up to the reach, whichever came first."""
        first, last = self._cursor.execute(statement("range_of_newest")).fetchall()[0]
        near: list[str] = []
        if first is not None:
            earliest, latest = first - self._limits.version_reach, last + self._limits.version_reach
            near = self._table.absolute(file for file in files if file.meets(earliest, latest))
        if near:
            # Times as literals, so that files and row groups are left out by their statistics.
            self._cursor.execute(
                statement("stored_versions", parquet=near, earliest=_time(earliest), latest=_time(latest))
            )
        else:
            self._cursor.execute(statement("no_stored_versions"))

    def _write_due(self) -> list[Written]:
        counts = self._cursor.execute(statement("due_by_block")).fetchall()
        for _day, block, lines, corrects in counts:
            payload = self._batch.blocks[block].payload
            payload.corrected += corrects
            payload.added += lines - corrects
        self._cursor.register("origins", self._origins())
        return [self._write_day(day) for day in sorted({row[0] for row in counts})]

    def _origins(self) -> pa.Table:
        envelopes = [block.payload.spooled.envelope for block in self._batch.blocks]
        return pa.table(
            {
                "block": pa.array(range(len(envelopes)), pa.int32()),
                "source": pa.array([envelope.source for envelope in envelopes], pa.string()),
                "channel": pa.array([envelope.channel for envelope in envelopes], pa.string()),
                "payload": pa.array([envelope.id for envelope in envelopes], pa.string()),
                "received": pa.array([envelope.received for envelope in envelopes], pa.timestamp("us", "UTC")),
            }
        )

    def _write_day(self, day: date) -> Written:
        """One file with what is due on a day."""
        with self._table.new_file(f"{day:%Y-%m-%d}", self._load_seq) as target:
            rows = self._write_parquet(day, target, unsure=self._table.columns.fragments["misfit"])
            if rows.bounds[EXTRA].get("min") == _MISFIT:
                # Some value is not in a form whose cast is sure: find out where, and read those records thoroughly.
                unsure = statement("unsure_values", columns=self._table.columns)
                self._read_again(self._cursor.execute(unsure, {"day": day}).fetchall())
                rows = self._write_parquet(day, target, unsure="false")
            return self._table.written(target, rows)

    def _write_parquet(self, day: date, target: Path, unsure: str) -> RowsWritten:
        select = statement(
            "due_rows",
            columns=self._table.columns,
            day=f"DATE '{day:%Y-%m-%d}'",
            load_seq=str(self._load_seq),
            unsure=unsure,
            mark=literal(_MISFIT),
        )
        return write_rows(self._cursor, select, target, LOADED, self._table.keys)

    def _rewrite(self, files: Sequence[DataFile]) -> tuple[list[Written], list[DataFile]]:
        by_path = dict(zip(self._table.absolute(files), files, strict=True))
        rewritten, removed = [], []
        for (path,) in self._cursor.execute(statement("files_to_rewrite")).fetchall():
            old = by_path[path]
            removed.append(old)
            with self._table.new_file(Path(path).parent.name, self._load_seq) as target:
                select = statement("rewrite_file", parquet=[path], columns=self._table.columns)
                form = LOADED if old.size < SMALL_BYTES else REWRITTEN  # a small one is merged later
                rows = write_rows(self._cursor, select, target, form, self._table.keys)
                if rows.rows:
                    rewritten.append(self._table.written(target, rows, since=old.written))
                else:
                    target.unlink()
        return rewritten, removed


def _time(moment: datetime) -> str:
    return f"TIMESTAMP WITH TIME ZONE '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00'"
