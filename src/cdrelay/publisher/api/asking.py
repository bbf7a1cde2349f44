"""Who asks and about whom: what every request for records has in common."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import Request, Security
from fastapi.security import HTTPBearer

from cdrelay.contract.history import NEXT_ID, NEXT_TIME
from cdrelay.contract.organization_ids import organization_uuid
from cdrelay.contract.query import ParameterError
from cdrelay.control.secrets_at_rest import token_hash
from cdrelay.publisher.api.rate_limit import RateLimit
from cdrelay.publisher.api.regions import Regions
from cdrelay.publisher.api_errors import ApiError, bearer_of
from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.parties import CDR_SCOPE

BEARER = Security(HTTPBearer(scheme_name="partnerToken", description="A partner access token", auto_error=False))
"""Says in OpenAPI that a token is needed; `asker_of` is what asks for it."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for records: a partner, and which of its customers the token reaches."""

    partner_id: str
    reach: frozenset[str] | None
    """Ids of organizations; None: all of the partner's."""

    def reached(self, org_uuids: Iterable[str]) -> list[str]:
        """Those of them that the token reaches, in their order."""
        return [org_uuid for org_uuid in org_uuids if self.reach is None or org_uuid in self.reach]


def asker_of(directory: Directory, request: Request) -> Asker:
    """Whose access token the request carries. Raises ApiError 401, and 403 when its scope is another."""
    token = bearer_of(request)
    holder = directory.credentials.holder_of(token) if token else None
    if holder is None:
        what = "is unknown, expired or revoked" if token else "is needed: Authorization: Bearer …"
        raise ApiError(401, f"a partner access token {what}", {"WWW-Authenticate": "Bearer"})
    if CDR_SCOPE not in holder.scopes:
        challenge = f'Bearer error="insufficient_scope", scope="{CDR_SCOPE}"'
        raise ApiError(403, f"the access token lacks the scope {CDR_SCOPE}", {"WWW-Authenticate": challenge})
    return Asker(holder.partner_id, holder.reach)


@contextmanager
def parameters_kept() -> Iterator[None]:
    """Turns a parameter that breaks a rule into an answer."""
    try:
        yield
    except ParameterError as error:
        raise ApiError(400, str(error)) from error


_KNOWN = ("startTime", "endTime", "orgId", "orgID", "page", "max", "locations", NEXT_TIME, NEXT_ID)


def read_parameters(request: Request) -> Mapping[str, str]:
    """The query parameters. Raises ParameterError for one that has two values: nobody knows which of them is meant.

    The same value twice is one: clients follow a link and add their own parameters to it.
    """
    given = request.query_params
    for name in _KNOWN:
        if len(set(given.getlist(name))) > 1:
            raise ParameterError(name, "is given more than once, with different values; ask for one at a time")
    return given


def read_org_id(text: str | None) -> str:
    """The organization that a parameter names, plain or encoded. Raises ParameterError."""
    if not text:
        raise ParameterError("orgId", "is required")
    try:
        return organization_uuid(text)
    except ValueError as error:
        raise ParameterError("orgId", str(error)) from error


def require_region(directory: Directory, regions: Regions, org_uuid: str) -> None:
    """Raises ApiError 451 with the right host when another region's publisher holds the organization's records."""
    region = directory.organization(org_uuid).region if regions.own else ""
    if not regions.holds(region):
        raise ApiError(451, regions.directions(org_uuid, region))


def require_patience(request: Request, limit: RateLimit) -> None:
    """Raises ApiError 429 with Retry-After when the token has asked too often.

    To be called last: a request that is refused for another reason costs nothing and uses up nothing.
    """
    seconds = limit.seconds_to_wait(token_hash(bearer_of(request) or ""))
    if seconds:
        raise ApiError(429, "Request rate exceeds threshold", {"Retry-After": str(seconds)})
