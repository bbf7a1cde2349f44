"""Erasing a person from the bodies that wait to be delivered."""

from contextlib import suppress

from cdrelay.callbacks.bodies import PackedBody
from cdrelay.lake.erasure import erased_body
from cdrelay.lake.forgotten import Forgotten
from cdrelay.publisher.delivery.outbox import Outbox
from cdrelay.publisher.errors import BodyMissing


def erase_from_outbox(outbox: Outbox, forgotten: Forgotten, unpacked_limit: int, *, change: bool = True) -> int:
    """Erase from every body, or count those that would change; from how many. Again finds none.

    To be called when the lake was gone through, so that no tick brings the person's data anew. What is being sent at
    this moment is sent as it was. Report IDs stay, and with them the digest in the manifest.
    """
    touched = 0
    with outbox.alone():
        for delivery_id in outbox.with_body():
            with suppress(BodyMissing):  # it was delivered meanwhile
                left = erased_body(outbox.read_body(delivery_id), forgotten, unpacked_limit)
                touched += left is not None
                if change and left is not None:
                    outbox.replace_body(delivery_id, PackedBody.pack(left))
    return touched
