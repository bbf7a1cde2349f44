"""Taking in a webhook's POST: verify, make durable, answer; loading comes later.

A payload that `receive` returns for is on the disk, file and folder flushed. In every other case nothing of it is left,
save for bodies that are no JSON: they go aside.

Receiving is bound by hashing and the disk, so pieces go as they come, in portions, to a thread that hashes and writes
one portion while the event loop reads the next. Checking the JSON is one pass of msgspec over the whole body: it needs
the body in memory, and holds the interpreter for about 0.25 s per GB, so few are checked at once.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, Protocol
from uuid import uuid4

import structlog

from cdrelay.clock import Clock
from cdrelay.collector.aside import Aside
from cdrelay.collector.errors import CollectorError
from cdrelay.collector.sources import Source
from cdrelay.contract.signature import Verifier
from cdrelay.errors import CdrelayError
from cdrelay.lake.payload import BodyTooLarge, BodyUnreadable, split, unpack
from cdrelay.lake.spool import Envelope, Incoming, NoRoom, Spool

_PORTION = 1_048_576
"""Bytes handed to the thread at once: large against the cost of a hop (some 50 µs), small against memory. Measured."""
_CHECKS_AT_ONCE = 2

_log = structlog.get_logger(__name__)


class SignatureRefused(CollectorError):
    """The signature is missing or does not fit the body under any valid secret; nothing of it was kept."""


class EncodingUnsupported(CollectorError):
    """The body is compressed in a way that is not understood; gzip is."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What the head of a POST says about the body to come."""

    source: str
    signature: str | None
    content_encoding: str = ""
    content_length: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A payload that is durable."""

    payload: str
    records: int


class KnownSources(Protocol):
    """Who may send."""

    async def known(self, name: str) -> Source:
        """The source of that name. Raises SourceUnknown."""
        ...


class IncidentLog(Protocol):
    """Where to tell what a person should see."""

    def record(self, part: str, what: str) -> None:
        """Keep it; never raises."""
        ...


class Receiver:
    """Takes payloads into the spool. `arrived` is called on the event loop after each, to wake the loader."""

    def __init__(
        self,
        sources: KnownSources,
        spool: Spool,
        aside: Aside,
        incidents: IncidentLog,
        clock: Clock,
        *,
        body_limit_bytes: int,
        unpacked_limit_bytes: int,
        arrived: Callable[[], None] = lambda: None,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._sources = sources
        self._spool = spool
        self._aside = aside
        self._incidents = incidents
        self._clock = clock
        self._body_limit = body_limit_bytes
        self._unpacked_limit = unpacked_limit_bytes
        self._arrived = arrived
        self._new_id = new_id
        self._checking = asyncio.Semaphore(_CHECKS_AT_ONCE)

    async def receive(self, offered: Offered, body: AsyncIterable[bytes]) -> Received:
        """Take in one POST. The same body twice makes two payloads; the lake stores its records once.

        Raises SourceUnknown, EncodingUnsupported, BodyTooLarge, SignatureRefused, BodyUnreadable for what the sender
        must change; NoRoom, DatabaseUnavailable, SecretUnreadable for what it should send again later.
        """
        began = perf_counter()
        envelope = Envelope(
            id=self._new_id(),
            source=offered.source,
            channel="webhook",
            received=self._clock.now(),
            content_encoding=read_encoding(offered.content_encoding),
            signature=offered.signature,
        )
        size, outcome = 0, "interrupted"
        try:
            source = await self._sources.known(offered.source)
            verifier = self._admit(source, offered)
            async with self._incoming(envelope, offered.content_length or 0) as incoming:
                await _take(body, incoming, verifier, self._body_limit)
                size = incoming.size
                if not verifier.accepts(offered.signature):
                    raise SignatureRefused("the signature does not fit the body")
                records = await self._check_while_syncing(envelope, incoming)
                await asyncio.to_thread(incoming.commit)
            outcome = "kept"
        except CdrelayError as error:
            outcome = type(error).__name__
            raise
        finally:
            _log.info(
                "payload.received",
                source=offered.source[:64],
                payload=envelope.id,
                outcome=outcome,
                bytes=size,
                milliseconds=round((perf_counter() - began) * 1000, 1),
            )
        self._arrived()
        return Received(envelope.id, records)

    def _admit(self, source: Source, offered: Offered) -> Verifier:
        """Refuse by the head alone what can be, before any of the body is read."""
        if offered.content_length is not None and offered.content_length > self._body_limit:
            raise BodyTooLarge(f"the body is larger than {self._body_limit} bytes")
        if source.secrets and not offered.signature:
            raise SignatureRefused("the signature is missing")
        return Verifier(source.secrets)

    @asynccontextmanager
    async def _incoming(self, envelope: Envelope, size: int) -> AsyncIterator[Incoming]:
        try:
            incoming = await asyncio.to_thread(self._spool.incoming, envelope, size)
            try:
                yield await asyncio.to_thread(incoming.__enter__)
            finally:
                # It removes what was not committed, whatever the reason, and takes no notice of which it was.
                await asyncio.to_thread(incoming.__exit__, None, None, None)
        except OSError as error:
            # What the spool does not translate itself: a folder that is gone, a disk that fails to read.
            raise NoRoom(f"the spool cannot be used: {error.strerror}") from error

    async def _check_while_syncing(self, envelope: Envelope, incoming: Incoming) -> int:
        """The disk and the parser work side by side; what the disk cannot do, `commit` tells."""
        syncing = asyncio.ensure_future(asyncio.to_thread(incoming.sync))
        try:
            return await self._check(envelope, incoming)
        finally:
            await asyncio.wait({syncing})

    async def _check(self, envelope: Envelope, incoming: Incoming) -> int:
        async with self._checking:
            try:
                return await asyncio.to_thread(self._count_records, envelope, incoming)
            except BodyUnreadable as error:
                await asyncio.to_thread(self._put_aside, envelope, incoming, str(error))
                raise

    def _count_records(self, envelope: Envelope, incoming: Incoming) -> int:
        return count_records(incoming.body(), envelope.content_encoding, self._unpacked_limit)

    def _put_aside(self, envelope: Envelope, incoming: Incoming, why: str) -> None:
        self._aside.keep(envelope, incoming.body())
        self._incidents.record("receive", f"payload {envelope.id} of source {envelope.source} was put aside: {why}")


def read_encoding(header: str) -> Literal["", "gzip"]:
    """What a Content-Encoding header means. Raises EncodingUnsupported."""
    match header.strip().lower():
        case "" | "identity":
            return ""
        case "gzip" | "x-gzip":
            return "gzip"
        case _:
            raise EncodingUnsupported("a body comes as it is or compressed with gzip")


def count_records(body: bytes, encoding: Literal["", "gzip"], limit: int) -> int:
    """How many records a body holds. Raises BodyTooLarge when it unpacks to more than `limit`, BodyUnreadable."""
    try:
        return len(split(unpack(body, encoding, limit), lines=False))
    except RecursionError:
        raise BodyUnreadable("the body is nested too deeply") from None


async def _take(body: AsyncIterable[bytes], incoming: Incoming, verifier: Verifier, limit: int) -> None:
    """Hash and write `body`, one portion in a thread while the next is read. Raises BodyTooLarge, NoRoom."""

    def keep(portion: list[bytes]) -> None:
        for piece in portion:
            incoming.write(piece)
            verifier.update(piece)

    writing: asyncio.Future[None] | None = None
    portion: list[bytes] = []
    gathered, total = 0, 0
    try:
        async for piece in body:
            portion.append(piece)
            gathered += len(piece)
            total += len(piece)
            if total > limit:
                raise BodyTooLarge(f"the body is larger than {limit} bytes")
            if gathered >= _PORTION:
                if writing is not None:
                    await writing
                writing = asyncio.ensure_future(asyncio.to_thread(keep, portion))
                portion, gathered = [], 0
        if writing is not None:
            await writing
        await asyncio.to_thread(keep, portion)
    finally:
        # A thread cannot be stopped: whoever is about to remove the file must wait until it no longer writes to it.
        if writing is not None:
            await asyncio.wait({writing})
