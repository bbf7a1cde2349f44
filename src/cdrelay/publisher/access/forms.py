"""Forms as browsers and OAuth clients send them: `application/x-www-form-urlencoded`, small, read whole."""

from collections.abc import Iterable
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from cdrelay.publisher.errors import FormRefused

_LARGEST = 65_536
_MOST_FIELDS = 1_000


class Form:
    """The fields of a form or of a query."""

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in fields:
            self._fields.setdefault(name, []).append(value)

    def get(self, name: str, default: str = "") -> str:
        """What was given first under that name."""
        return self._fields.get(name, [default])[0]

    def all(self, name: str) -> list[str]:
        """All that was given under that name, as ticked boxes are."""
        return list(self._fields.get(name, ()))

    @property
    def repeated(self) -> list[str]:
        """Names that were given more than once."""
        return [name for name, values in self._fields.items() if len(values) > 1]


async def read_form(request: Request) -> Form:
    """The form in the body; an empty one where there is none. Raises FormRefused."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST:
            raise FormRefused(f"a form has at most {_LARGEST} bytes")
    if body and kind != "application/x-www-form-urlencoded":
        raise FormRefused("a form comes as application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise FormRefused("the form cannot be read") from error
    return Form(pairs)


FormBody = Annotated[Form, Depends(read_form)]
"""The form of a POST, for a handler that is no coroutine and so may block."""
