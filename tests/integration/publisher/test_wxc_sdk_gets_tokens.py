"""The public SDK as an outside integration: its own OAuth flow and renewal against ours, over TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from requests import HTTPError
from wxc_sdk import WebexSimpleApi
from wxc_sdk.integration import Integration
from wxc_sdk.rest import RestError
from wxc_sdk.tokens import Tokens

from cdrelay.publisher.parties import CDR_SCOPE
from tests.integration.publisher.oauth_bench import PASSWORD, Office, answered, opened, store
from tests.integration.publisher.publisher_bench import ORG, record
from tests.support.tls import write_certificate
from tests.support.visitor import visiting

REDIRECT = "http://localhost:6001/redirect"
"""The address that the SDK listens at in its own flow."""


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the SDK's own connections trust."""
    file = write_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return file


@pytest.fixture
async def office(tmp_path: Path, certificate: Path) -> AsyncIterator[Office]:
    """With an integration that the SDK plays."""
    async with opened(tmp_path / "home", certificate, REDIRECT) as running:
        yield running


@pytest.fixture
def integration(office: Office) -> Integration:
    """The SDK's side of it."""
    return Integration(
        client_id=office.app.client_id,
        client_secret=office.secret,
        scopes=[CDR_SCOPE, "spark:kms"],
        redirect_url=REDIRECT,
        auth_service=f"{office.address}/v1/authorize",
        token_service=f"{office.address}/v1/access_token",
    )


async def consent(office: Office, certificate: Path, url: str) -> dict[str, str]:
    """A person opens that address, signs in and allows; what the redirect tells the SDK."""
    async with visiting(office.address, ssl.create_default_context(cafile=str(certificate))) as visitor:
        turned = await visitor.get(url)
        form = (await visitor.get(turned.location)).form("/sign-in")
        entered = await visitor.send(form, email="ada@example.com", password=PASSWORD)
        assert "secure" in entered.set_cookie.lower()
        return answered(await office.ask(visitor, entered.location))


def read(office: Office, certificate: Path, tokens: Tokens) -> list[str]:
    """The organizations of the records that the SDK reads with them."""
    with WebexSimpleApi(tokens=tokens) as api:
        api.session.verify = str(certificate)
        api.session.headers["Connection"] = "close"
        host = office.address.removeprefix("https://")
        end = office.clock.now() - timedelta(minutes=10)
        found = api.cdr.get_cdr_history(start_time=end - timedelta(hours=1), end_time=end, host=host, orgId=ORG)
        return [one.org_uuid for one in found]


async def test_it_gets_tokens_reads_and_renews_them(
    office: Office, certificate: Path, integration: Integration
) -> None:
    told = await consent(office, certificate, integration.auth_url(state="xyz"))
    assert told["state"] == "xyz"
    tokens = await asyncio.to_thread(integration.tokens_from_code, told["code"])
    assert (tokens.token_type, tokens.scope) == ("Bearer", f"{CDR_SCOPE} spark:kms")
    assert tokens.remaining in range(14 * 86_400 - 10, 14 * 86_400 + 1)
    store(office, record("before", office.clock.now() - timedelta(minutes=30)))
    assert await asyncio.to_thread(read, office, certificate, tokens) == [ORG]

    assert not await asyncio.to_thread(integration.validate_tokens, tokens)
    office.clock.advance(timedelta(days=14))
    with pytest.raises(RestError) as refused:
        await asyncio.to_thread(read, office, certificate, tokens)
    assert refused.value.response.status_code == 401

    before = tokens.model_copy()
    # It goes by the machine's clock, which has not moved: what it would see in 14 days is put in its hands.
    assert tokens.expires_at is not None
    tokens.expires_at -= timedelta(days=14)
    assert await asyncio.to_thread(integration.validate_tokens, tokens)
    assert (tokens.access_token != before.access_token, tokens.refresh_token) == (True, before.refresh_token)
    store(office, record("after the renewal", office.clock.now() - timedelta(minutes=30)))
    assert await asyncio.to_thread(read, office, certificate, tokens) == [ORG]


async def test_it_is_told_when_nothing_can_be_renewed_any_more(
    office: Office, certificate: Path, integration: Integration
) -> None:
    told = await consent(office, certificate, integration.auth_url(state="xyz"))
    tokens = await asyncio.to_thread(integration.tokens_from_code, told["code"])
    office.integrations.revoke(office.app.client_id)
    with pytest.raises(HTTPError):
        await asyncio.to_thread(integration.refresh, tokens)
    assert tokens.access_token is None
