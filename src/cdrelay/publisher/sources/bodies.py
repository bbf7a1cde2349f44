"""From the bytes of a body or a file to the JSON text of each record or CDR in it."""

import base64
import binascii
from urllib.parse import unquote_to_bytes

import msgspec

from cdrelay.errors import UNREADABLE
from cdrelay.lake.payload import BodyUnreadable, split
from cdrelay.publisher.sources.origin import Format

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LISTS = {"items", "data"}


def split_body(body: bytes, form: Format, *, lines: bool) -> list[msgspec.Raw]:
    """The JSON text of each record or CDR of a body. Raises BodyUnreadable.

    Platforms post one CDR at a time: an object that is no list of anything is one. FreeSWITCH's may be encoded.
    """
    if form == "record":
        return split(body, lines=lines)
    text = decoded_cdr(body) if form == "freeswitch" else body
    if not lines and text.lstrip()[:1] == b"{":
        try:
            keys = _OBJECT.decode(text)
        except UNREADABLE as error:
            raise BodyUnreadable(f"the body is no CDR in JSON: {error}") from error
        if not _LISTS & keys.keys():
            return [msgspec.Raw(text)]
    return split(text, lines=lines)


def decoded_cdr(body: bytes) -> bytes:
    """The JSON of what `mod_json_cdr` sends or writes. Raises BodyUnreadable.

    That is plain JSON, or the form field `cdr` with the JSON in percent encoding or base64 (`encode`), and in the files
    for what could not be posted the same without the field's name. The Content-Type does not tell which: with
    `disable-100-continue` the module loses it.
    """
    text = body.strip()
    field = text.startswith(b"cdr=")
    text = text.removeprefix(b"cdr=")
    if text[:1] in (b"{", b"["):
        return text
    if text[:1] == b"%":
        return unquote_to_bytes(text.replace(b"+", b" ") if field else text)
    try:
        # The module breaks its lines after 72 signs.
        return base64.b64decode(b"".join(text.split()), validate=True).rstrip(b"\0")
    except binascii.Error as error:
        raise BodyUnreadable("the body is neither JSON nor the form field cdr with JSON in it") from error
