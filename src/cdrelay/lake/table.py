"""The Delta table: its log, the files of its present state, and commits that are all or nothing.

Loads are numbered. The number is a Delta application transaction, so that a second loader with the same number is
refused: the fence behind the loader's lock.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import Lock
from uuid import uuid4

from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from cdrelay.errors import CdrelayError
from cdrelay.lake.encryption import LakeKeyMissing, LakeKeys
from cdrelay.lake.files import sync_folder
from cdrelay.lake.log_repair import LOADER, LakeUnreadable, Payloads, repair_log, torn_ends
from cdrelay.lake.parquet import RowsWritten
from cdrelay.lake.schema import DOCUMENTED, Columns, delta_field
from cdrelay.lake.snapshot import DataFile, Snapshot
from cdrelay.lake.statements import key_of
from cdrelay.lake.written import Written, delta_statistics
from cdrelay.records.fields import Field

READERS = timedelta(hours=1)
"""So long a state stays readable after a later one took its place, where nothing else is set."""
_FILE_COLUMNS = (
    "path",
    "size_bytes",
    "num_records",
    "modification_time",
    "min.report_time",
    "max.report_time",
    "min.load_seq",
    "max.load_seq",
)


class Overtaken(CdrelayError):
    """Another loader committed meanwhile; nothing of this commit happened, and it may be tried again."""


class RecordTable:
    """The Delta table of records in a folder. Safe to use from several threads; other processes may use it too."""

    def __init__(
        self,
        folder: Path,
        keys: LakeKeys | None = None,
        payloads: Payloads | None = None,
        readers: timedelta = READERS,
    ) -> None:
        """Open it, or make it where there is nothing. Raises LakeUnreadable; then nothing was changed.

        `keys` open its encrypted files, and encrypt new ones if they say so; None: there are only plain ones.
        `payloads` say whether what a power cut left of the log's end can go; None: that is for others to mend.
        `readers` is how long a state stays readable after a later one took its place; whole seconds, at least one.
        """
        self.folder = folder
        self.keys = keys
        self._readers = readers
        self._lock = Lock()
        self._table = self._open(payloads)
        self._snapshot = self._read_snapshot()

    def _open(self, payloads: Payloads | None) -> DeltaTable:
        if payloads is not None:
            repair_log(self.folder, payloads)
        elif torn := torn_ends(self.folder):
            raise LakeUnreadable(
                f"the log of the lake in {self.folder} ends with an empty or torn file, {torn[0].name}:"
                " `cdrelay doctor` says what to do"
            )
        if not DeltaTable.is_deltatable(str(self.folder)):
            self._create()
        try:
            return DeltaTable(str(self.folder))
        except DeltaError as error:
            raise LakeUnreadable(
                f"the log of the lake in {self.folder} cannot be read; put its folder _delta_log back from a backup"
            ) from error

    def _create(self) -> None:
        if any(self.folder.glob("*/*.parquet")):
            raise LakeUnreadable(
                f"the lake in {self.folder} holds records, and its log is gone: put its folder _delta_log back, from a"
                " backup if need be (docs/operations/doctor.md, Lake); or move it away and `cdrelay lake begin-anew`"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        DeltaTable.create(
            str(self.folder),
            schema=DOCUMENTED.delta_schema(),
            mode="ignore",
            name="detailed call records",
            configuration=self._properties,
        )
        sync_folder(self.folder / "_delta_log")

    @property
    def _properties(self) -> dict[str, str | None]:
        """How long files and log entries stay is said in the table, where its engine and others go by it."""
        kept = f"interval {max(1, round(self._readers.total_seconds()))} seconds"
        return {
            "delta.checkpointInterval": "50",
            "delta.logRetentionDuration": kept,
            "delta.deletedFileRetentionDuration": kept,
        }

    def snapshot(self) -> Snapshot:
        """The newest committed state, also of commits by other processes."""
        with self._lock:
            self._table.update_incremental()
            if self._table.version() != self._snapshot.version:
                self._snapshot = self._read_snapshot()
            return self._snapshot

    @property
    def columns(self) -> Columns:
        """Its columns, as of the last snapshot. Files of former states can be read with them: there are only more."""
        return self._columns

    def add_column(self, promoted: Field) -> None:
        """Give a key a column, which no file has yet; a key that has one keeps it. Under the loader's lock."""
        self.snapshot()
        if self._columns.promoted_as(promoted.name) is None:
            with self._lock:
                self._table.alter.add_columns([delta_field(promoted)])
                self._sync_log()
            self.snapshot()

    def _read_snapshot(self) -> Snapshot:
        self._columns = Columns.of(self._table.schema())
        actions = self._table.get_add_actions(flatten=True)
        if not len(actions):
            return Snapshot(self._table.version(), self._last_load(), ())
        columns = [actions.column(name).to_pylist() for name in _FILE_COLUMNS]
        return Snapshot(
            self._table.version(), self._last_load(), tuple(DataFile(*row) for row in zip(*columns, strict=True))
        )

    def _last_load(self) -> int:
        return self._table.transaction_version(LOADER) or 0

    def absolute(self, files: Iterable[DataFile]) -> list[str]:
        """Where the files lie; the engines that read them then have their keys. Raises LakeKeyMissing."""
        paths = [str(self.folder / file.path) for file in files]
        if self.keys is not None:
            self.keys.require(paths)
        elif any(key_of(path) for path in paths):
            raise LakeKeyMissing(f"files in {self.folder} are encrypted, and it was opened without keys")
        return paths

    @contextmanager
    def new_file(self, day: str, load_seq: int) -> Iterator[Path]:
        """A path for a new Parquet file, in the folder of its day; what is there goes again when the block raises."""
        key = self.keys.newest() if self.keys is not None else None
        ending = "parquet" if key is None else f"k{key}.parquet"
        path = self.folder / day / f"{load_seq:010d}-{uuid4().hex[:12]}.{ending}"
        path.parent.mkdir(exist_ok=True)
        try:
            yield path
        except BaseException:
            path.unlink(missing_ok=True)  # on a full disk its room is needed
            raise

    def written(self, path: Path, rows: RowsWritten, since: int | None = None) -> Written:
        """Make a file durable. `since` is when its records came into the table, where that was earlier (`DataFile`)."""
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        sync_folder(path.parent)
        sync_folder(self.folder)
        return Written(
            path=path.relative_to(self.folder).as_posix(),
            rows=rows.rows,
            size=rows.size,
            statistics=rows.bounds,
            since=since,
        )

    def commit_load(self, load_seq: int, added: Sequence[Written], removed: Sequence[DataFile]) -> None:
        """Commit load number `load_seq`: all files or none. Durable when it returns. Raises Overtaken."""
        self._commit(added, removed, CommitProperties(app_transactions=[Transaction(LOADER, load_seq)]), new_data=True)

    def commit_compaction(self, added: Sequence[Written], removed: Sequence[DataFile]) -> None:
        """Commit the same rows in other files. Raises Overtaken."""
        self._require_present(removed)
        self._commit(added, removed, CommitProperties(), new_data=False)

    def commit_expiry(self, removed: Sequence[DataFile], left: Sequence[Written] = ()) -> None:
        """Commit that files are no longer of the table, and what is left of them in others. Raises Overtaken.

        `vacuum` deletes them when no reader can hold them any more.
        """
        self._require_present(removed)
        self._commit(left, removed, CommitProperties(), new_data=True)

    def _require_present(self, files: Sequence[DataFile]) -> None:
        """And catch up with our own commits, which would otherwise count as another's that changed what was read."""
        gone = {file.path for file in files} - {file.path for file in self.snapshot().files}
        if gone:
            raise Overtaken(f"{len(gone)} of the files are no longer of the lake")

    def _commit(
        self, added: Sequence[Written], removed: Sequence[DataFile], properties: CommitProperties, *, new_data: bool
    ) -> None:
        milliseconds = time.time_ns() // 1_000_000  # the log's own bookkeeping, not the time of any record
        actions: list[AddAction | RemoveAction] = [
            AddAction(file.path, file.size, {}, file.since or milliseconds, new_data, delta_statistics(file))
            for file in added
        ]
        actions += [RemoveAction(file.path, new_data, milliseconds, file.size, {}) for file in removed]
        with self._lock:
            try:
                self._table.create_write_transaction(
                    actions, mode="append", schema=self._table.schema(), commit_properties=properties
                )
            except (CommitFailedError, DeltaError) as error:
                raise Overtaken(f"the commit to the lake was refused: {error}") from error
            self._sync_log()

    def _sync_log(self) -> None:
        log = self.folder / "_delta_log"
        names = [path.name for path in log.iterdir()]
        # A checkpoint, which a commit writes now and then, is what the table is read from: half of one is no table.
        for kind in (".json", ".checkpoint.parquet", "_last_checkpoint"):
            newest = max((name for name in names if name.endswith(kind)), default=None)
            if newest is not None:
                with (log / newest).open("rb+") as file:
                    os.fsync(file.fileno())
        sync_folder(log)

    def vacuum(self, *, at_once: bool = False) -> int:
        """Delete files that no state uses which readers may still have, also of interrupted loads; how many.

        To be called under the loader's lock.
        `at_once` leaves only those of the present state: whoever still reads a former one fails.
        """
        hours = 0 if at_once else None  # None: as the table says
        with self._lock:
            # What another process has loaded since the last look would be taken for an interrupted load's.
            self._table.update_incremental()
            self._set_properties()
            # Without `full` it would pass over the files of interrupted loads, which no log entry names.
            gone = self._table.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False, full=True)
            self._table.update_incremental()
        self._sweep()
        return len(gone)

    def _sweep(self) -> None:
        """Remove folders of days that are empty, and what interrupted commits left in the log's folder."""
        for folder in self.folder.iterdir():
            if folder.is_dir() and not folder.name.startswith("_"):
                with suppress(OSError):  # it is not empty
                    folder.rmdir()
        long_ago = time.time_ns() - round(self._readers.total_seconds() * 1e9)
        for part in (self.folder / "_delta_log").glob("*.tmp"):
            if part.stat().st_mtime_ns < long_ago:
                part.unlink(missing_ok=True)

    def left_over(self, hours: int) -> list[str]:
        """The files that no state of the last `hours` uses and that are on the disk all the same."""
        with self._lock:
            self._table.update_incremental()
            return self._table.vacuum(retention_hours=hours, dry_run=True, enforce_retention_duration=False, full=True)

    def shorten_log(self) -> None:
        """Sum up the log in a checkpoint, and delete entries that it makes needless and that no reader can have."""
        with self._lock:
            self._table.update_incremental()
            self._set_properties()
            self._table.create_checkpoint()
            self._sync_log()
            self._table.cleanup_metadata()

    def _set_properties(self) -> None:
        wanted = {name: value for name, value in self._properties.items() if value is not None}
        if wanted.items() - self._table.metadata().configuration.items():
            self._table.alter.set_table_properties(wanted)  # it was made when something else was set
            self._sync_log()
