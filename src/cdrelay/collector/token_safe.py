"""What guards the renewal of tokens on the disk: one at a time, and nothing lost between the answer and the database.

A provider may replace the refresh token, and then the old one may be of no use any more. So what it answered goes into
a file at once, whose room was taken before the provider was asked; from there into the control database, which may be
locked or gone; and only then the file goes. A crash at any of these steps is mended by the next who comes.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from cdrelay.collector.token_exchange import Granted
from cdrelay.control.secrets_at_rest import SecretBox, SecretUnreadable
from cdrelay.lake.files import write_durably

_ROOM = b"\n" * 16_384
"""Larger than the tokens that providers give, sealed."""
_LOOK_SECONDS = 0.05


class Renewed(msgspec.Struct, frozen=True):
    """An answer, and the refresh token that it was given for."""

    used: str
    granted: Granted


class TokenSafe:
    """A folder with two small files a source: a lock and, for moments, a sealed answer. All but `alone` block."""

    def __init__(self, folder: Path, secret_box: SecretBox) -> None:
        self._folder = folder
        self._box = secret_box
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @asynccontextmanager
    async def alone(self, source: str) -> AsyncIterator[None]:
        """Nobody else, in this process or another, is in here for the same source. Ends with the process."""
        with (self._folder / f"{source}.lock").open("w") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_LOOK_SECONDS)
            yield

    def make_room(self, source: str) -> None:
        """Take the room that `keep` needs. Raises OSError when there is none."""
        write_durably(self._file(source), _ROOM)

    def keep(self, source: str, renewed: Renewed) -> None:
        """Write an answer into the room that was made; durable when this returns.

        In place, as a full disk would refuse a new file. Half of it is none: what is sealed is known to be whole.
        """
        with self._file(source).open("r+b") as file:
            file.write(self._box.seal(msgspec.json.encode(renewed).decode()) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def kept(self, source: str) -> Renewed | None:
        """An answer that a crash kept from the database; None when there is none."""
        try:
            sealed, _, _ = self._file(source).read_bytes().partition(b"\n")
            return msgspec.json.decode(self._box.open(sealed), type=Renewed)
        except (FileNotFoundError, SecretUnreadable, msgspec.MsgspecError):
            return None

    def clear(self, source: str) -> None:
        """Nothing is under way any more; again is harmless."""
        self._file(source).unlink(missing_ok=True)

    def _file(self, source: str) -> Path:
        return self._folder / f"{source}.renewed"
