"""What the pages of a collector share in answering: while there is no database, and of many pages which."""

import re
from collections.abc import Callable

from fastapi import Response

from cdrelay.control.database import DatabaseUnavailable
from cdrelay.hub.page import render_unavailable
from cdrelay.hub.pages import page_headers


def answered(make: Callable[[], Response]) -> Response:
    """The page that `make` makes; the one that says why there is none, with 503, while the database is away."""
    try:
        return make()
    except DatabaseUnavailable as error:
        return Response(render_unavailable(str(error)), 503, page_headers(), "text/html; charset=utf-8")


def page_number(text: str) -> int:
    """The number of a page, from 1, as it stands in an address; what makes no sense is the first."""
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,6}", text, re.ASCII) else 1
