"""Signing in at the company's OpenID Connect provider, a real one on loopback: who is let in, and what is believed."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from cdrelay.clock import ManualClock
from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.parties import Administrator
from cdrelay.settings import SettingError, read_settings
from cdrelay.wiring import assemble, open_administrators, open_foundation
from tests.integration.hub.conftest import NOW
from tests.support.homes import prepared
from tests.support.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider
from tests.support.passwords import CHEAP
from tests.support.server import serving
from tests.support.visitor import Seen, Visitor, visiting

START = "/sign-in/provider?next=/tokens"


@dataclass
class Company:
    """The hub, the provider that it trusts, and a browser."""

    provider: IdentityProvider
    visitor: Visitor
    clock: ManualClock
    ada: Administrator

    async def leave(self) -> str:
        """Go to the provider, which sends back: the address with code and state."""
        away = await self.visitor.get(START)
        assert away.location.startswith(f"{self.provider.address}/authorize?tenant=1&client_id=")
        return (await self.visitor.get(away.location)).location

    async def sign_in(self) -> Seen:
        """There and back."""
        return await self.visitor.get(await self.leave())

    async def inside(self) -> bool:
        """Whether a session was begun."""
        return (await self.visitor.get("/tokens")).status == 200


@asynccontextmanager
async def company_of(home: Path, **settings: Any) -> AsyncIterator[Company]:
    """A hub whose only administrator has no password."""
    clock = ManualClock(NOW)
    provider = IdentityProvider(clock)
    async with serving(provider.app()) as its_address:
        provider.address = its_address
        given = {
            "oidc_issuer": provider.address,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": CLIENT_SECRET,
            "allow_http_callbacks": True,
        }
        foundation = open_foundation(read_settings({}, home=prepared(home), **(given | settings)), clock, CHEAP)
        running = assemble(foundation, frozenset({"publisher", "hub"}))
        partner = Directory(foundation.database, clock).add_partner("Reseller")
        ada = open_administrators(foundation).add(partner.id, "ada@example.com", "Ada", "full")
        async with serving(running.app) as address, visiting(address) as visitor:
            yield Company(provider, visitor, clock, ada)
        foundation.close()


@pytest.fixture
async def company(tmp_path: Path) -> AsyncIterator[Company]:
    """With a provider that keeps the rules."""
    async with company_of(tmp_path / "home") as opened:
        yield opened


async def test_an_administrator_whose_address_the_provider_has_verified_is_signed_in(company: Company) -> None:
    page = await company.visitor.get("/sign-in?next=/tokens")
    assert f'href="{START}"' in page.text
    entered = await company.sign_in()
    assert (entered.status, entered.location) == (303, "/tokens")
    assert "Ada" in (await company.visitor.get("/tokens")).text


async def test_the_address_may_differ_in_case_and_the_client_authenticate_by_the_form(company: Company) -> None:
    company.provider.email, company.provider.basic = "Ada@Example.COM", False
    await company.sign_in()
    assert await company.inside()


async def test_keys_may_change_at_any_time_and_be_of_either_kind(company: Company) -> None:
    company.provider.key = ECKey.generate_key("P-256", {"kid": "second"})
    company.provider.algorithm = "ES256"
    await company.sign_in()
    assert await company.inside()


async def test_audiences_may_be_several_when_we_are_the_authorized_party(company: Company) -> None:
    company.provider.change = lambda claims: claims | {"aud": [CLIENT_ID, "other"], "azp": CLIENT_ID}
    await company.sign_in()
    assert await company.inside()


WRONG: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "another issuer": lambda claims: claims | {"iss": "https://evil.example"},
    "another audience": lambda claims: claims | {"aud": "other"},
    "several audiences": lambda claims: claims | {"aud": [CLIENT_ID, "other"]},
    "another party": lambda claims: claims | {"aud": [CLIENT_ID, "other"], "azp": "other"},
    "expired": lambda claims: claims | {"exp": int((NOW - timedelta(minutes=1)).timestamp())},
    "without end": lambda claims: {name: value for name, value in claims.items() if name != "exp"},
    "from the future": lambda claims: claims | {"iat": int((NOW + timedelta(hours=1)).timestamp())},
    "another nonce": lambda claims: claims | {"nonce": "of another sign-in"},
    "without nonce": lambda claims: {name: value for name, value in claims.items() if name != "nonce"},
    "unverified": lambda claims: claims | {"email_verified": False},
    "verified in words": lambda claims: claims | {"email_verified": "true"},
    "verified by nobody": lambda claims: {name: value for name, value in claims.items() if name != "email_verified"},
    "two addresses": lambda claims: claims | {"email": ["ada@example.com"]},
}


async def test_a_token_with_one_wrong_claim_lets_nobody_in_and_tells_nothing_of_them(company: Company) -> None:
    for name, change in WRONG.items():
        company.provider.change = change
        refused = await company.sign_in()
        assert (name, refused.status, await company.inside()) == (name, 502, False)
        assert "ada@example.com" not in refused.text
        company.clock.advance(timedelta(minutes=1))
        company.provider.change = lambda claims: claims


async def test_a_token_that_another_has_signed_lets_nobody_in(company: Company) -> None:
    provider = company.provider
    published = json.dumps(provider.key.as_dict(private=False))
    for algorithm, key in (
        ("RS256", RSAKey.generate_key(2048, {"kid": "first"})),
        ("HS256", OctKey.import_key(CLIENT_SECRET * 4)),
        ("HS256", OctKey.import_key(published)),
        ("RS512", provider.key),
    ):
        provider.algorithm, provider.signing_key = algorithm, key
        refused = await company.sign_in()
        assert (algorithm, refused.status, await company.inside()) == (algorithm, 502, False)


async def test_a_token_without_a_signature_lets_nobody_in(company: Company) -> None:
    def encoded(part: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")

    def unsigned(claims: dict[str, Any]) -> dict[str, Any]:
        company.provider.token = f"{encoded({'alg': 'none'})}.{encoded(claims)}."
        return claims

    company.provider.change = unsigned
    assert (await company.sign_in()).status == 502
    company.provider.token = "nonsense"
    company.provider.change = lambda claims: claims
    assert (await company.sign_in()).status == 502
    assert not await company.inside()


async def test_who_is_no_administrator_is_told_so_and_is_not_let_in(company: Company) -> None:
    company.provider.email = "eve@example.com"
    refused = await company.sign_in()
    assert (refused.status, "No administrator has your e-mail address" in refused.text) == (403, True)
    assert not await company.inside()


async def test_the_way_back_is_for_the_browser_that_left_and_for_once(company: Company) -> None:
    back = await company.leave()
    async with visiting(company.visitor.address) as other:
        assert (await other.get(back)).status == 400
    code = back.partition("code=")[2].partition("&")[0]
    assert (await company.visitor.get(f"/sign-in/provider/back?code={code}&state=forged")).status == 400
    assert not await company.inside()
    again = await company.leave()
    assert (await company.visitor.get(again)).status == 303
    assert (await company.visitor.get(again)).status == 400


async def test_the_way_back_is_open_for_ten_minutes(company: Company) -> None:
    back = await company.leave()
    company.clock.advance(timedelta(minutes=10))
    assert (await company.visitor.get(back)).status == 400
    assert not await company.inside()


async def test_a_refusal_of_the_provider_leads_back_to_the_form(company: Company) -> None:
    state = (await company.leave()).partition("state=")[2]
    refused = await company.visitor.get(f"/sign-in/provider/back?error=access_denied&state={state}")
    assert (refused.status, "/sign-in" in refused.form("/sign-in").action) == (403, True)


async def test_a_provider_that_is_another_or_hands_out_no_addresses_is_not_asked_further(company: Company) -> None:
    for described in (
        {"issuer": "https://evil.example"},
        {"issuer": company.provider.address + "/"},
        {"authorization_endpoint": None},
    ):
        company.provider.described = described
        assert (described, (await company.visitor.get(START)).status) == (described, 502)
    company.provider.described = {"jwks_uri": "ftp://keys.example/"}
    assert (await company.sign_in()).status == 502


async def test_over_http_no_provider_is_asked(tmp_path: Path) -> None:
    async with company_of(tmp_path / "home", allow_http_callbacks=False) as company:
        refused = await company.visitor.get(START)
        assert (refused.status, "https alone" in refused.text) == (502, True)


async def test_a_provider_that_is_away_is_a_line_on_the_form(tmp_path: Path) -> None:
    async with company_of(tmp_path / "home", oidc_issuer="http://127.0.0.1:9") as company:
        refused = await company.visitor.get(START)
        assert (refused.status, "does not answer" in refused.text) == (502, True)


async def test_going_there_counts_as_an_attempt_of_the_address(company: Company) -> None:
    statuses = [(await company.visitor.get(START)).status for _ in range(11)]
    assert statuses == [303] * 10 + [429]


async def test_there_is_one_way_back_also_for_who_keeps_the_cookie(company: Company) -> None:
    back = await company.leave()
    cookie = company.visitor.cookie_named("cdrelay_provider")
    assert (await company.visitor.get(back)).status == 303
    again = await company.visitor.get(back, Cookie=f"cdrelay_provider={cookie}")
    assert (again.status, "was not begun here" in again.text) == (400, True)


async def test_the_way_leads_to_our_own_pages_alone(company: Company) -> None:
    away = await company.visitor.get("/sign-in/provider?next=//evil.example")
    entered = await company.visitor.get((await company.visitor.get(away.location)).location)
    assert entered.location == "/setup"


async def test_without_an_issuer_there_is_no_such_way_and_half_of_one_is_an_error(tmp_path: Path) -> None:
    async with company_of(tmp_path / "home", oidc_issuer="") as company:
        assert (await company.visitor.get(START)).status == 404
        assert "provider" not in (await company.visitor.get("/sign-in")).text
    with pytest.raises(SettingError, match="oidc_client_id"):
        async with company_of(tmp_path / "other", oidc_client_secret=""):
            pass
