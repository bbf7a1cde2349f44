"""Loading again what was put aside, once its cause is mended: through the spool, like anything else.

The new payload has the source, the channel and the time of receipt of the one it came in, and its name with a number
after it: `NAME~2`, and `NAME~3` when it had to be put aside once more. Its records name it in the lake.

First it is durable in the spool, then it leaves the quarantine. Killed between the two, it is in both; doing so again
makes the same file again, and its records are stored once.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from cdrelay.lake.quarantine import PutAside, Quarantine
from cdrelay.lake.spool import Envelope, Spool

_AGAIN = re.compile(r"(?P<name>.*)~(?P<number>[0-9]+)", re.ASCII | re.DOTALL)


def load_again(quarantine: Quarantine, spool: Spool, payload: str, now: datetime) -> str:
    """Put what is in quarantine of a payload back into the spool; the name of the new payload. Blocking.

    Raises NotInQuarantine, and NoRoom, then it stays where it is.
    """
    records = quarantine.of_payload(payload)
    first = next(records)
    envelope = Envelope(
        id=_next_name(payload),
        source=first.source,
        channel=first.channel,
        received=first.received or now,
        content_encoding=first.content_encoding,
        lines=first.lines or not first.whole_body,
        manifest=first.manifest,
        asked_for=first.asked_for,
    )
    with spool.incoming(envelope) as incoming:
        for piece in [first.record] if first.whole_body else _as_lines(first, records):
            incoming.write(piece)
        incoming.commit()
    quarantine.drop(payload)
    return envelope.id


def first_name(payload: str) -> str | None:
    """The name of the payload whose records this one loads again; None when it does not."""
    again = _AGAIN.fullmatch(payload)
    return again["name"] if again else None


def _as_lines(first: PutAside, others: Iterable[PutAside]) -> Iterator[bytes]:
    for one in (first, *others):
        # In JSON a line feed stands only between tokens, where a space means the same.
        yield one.record.replace(b"\n", b" ") + b"\n"


def _next_name(payload: str) -> str:
    again = _AGAIN.fullmatch(payload)
    return f"{again['name']}~{int(again['number']) + 1}" if again else f"{payload}~2"
