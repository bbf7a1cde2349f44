"""Taking in a webhook's POST: verify, make durable, answer; loading comes later.

A payload that `receive` returns for is on the disk, file and folder flushed. In every other case nothing of it is left,
save for bodies that are no JSON: they go aside.

Three things are done side by side while a body comes: the event loop checks that its records are JSON (`lake/listing`),
a thread hashes and writes it, and another makes durable what is written. A body that cannot be checked so, and one that
is compressed, is checked once it is there: from the file as the system caches it, so that memory does not hold it. That
holds the interpreter for about 0.35 s per GB, so few are checked at once.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol
from uuid import uuid4

import structlog

from cdrelay.clock import Clock
from cdrelay.collector.admission import (
    Admission,
    ReceivingLimits,
    SenderTooSlow,
    TooManyAtOnce,
    TooManyRequests,
)
from cdrelay.collector.aside import Aside
from cdrelay.collector.body_taking import take_body
from cdrelay.collector.errors import CollectorError, SourceUnknown
from cdrelay.collector.incident_log import IncidentLog
from cdrelay.collector.record_numbers import count_records
from cdrelay.collector.refusals import Reason, RefusalCounts, Refusals
from cdrelay.collector.sources import Source
from cdrelay.contract.manifest import Manifest
from cdrelay.contract.signature import Verifier
from cdrelay.errors import CdrelayError
from cdrelay.lake.listing import Listing
from cdrelay.lake.payload import BodyTooLarge, BodyUnreadable
from cdrelay.lake.spool import ContentEncoding, Envelope, Incoming, NoRoom, Spool

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
    sender: str
    """The network that it comes from."""
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


_TOLD: Mapping[type[CdrelayError], Reason] = {
    SourceUnknown: "unknown_source",
    EncodingUnsupported: "encoding",
    BodyTooLarge: "too_large",
    SignatureRefused: "signature",
    SenderTooSlow: "too_slow",
    TooManyRequests: "rate",
    TooManyAtOnce: "at_once",
}
"""Refusals that nothing else tells of: no alarm, and no body that lies aside."""


class KnownSources(Protocol):
    """Who may send."""

    async def known(self, name: str) -> Source:
        """The source of that name. Raises SourceUnknown."""
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
        refused: RefusalCounts | None = None,
    ) -> None:
        self._sources = sources
        self._spool = spool
        self._aside = aside
        self._incidents = incidents
        self._refusals = Refusals(incidents, clock)
        self.refused = refused or RefusalCounts()
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
        began, payload = perf_counter(), self._new_id()
        size, outcome = 0, "interrupted"
        try:
            source = await self._sources.known(offered.source)
            verifiers = self._admit(source, offered)
            envelope = Envelope(
                id=payload,
                source=source.name,
                channel="webhook",
                received=self._clock.now(),
                content_encoding=read_encoding(offered.content_encoding),
                signature=offered.signature or offered.signature_sha256,
                manifest=offered.manifest,
            )
            with self._admission.admitted(source.name, offered.sender, signed=bool(verifiers)):
                async with self._incoming(envelope, offered.content_length or 0) as incoming:
                    listing = Listing()
                    if envelope.content_encoding:
                        listing.give_up()
                    await self._take(body, incoming, verifiers, listing)
                    size = incoming.size
                    if verifiers:
                        self._verify(offered, verifiers)
                    records = listing.end()
                    if records is None:
                        records = await self._check(envelope, incoming)
                    await asyncio.to_thread(incoming.commit)
            outcome = "kept"
        except CdrelayError as error:
            outcome = type(error).__name__
            if (reason := _TOLD.get(type(error))) is not None:
                self.refused.add(reason)
                await self._refusals.note(offered.source, error)
            raise
        finally:
            _log.info(
                "payload.received",
                source=offered.source[:64],
                payload=payload,
                outcome=outcome,
                bytes=size,
                milliseconds=round((perf_counter() - began) * 1000, 1),
            )
        return Received(payload, records)

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

    def _verify(self, offered: Offered, verifiers: dict[Verifier, str]) -> None:
        if all(verifier.accepts(signature) for verifier, signature in verifiers.items()):
            self._admission.genuine(offered.source, offered.sender)
        else:
            self._admission.refused(offered.source, offered.sender)
            raise SignatureRefused("the signature does not fit the body")

    async def _take(
        self, body: AsyncIterable[bytes], incoming: Incoming, verifiers: Iterable[Verifier], listing: Listing
    ) -> None:
        try:
            await take_body(body, incoming, verifiers, listing, self._limits)
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
