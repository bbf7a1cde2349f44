"""What a browser gets where there is no page, or none at the moment: never bare JSON. Programs get what they got."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException

from cdrelay.control.database import DatabaseUnavailable
from cdrelay.hub.pages import render_refusal
from cdrelay.publisher.api_errors import RETRY_SECONDS

_FAILED = (
    "something went wrong here, and whoever runs this server finds it in the log; "
    "look whether it was done before you repeat it"
)


def install_error_pages(app: FastAPI, home: str) -> None:
    """To be called after the handlers that answer programs; `home` is where each page leads on to."""

    def no_page(error: HTTPException) -> Response:
        page = render_refusal(None, error.status_code, "there is nothing at this address", "No such page", home)
        page.headers.update(error.headers or {})
        return page

    def not_now(error: DatabaseUnavailable) -> Response:
        page = render_refusal(None, 503, str(error), "Not at the moment", home)
        page.headers["Retry-After"] = str(RETRY_SECONDS)
        return page

    def failed(_error: Exception) -> Response:
        return render_refusal(None, 500, _FAILED, "This did not work", home)

    for kind, page in ((HTTPException, no_page), (DatabaseUnavailable, not_now), (Exception, failed)):
        _for_browsers(app, kind, page)


def _for_browsers(app: FastAPI, kind: type[Exception], page: Callable[[Any], Response]) -> None:
    for_programs: Any = app.exception_handlers.get(kind, _plainly)

    async def answer(request: Request, error: Exception) -> Response:
        browser = "text/html" in request.headers.get("Accept", "") and not request.url.path.startswith("/v1/")
        found: Response = page(error) if browser else await for_programs(request, error)
        return found

    app.add_exception_handler(kind, answer)


async def _plainly(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("Internal Server Error", 500)
