"""What an integration asks for at `/v1/authorize`, as its request says it (RFC 6749 section 4.1.1, RFC 7636)."""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from cdrelay.contract.pkce import is_pkce_text
from cdrelay.publisher.access.forms import Form
from cdrelay.publisher.access.integrations import Integration, Integrations
from cdrelay.publisher.errors import IntegrationUnknown, OAuthError, RedirectRefused

_CHALLENGE_METHODS = ("S256", "plain")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who asks, and the registered address where every answer goes."""

    integration: Integration
    redirect_uri: str
    state: str | None

    def answer(self, **parameters: str) -> str:
        """The address with an answer in it; the state is given back as it came."""
        if self.state is not None:
            parameters["state"] = self.state
        return f"{self.redirect_uri}{'&' if urlsplit(self.redirect_uri).query else '?'}{urlencode(parameters)}"

    def refusal(self, error: OAuthError) -> str:
        """The address with an error in it."""
        return self.answer(error=error.code, error_description=str(error))


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for."""

    scopes: tuple[str, ...]
    challenge: str | None
    method: str | None


def read_sender(query: Form, integrations: Integrations) -> Sender:
    """Raises RedirectRefused: until this has passed nothing may be redirected anywhere."""
    if any(name in query.repeated for name in ("client_id", "redirect_uri", "state")):
        raise RedirectRefused("client_id, redirect_uri and state are given once each")
    try:
        integration = integrations.get(query.get("client_id"))
    except IntegrationUnknown:
        integration = None
    if integration is None or integration.revoked_at is not None:
        raise RedirectRefused("client_id: no integration has it")
    registered, given = integration.redirect_uris, query.get("redirect_uri")
    if given not in registered:
        raise RedirectRefused("redirect_uri: is not, letter by letter, one that the integration has registered")
    return Sender(integration, given, query.get("state") if query.all("state") else None)


def read_asked(query: Form, sender: Sender) -> Asked:
    """Raises OAuthError, which goes to the sender's address."""
    if query.repeated:
        raise OAuthError("invalid_request", f"{query.repeated[0]} is given more than once")
    if query.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type must be code")
    scopes = scopes_of(query.get("scope")) or sender.integration.scopes
    if beyond := [scope for scope in scopes if scope not in sender.integration.scopes]:
        raise OAuthError("invalid_scope", f"the integration is not registered for {' '.join(beyond)}")
    challenge, method = query.get("code_challenge") or None, query.get("code_challenge_method") or None
    if method is not None and (challenge is None or method not in _CHALLENGE_METHODS):
        raise OAuthError("invalid_request", "code_challenge_method must be S256 or plain, and go with a code_challenge")
    if challenge is not None and not is_pkce_text(challenge):
        raise OAuthError("invalid_request", "code_challenge must be 43 to 128 letters, digits, or - . _ ~")
    return Asked(scopes, challenge, (method or "plain") if challenge else None)


def scopes_of(text: str) -> tuple[str, ...]:
    """Those in a parameter, each once."""
    return tuple(dict.fromkeys(text.split()))
