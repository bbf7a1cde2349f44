"""Who manages the directory over HTTP and with what: the operator's key, parameters and bodies."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from cdrelay.publisher.access.operator_keys import OperatorKeys
from cdrelay.publisher.api_errors import ApiError
from cdrelay.publisher.directory.row_rules import first_problem
from cdrelay.publisher.errors import (
    AdministratorExists,
    AdministratorRefused,
    AdministratorUnknown,
    EntryConflicts,
    EntryUnknown,
    OrganizationUnknown,
    PartnerExists,
    PartnerUnknown,
    PublisherError,
)

LARGEST_ENTRY = 1024 * 1024
"""Bytes of the body that says one entry."""
LARGEST_DOCUMENT = 64 * 1024 * 1024
"""Bytes of a document over HTTP; the command line takes larger ones."""

_BEARER = HTTPBearer(scheme_name="operatorKey", description="An operator key", auto_error=False)
_UNKNOWN = (PartnerUnknown, OrganizationUnknown, EntryUnknown, AdministratorUnknown)
# An administrator's fields have been looked at before: what is refused then is that two do not go together.
_CONFLICTS = (PartnerExists, AdministratorExists, AdministratorRefused, EntryConflicts)
Model = TypeVar("Model", bound=BaseModel)
T = TypeVar("T")


def operator_required(keys: OperatorKeys) -> Callable[..., Any]:
    """A dependency: raises ApiError 401 unless the request carries an operator key."""

    async def require_operator(given: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]) -> None:
        if given is None or not await asyncio.to_thread(keys.valid, given.credentials):
            what = "is unknown or revoked" if given else "is needed: Authorization: Bearer …"
            raise ApiError(401, f"an operator key {what}", {"WWW-Authenticate": "Bearer"})

    return require_operator


@contextmanager
def _told() -> Iterator[None]:
    """Turns what is refused into an answer."""
    try:
        yield
    except _UNKNOWN as error:
        raise ApiError(404, str(error)) from error
    except _CONFLICTS as error:
        raise ApiError(409, str(error)) from error
    except PublisherError as error:
        raise ApiError(400, str(error)) from error


async def doing(work: Callable[[], T]) -> T:
    """Do it beside the event loop. Raises ApiError for what is refused."""
    with _told():
        return await asyncio.to_thread(work)


def read_parameters(request: Request, model: type[Model]) -> Model:
    """The parameters of a request. Raises ApiError 400."""
    return _read(lambda: model.model_validate(dict(request.query_params)))


async def read_entry(request: Request, model: type[Model]) -> Model:
    """The body of a request as an entry. Raises ApiError 400, 413, 415."""
    if content_type(request) != "application/json":
        raise ApiError(415, "the Content-Type must be application/json")
    body = await read_body(request, LARGEST_ENTRY)
    return _read(lambda: model.model_validate_json(body))


def _read(read: Callable[[], Model]) -> Model:
    try:
        return read()
    except ValidationError as error:
        name, rule = first_problem(error)
        raise ApiError(400, f"{name}: {rule}") from error


def content_type(request: Request) -> str:
    """In lower case, without parameters. Raises ApiError 415 for a body that is packed."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise ApiError(415, "the body must come unpacked", {"Accept-Encoding": "identity"})
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, largest: int) -> bytes:
    """The whole body. Raises ApiError 413, and 400 when it breaks off."""
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > largest:
                raise ApiError(413, f"the body must have at most {largest} bytes")
    except ClientDisconnect as error:
        raise ApiError(400, "the body broke off") from error
    return bytes(body)


def parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The query parameters that a model reads, for OpenAPI."""
    found = []
    for name, said in model.model_json_schema()["properties"].items():
        # A parameter is given or not; null is no value of one.
        choices = [one for one in said.pop("anyOf", []) if one != {"type": "null"}]
        what = said.pop("description", "")
        schema = {key: value for key, value in said.items() if key != "title" and value is not None}
        found.append(
            {"name": name, "in": "query", "description": what, "schema": schema | (choices[0] if choices else {})}
        )
    return found


def body(content: dict[str, Any]) -> dict[str, Any]:
    """A required request body for OpenAPI, by content type."""
    return {"required": True, "content": {kind: {"schema": schema} for kind, schema in content.items()}}
