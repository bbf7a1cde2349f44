"""The data keys of a lake whose files are encrypted, as Parquet's own encryption has it (AES-GCM, 256 bits).

A file says in its name with which key it is written (`….k2.parquet`); one without is plain. So old and new files can
lie side by side, and a new key is used as soon as it is there. The keys lie sealed in a file beside the lake.
"""

import base64
import fcntl
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import duckdb
import msgspec

from cdrelay.errors import CdrelayError
from cdrelay.lake.files import write_durably
from cdrelay.lake.schema import literal
from cdrelay.lake.statements import key_of, statement

KEY_BYTES = 32
_FIRST = 1

Seal = Callable[[str], bytes]
Open = Callable[[bytes], str]


class LakeKeyMissing(CdrelayError):
    """Files of the lake are encrypted with a key that this home does not have."""


class LakeKeys:
    """The keys of one lake, for all engines that read it. Safe to use from several threads and processes."""

    def __init__(self, file: Path, seal: Seal, open_: Open, *, encrypting: bool) -> None:
        """`encrypting` says whether new files are encrypted; a first key is then made when there is none.

        `seal` and `open_` encrypt a key for the disk and back; whatever they raise is passed on.
        """
        self.encrypting = encrypting
        self._file = file
        self._seal = seal
        self._open = open_
        self._lock = Lock()
        self._engines: list[duckdb.DuckDBPyConnection] = []
        self._keys: dict[int, bytes] = {}
        if encrypting and not file.exists():
            self._make(lambda numbers: _FIRST)

    def serve(self, engine: duckdb.DuckDBPyConnection) -> None:
        """Let an engine read what these keys open."""
        with self._lock:
            self._engines.append(engine)
            for number, key in self._keys.items():
                _give(engine, number, key)

    def newest(self) -> int | None:
        """The number of the key that new files are written with; None when they are plain.

        Looked up in the file each time: another process may have made a new one.
        """
        return max(self._sealed(), default=None) if self.encrypting else None

    def renew(self) -> int:
        """Make a new key; what is written from now on uses it. To be called under the loader's lock."""
        return self._make(lambda numbers: max(numbers, default=0) + 1)

    def numbers(self) -> list[int]:
        """The keys there are. Old ones stay, for backups that need them."""
        return sorted(self._sealed())

    def require(self, paths: Iterable[str]) -> None:
        """See to it that every engine has the keys of these files. Raises LakeKeyMissing."""
        needed = {number for path in paths if (number := key_of(path)) is not None}
        for number in needed:
            self.key(number)

    def key(self, number: int) -> bytes:
        """The key itself, to write with. Raises LakeKeyMissing."""
        if number not in self._keys:
            self._take(number)
        return self._keys[number]

    def _take(self, number: int) -> None:
        sealed = self._sealed().get(number)
        if sealed is None:
            raise LakeKeyMissing(
                f"files of the lake are encrypted with key {number}, which {self._file} does not hold;"
                " put the file back that belongs to this lake"
            )
        key = base64.b64decode(self._open(sealed.encode()))
        with self._lock:
            self._keys[number] = key
            for engine in self._engines:
                _give(engine, number, key)

    def _sealed(self) -> dict[int, str]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[int, str])
        except FileNotFoundError:
            return {}
        except msgspec.MsgspecError as error:
            raise LakeKeyMissing(f"{self._file} is damaged; put back a copy of it") from error

    def _make(self, choose: Callable[[Iterable[int]], int]) -> int:
        """Make the key with the chosen number, unless another process, starting at the same time, just did."""
        with self._alone():
            sealed = self._sealed()
            number = choose(sealed)
            if number not in sealed:
                key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
                self._write(sealed | {number: self._seal(key).decode()})
        return number

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.with_suffix(".lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _write(self, sealed: dict[int, str]) -> None:
        write_durably(self._file, msgspec.json.encode(sealed))


def _give(engine: duckdb.DuckDBPyConnection, number: int, key: bytes) -> None:
    text = base64.b64encode(key).decode()
    with engine.cursor() as cursor:
        cursor.execute(statement("add_key", label=literal(f"k{number}"), key=literal(text)))
