"""The routes of the hub: page, status, metrics, health. They show counts, times and ids, and need no sign-in."""

import asyncio
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from cdrelay.control.database import DatabaseUnavailable
from cdrelay.hub.head import HeadAsGet
from cdrelay.hub.health import readiness_problems
from cdrelay.hub.metrics import metrics_text
from cdrelay.hub.page import render, render_unavailable
from cdrelay.hub.status import StatusSource, as_json
from cdrelay.lake.spool import Spool

PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'none'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


_UNAVAILABLE: dict[int | str, dict[str, Any]] = {503: {"description": "No database for the moment"}}


class Readiness(BaseModel):
    """Whether records can be taken in and questions be answered, and what stands against it."""

    ready: bool
    problems: list[str]


def status_router(source: StatusSource, spools: Sequence[Spool]) -> APIRouter:
    """What programs ask: `/api/status`, `/metrics`, `/healthz`, `/readyz`."""
    router = APIRouter(tags=["status"])

    @router.get("/api/status", summary="The state of the loop", responses=_UNAVAILABLE)
    async def status() -> dict[str, Any]:
        return as_json(await asyncio.to_thread(source.read))

    @router.get(
        "/metrics",
        summary="The same for Prometheus",
        response_class=PlainTextResponse,
        responses={**_UNAVAILABLE, 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics() -> Response:
        return Response(metrics_text(await asyncio.to_thread(source.read)), media_type=CONTENT_TYPE_LATEST)

    @router.get("/healthz", summary="Whether the process is alive")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get(
        "/readyz",
        summary="Whether it can take records in and answer",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "It cannot, for these reasons"}},
    )
    async def readyz() -> JSONResponse:
        problems = await asyncio.to_thread(readiness_problems, source, spools)
        return JSONResponse({"ready": not problems, "problems": problems}, 503 if problems else 200)

    return router


def page_router(source: StatusSource) -> APIRouter:
    """What people look at: `/`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page(request: Request) -> Response:
        try:
            status = await asyncio.to_thread(source.read)
        except DatabaseUnavailable as error:
            return _html(render_unavailable(str(error)), 503)
        return _html(render(status, str(request.base_url), paused="paused" in request.query_params))

    return router


def _html(text: str, status: int = 200) -> Response:
    return Response(text, status, PAGE_HEADERS, "text/html; charset=utf-8")


def install_hub(app: FastAPI, source: StatusSource, spools: Sequence[Spool], *, pages: bool) -> None:
    """Add the status routes and, when this process shows pages, the page with its style sheet; all answer HEAD too."""
    app.add_middleware(HeadAsGet)
    app.include_router(status_router(source, spools))
    if pages:
        app.include_router(page_router(source))
        app.mount("/static", StaticFiles(directory=str(files("cdrelay.hub") / "static")), name="static")

    async def unavailable(_request: Request, error: Exception) -> Response:
        return JSONResponse({"message": str(error)}, 503, {"Retry-After": "5"})

    # The publisher's own handler, when it is there, also answers for its paths in their shape.
    if DatabaseUnavailable not in app.exception_handlers:
        app.add_exception_handler(DatabaseUnavailable, unavailable)
