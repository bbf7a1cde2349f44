"""Taking in a webhook's POST: verify, make durable, answer; loading comes later.

A payload that `receive` returns for is on the disk, file and folder flushed. In every other case nothing of it is left,
save for bodies that are no JSON: they go aside.

Three things are done side by side while a body comes: the event loop checks that its records are JSON (`lake/listing`),
a thread hashes and writes it, and another makes durable what is written. A body that cannot be checked so, and one that
is compressed, is checked once it is there: from the file as the system caches it, so that memory does not hold it. That
holds the interpreter for about 0.35 s per GB, so few are checked at once.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Protocol
from uuid import uuid4

import structlog

from cdrelay.clock import Clock
from cdrelay.collector.admission import Admission, ReceivingLimits, SenderPatience, SenderTooSlow
from cdrelay.collector.aside import Aside
from cdrelay.collector.errors import CollectorError, SourceUnknown
from cdrelay.collector.portions import Portions
from cdrelay.collector.sources import Source
from cdrelay.contract.manifest import Manifest
from cdrelay.contract.signature import Verifier
from cdrelay.errors import CdrelayError
from cdrelay.lake.listing import Listing
from cdrelay.lake.payload import BodyTooLarge, BodyUnreadable, Buffer, split, unpack, unpacked
from cdrelay.lake.spool import ContentEncoding, Envelope, Incoming, NoRoom, Spool

_KEPT_AT_ONCE = 2**20
"""Bytes handed to a thread: large against the cost of a hop (some 50 µs), small against memory. Measured."""
_SYNCED_AT_ONCE = 2**22
_MOST_WAITING = 2**23
"""Bytes of one body that may wait for a thread; its sender waits then too."""
_CHECKS_AT_ONCE = 2

_log = structlog.get_logger(__name__)


class SignatureRefused(CollectorError):
    """The signature is missing or does not fit the body under any valid secret; nothing of it was kept."""


class EncodingUnsupported(CollectorError):
    """The body is compressed in a way that is not understood; gzip and zstd are."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What the head of a POST says about the body to come."""

    source: str
    signature: str | None
    """Hex HMAC-SHA1 (`X-Spark-Signature`)."""
    signature_sha256: str | None = None
    """Hex HMAC-SHA256 (`X-Webex-Signature`). One of both is enough; of both, each must fit."""
    content_encoding: str = ""
    content_length: int | None = None
    manifest: Manifest | None = None


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
    """Takes payloads into the spool."""

    def __init__(
        self,
        sources: KnownSources,
        spool: Spool,
        aside: Aside,
        incidents: IncidentLog,
        clock: Clock,
        limits: ReceivingLimits,
        *,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._sources = sources
        self._spool = spool
        self._aside = aside
        self._incidents = incidents
        self._clock = clock
        self._limits = limits
        self._admission = Admission(clock, limits)
        self._new_id = new_id
        self._checking = asyncio.Semaphore(_CHECKS_AT_ONCE)

    async def receive(self, offered: Offered, body: AsyncIterable[bytes]) -> Received:
        """Take in one POST. The same body twice makes two payloads; the lake stores its records once.

        Raises SourceUnknown, EncodingUnsupported, BodyTooLarge, SignatureRefused, BodyUnreadable, SenderTooSlow,
        TooManyRequests for what the sender must change; NoRoom, TooManyAtOnce, DatabaseUnavailable, SecretUnreadable
        for what it should send again later.
        """
        began = perf_counter()
        envelope = Envelope(
            id=self._new_id(),
            source=offered.source,
            channel="webhook",
            received=self._clock.now(),
            content_encoding=read_encoding(offered.content_encoding),
            signature=offered.signature or offered.signature_sha256,
            manifest=offered.manifest,
        )
        size, outcome = 0, "interrupted"
        try:
            source = await self._sources.known(offered.source)
            verifiers = self._admit(source, offered)
            with self._admission.admitted(source.name):
                async with self._incoming(envelope, offered.content_length or 0) as incoming:
                    listing = Listing()
                    if envelope.content_encoding:
                        listing.give_up()
                    await self._take(body, incoming, verifiers, listing)
                    size = incoming.size
                    if not all(verifier.accepts(signature) for verifier, signature in verifiers.items()):
                        raise SignatureRefused("the signature does not fit the body")
                    records = listing.end()
                    if records is None:
                        records = await self._check(envelope, incoming)
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
        return Received(envelope.id, records)

    def _admit(self, source: Source, offered: Offered) -> dict[Verifier, str]:
        """Refuse by the head alone what can be, before any of the body is read. What is left to verify: none or more.

        Where no secret is set nothing is verified.
        """
        if source.kind != "webhook":
            raise SourceUnknown(source.name)
        if offered.content_length is not None and offered.content_length > self._limits.body_bytes:
            raise BodyTooLarge(f"the body is larger than {self._limits.body_bytes} bytes")
        verifiers = {}
        if source.secrets and offered.signature:
            verifiers[Verifier(source.secrets, "sha1")] = offered.signature
        if source.secrets and offered.signature_sha256:
            verifiers[Verifier(source.secrets, "sha256")] = offered.signature_sha256
        if source.secrets and not verifiers:
            raise SignatureRefused("the signature is missing")
        return verifiers

    async def _take(
        self, body: AsyncIterable[bytes], incoming: Incoming, verifiers: Iterable[Verifier], listing: Listing
    ) -> None:
        try:
            await _take(body, incoming, verifiers, listing, self._limits)
        except TimeoutError:
            pace = self._limits.pace
            raise SenderTooSlow(
                f"a body may stand still for {pace.idle_seconds:g} seconds"
                + (f" and must come with {pace.slowest} bytes a second" if pace.slowest else "")
            ) from None

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

    async def _check(self, envelope: Envelope, incoming: Incoming) -> int:
        async with self._checking:
            try:
                return await asyncio.to_thread(self._count_records, envelope, incoming)
            except BodyUnreadable as error:
                await asyncio.to_thread(self._put_aside, envelope, incoming, str(error))
                raise

    def _count_records(self, envelope: Envelope, incoming: Incoming) -> int:
        limit = self._limits.unpacked_bytes
        return count_records(incoming.body(), envelope.content_encoding, limit, self._spool.folder)

    def _put_aside(self, envelope: Envelope, incoming: Incoming, why: str) -> None:
        self._aside.keep(envelope, incoming.body())
        self._incidents.record("receive", f"payload {envelope.id} of source {envelope.source} was put aside: {why}")


def read_encoding(header: str) -> ContentEncoding:
    """What a Content-Encoding header means. Raises EncodingUnsupported."""
    match header.strip().lower():
        case "" | "identity":
            return ""
        case "gzip" | "x-gzip":
            return "gzip"
        case "zstd":
            return "zstd"
        case _:
            raise EncodingUnsupported("a body comes as it is or compressed with gzip or zstd")


def count_records(body: Buffer, encoding: ContentEncoding, limit: int, scratch: Path | None = None) -> int:
    """How many records a body holds. Raises BodyTooLarge when it unpacks to more than `limit`, BodyUnreadable.

    With a folder for `scratch`, what is large unpacked lies there and not in memory; raises OSError without room.
    """
    try:
        if encoding and (records := _listed(unpacked(body, encoding, limit))) is not None:
            return records
        return len(split(unpack(body, encoding, limit, scratch), lines=False))
    except RecursionError:
        raise BodyUnreadable("the body is nested too deeply") from None


def _listed(pieces: Iterator[bytes]) -> int | None:
    listing = Listing()
    for piece in pieces:
        listing.take([piece])
        if listing.given_up:
            return None
    return listing.end()


async def _take(
    body: AsyncIterable[bytes],
    incoming: Incoming,
    verifiers: Iterable[Verifier],
    listing: Listing,
    limits: ReceivingLimits,
) -> None:
    """Hash `body` and make it durable while it comes. Raises BodyTooLarge, NoRoom, TimeoutError.

    Only waiting for the sender counts against its pace, not waiting for the disk.
    """

    def keep(pieces: list[bytes]) -> None:
        # Each call that leaves the interpreter must wait to get back to it, so there are few of them.
        portion = b"".join(pieces)
        incoming.write(portion)
        for verifier in verifiers:
            verifier.update(portion)

    def sync(_: list[bytes]) -> None:
        incoming.sync()

    keeping = Portions(keep, _KEPT_AT_ONCE, _MOST_WAITING)
    syncing = Portions(sync, _SYNCED_AT_ONCE, _MOST_WAITING)
    total = 0
    try:
        async with SenderPatience(limits.pace) as patience:
            async for piece in body:
                patience.end()
                total += len(piece)
                if total > limits.body_bytes:
                    raise BodyTooLarge(f"the body is larger than {limits.body_bytes} bytes")
                await keeping.add(piece)
                await syncing.add(piece)
                listing.take([piece])
                patience.begin(total)
            patience.end()
        await keeping.end()
        await syncing.end()
    finally:
        # Whoever is about to remove the file must wait until no thread uses it.
        await keeping.settle()
        await syncing.settle()
