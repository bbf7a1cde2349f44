"""Who asks and about whom: what every request for records has in common."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request

from cdrelay.contract.organization_ids import organization_uuid
from cdrelay.contract.query import ParameterError
from cdrelay.publisher.api_errors import ApiError, bearer_of
from cdrelay.publisher.directory import Directory
from cdrelay.publisher.parties import Partner


def partner_of(directory: Directory, request: Request) -> Partner:
    """The partner whose access token the request carries. Raises ApiError 401."""
    token = bearer_of(request)
    partner = directory.partner_for_token(token) if token else None
    if partner is None:
        what = "is unknown, expired or revoked" if token else "is needed: Authorization: Bearer …"
        raise ApiError(401, f"a partner access token {what}", {"WWW-Authenticate": "Bearer"})
    return partner


@contextmanager
def parameters_kept() -> Iterator[None]:
    """Turns a parameter that breaks a rule into an answer."""
    try:
        yield
    except ParameterError as error:
        raise ApiError(400, str(error)) from error


def read_org_id(text: str | None) -> str:
    """The organization that a parameter names, plain or encoded. Raises ParameterError."""
    if not text:
        raise ParameterError("orgId", "is required")
    try:
        return organization_uuid(text)
    except ValueError as error:
        raise ParameterError("orgId", str(error)) from error
