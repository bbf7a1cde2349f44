"""The OpenAPI document of the app: as FastAPI makes it from the routes, without what is not so."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_DESCRIPTION = (
    "The partner endpoints, history APIs, intake, directory and tokens of a publisher; the webhook of a "
    "collector; the state of both. Parameters that are not listed are passed over."
)
# FastAPI says this of every operation with parameters; our errors have another shape and status.
_NOT_OURS = ("HTTPValidationError", "ValidationError")


def install_openapi(app: FastAPI) -> None:
    """Let the app describe itself, at `/openapi.json` too. To be called when all routes are there."""
    app.openapi = _kept(lambda: _document(app))  # type: ignore[method-assign]  # how FastAPI wants it done


def _kept(make: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    made: list[dict[str, Any]] = []

    def document() -> dict[str, Any]:
        if not made:
            made.append(make())
        return made[0]

    return document


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes)
    for operation in (each for path in document["paths"].values() for each in path.values()):
        if _NOT_OURS[0] in str(operation["responses"].get("422")):
            del operation["responses"]["422"]
    schemas = document.get("components", {}).get("schemas", {})
    for name in _NOT_OURS:
        schemas.pop(name, None)
    return document
