"""Hashing a body, making it durable and checking its records, side by side, while it comes."""

from collections.abc import AsyncIterable, Iterable

from cdrelay.collector.admission import ReceivingLimits, SenderPatience
from cdrelay.collector.portions import Portions
from cdrelay.contract.signature import Verifier
from cdrelay.lake.listing import Listing
from cdrelay.lake.payload import BodyTooLarge
from cdrelay.lake.spool import Incoming

_KEPT_AT_ONCE = 2**20
"""Bytes handed to a thread: large against the cost of a hop (some 50 µs), small against memory. Measured."""
_SYNCED_AT_ONCE = 2**22
_MOST_WAITING = 2**23
"""Bytes of one body that may wait for a thread; its sender waits then too."""


async def take_body(
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
