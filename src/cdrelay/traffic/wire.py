"""Records as bytes, made in a few microseconds: what seldom changes is encoded once and kept as bytes.

A record is one of two templates filled from a mapping. Both have all 87 keys in wire order, straight from the table of
fields. Three sorts of field differ in how they are filled:

* fields that are the same in every record of a party come as *runs*: neighbours on the wire, encoded as one piece;
* fields that differ from record to record have a slot each;
* the seldom ones, marks of features, have a slot in `FULL` only; in `PLAIN` they are gaps.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import md5
from itertools import groupby

from cdrelay.records.fields import BY_NAME, FIELDS

Values = dict[bytes, bytes]
"""Names of fields (or of the first field of a run) to encoded values, without the quotes around them."""

PARTY_FIELDS = frozenset((
    "Client type", "Client version", "Device MAC", "Org UUID", "OS type", "Site main number", "Site timezone",
    "Sub client type", "User UUID", "User type", "User", "Location", "Site UUID", "Department ID", "Model",
    "User number", "External customer ID", "External caller ID number",
))  # fmt: skip
PSTN_FIELDS = frozenset(("PSTN legal entity", "PSTN vendor org ID", "PSTN vendor name", "PSTN provider ID"))
SELDOM_FIELDS = frozenset((
    "International country", "Original reason", "Redirect reason", "Related reason", "Redirecting number",
    "Transfer related call ID", "Authorization code", "Call transfer time", "Related call ID", "Call outcome",
    "Redirecting party UUID", "Device owner UUID", "Call Recording Platform Name", "Call Recording Result",
    "Call Recording Trigger", "Original called party UUID", "Recall type", "Auto Attendant Key Pressed", "Queue type",
    "Answered elsewhere", "Route list calls overage", "Caller Reputation Score", "Caller Reputation Service Result",
    "Caller Reputation Score Reason", "Interaction ID", "WxCC consult merge status", "ELIN", "Emergency number source",
    "Transfer type", "Transfer type context", "Answer reason",
))  # fmt: skip

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = tuple(b"%02d.%03dZ" % divmod(ms, 1000) for ms in range(60_000))
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def escaped(text: str) -> bytes:
    """`text` as it stands between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()


@lru_cache(8192)
def _minute(minute: int) -> bytes:
    return f"{_EPOCH + timedelta(minutes=minute):%Y-%m-%dT%H:%M:}".encode()


def stamp(ms: int) -> bytes:
    """A moment as the wire writes it; `ms` are milliseconds since 1970 in UTC."""
    return _minute(ms // 60_000) + _SECONDS[ms % 60_000]


def report_id(content: bytes) -> bytes:
    """A version-3 UUID computed from content, like those seen on the wire: the same content, the same id."""
    # uuid.uuid3 does the same in several times the time.
    h = md5(content, usedforsecurity=False).hexdigest()
    return f"{h[:8]}-{h[8:12]}-3{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:]}".encode()


def runs(names: frozenset[str], values: Mapping[str, str]) -> Values:
    """The runs that `names` make on the wire, each encoded from `values` under the name of its first field.

    A name without a value is a gap.
    """
    encoded: Values = {}
    for inside, fields in groupby(FIELDS, key=lambda field: field.name in names):
        if inside:
            run = [field.name for field in fields]
            encoded[run[0].encode()] = b",".join(_member(name, escaped(values.get(name, ""))) for name in run)
    return encoded


def _member(name: str, value: bytes) -> bytes:
    quote = b"" if BY_NAME[name].wire_number else b'"'
    return b'"' + name.encode() + b'":' + quote + value + quote


def _template(constant: frozenset[str], gaps: Mapping[str, str]) -> bytes:
    first_of_run = {name.decode() for group in (PARTY_FIELDS, PSTN_FIELDS) for name in runs(group, {})}
    parts = []
    for field in FIELDS:
        slot = b"%%(%b)b" % field.name.encode()
        if field.name in PARTY_FIELDS | PSTN_FIELDS:
            if field.name in first_of_run:
                parts.append(slot)
        else:
            value = escaped(gaps.get(field.name, "")).replace(b"%", b"%%")
            parts.append(_member(field.name, value if field.name in constant else slot))
    return b"{" + b",".join(parts) + b"}"


# Most calls succeed, and captured records write the attendant's key either way when none was pressed.
_UNMARKED = {"Call outcome": "Success"}
_UNMARKED_NA = {**_UNMARKED, "Auto Attendant Key Pressed": "NA"}

PLAIN = _template(SELDOM_FIELDS, _UNMARKED)
PLAIN_NA = _template(SELDOM_FIELDS, _UNMARKED_NA)
"""`PLAIN` for parties whose site writes gaps as `NA`."""
FULL = _template(frozenset(), {})
UNMARKED: Values = {name.encode(): escaped(_UNMARKED.get(name, "")) for name in SELDOM_FIELDS}
"""What the seldom fields hold until a feature marks them."""
