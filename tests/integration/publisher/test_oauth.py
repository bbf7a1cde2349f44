"""The OAuth 2.0 server over real HTTP: consent in a browser, codes, PKCE, tokens, what they reach, and their ends."""

import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from cdrelay.publisher.access.integrations import Integrations
from cdrelay.publisher.errors import IntegrationRefused
from cdrelay.publisher.parties import CDR_SCOPE
from tests.integration.publisher.oauth_bench import HOUR, PASSWORD, REDIRECT, VERIFIER, Office, answered, opened
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, Bench
from tests.support.visitor import Visitor, visiting

S256 = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """Over plain HTTP, as behind a proxy."""
    async with opened(tmp_path / "home") as running:
        yield running


@pytest.fixture
async def visitor(office: Office) -> AsyncIterator[Visitor]:
    """A browser in which nobody has signed in yet."""
    async with visiting(office.address) as browser:
        yield browser


# --- consent ---


async def test_a_browser_is_led_over_the_sign_in_to_the_consent_and_back_to_the_program(
    office: Office, visitor: Visitor
) -> None:
    turned = await visitor.get(office.query())
    form = (await visitor.get(turned.location)).form("/sign-in")
    page = await visitor.get((await visitor.send(form, email="ada@example.com", password=PASSWORD)).location)
    for told in ("Billing app", "ada@example.com", "Reseller", "app.example", CDR_SCOPE):
        assert told in page.text
    answer = await visitor.send(page.form("/v1/authorize"), decision="approve")
    assert answer.location.startswith("https://app.example/callback?of=app&code=")
    assert answered(answer)["state"] == "of & in"


async def test_a_refusal_reaches_the_program_with_the_state_and_leaves_no_consent(
    office: Office, visitor: Visitor
) -> None:
    await visitor.sign_in("ada@example.com", PASSWORD)
    told = answered(await office.ask(visitor, office.query(), decision="deny"))
    assert (told["error"], told["state"], "code" in told) == ("access_denied", "of & in", False)


async def test_a_consent_takes_the_token_of_the_session(office: Office, visitor: Visitor) -> None:
    await visitor.sign_in("ada@example.com", PASSWORD)
    assert (await visitor.post(office.query(), {"decision": "approve"})).status == 403
    assert (await visitor.post(office.query(), {"decision": "approve", "csrf": "0" * 64})).status == 403


async def test_a_form_that_comes_after_the_session_leads_back_to_the_consent(office: Office, visitor: Visitor) -> None:
    await visitor.sign_in("ada@example.com", PASSWORD)
    page = await visitor.get(office.query())
    office.clock.advance(timedelta(hours=1))
    turned = await visitor.send(page.form("/v1/authorize"), decision="approve")
    form = (await visitor.get(turned.location)).form("/sign-in")
    again = await visitor.send(form, email="ada@example.com", password=PASSWORD)
    assert again.location == office.query()


UNKNOWN: list[dict[str, str | None]] = [
    {"client_id": "cdrc_nobody"},
    {"client_id": None},
    {"redirect_uri": "https://evil.example/callback"},
    {"redirect_uri": REDIRECT + "&more"},
    {"redirect_uri": REDIRECT.replace("https", "http")},
    {"redirect_uri": "https://APP.example/callback?of=app"},
    {"redirect_uri": None},
]


async def test_nothing_is_ever_redirected_to_an_address_that_is_not_registered(
    office: Office, visitor: Visitor
) -> None:
    await visitor.sign_in("ada@example.com", PASSWORD)
    for changed in UNKNOWN:
        seen = await visitor.get(office.query(**changed))
        assert (changed, seen.status, "Location" in seen.headers) == (changed, 400, False)
        assert (await visitor.post(office.query(**changed), {"decision": "approve"})).status == 400


async def test_a_repeated_redirect_address_is_not_chosen_from(office: Office, visitor: Visitor) -> None:
    seen = await visitor.get(office.query() + "&redirect_uri=https://evil.example/")
    assert (seen.status, "Location" in seen.headers) == (400, False)


WRONG: list[tuple[dict[str, str | None], str]] = [
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": None}, "unsupported_response_type"),
    ({"scope": "spark-admin:everything"}, "invalid_scope"),
    ({"scope": f"{CDR_SCOPE} spark:all"}, "invalid_scope"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge": "v" * 43 + "\n"}, "invalid_request"),
    ({"code_challenge": S256, "code_challenge_method": "S512"}, "invalid_request"),
    ({"code_challenge_method": "S256"}, "invalid_request"),
]


async def test_other_errors_go_to_the_program(office: Office, visitor: Visitor) -> None:
    for changed, error in WRONG:
        seen = await visitor.get(office.query(**changed))
        assert seen.location.startswith(REDIRECT + "&")
        told = answered(seen)
        assert (changed, told["error"], told["state"]) == (changed, error, "of & in")
        assert told["error_description"]


async def test_without_a_scope_all_that_is_registered_is_asked_for_and_without_a_state_none_comes_back(
    office: Office, visitor: Visitor
) -> None:
    await visitor.sign_in("ada@example.com", PASSWORD)
    told = answered(await office.ask(visitor, office.query(scope=None, state=None)))
    assert "state" not in told
    assert (await office.redeem(told["code"]))[1]["scope"] == f"{CDR_SCOPE} spark:kms"


async def test_an_integration_of_another_partner_is_not_consented_to(office: Office, visitor: Visitor) -> None:
    other = office.publisher.directory.add_partner("Other")
    office.administrator("eve@example.com", "full", other)
    await visitor.sign_in("eve@example.com", PASSWORD)
    assert (await visitor.get(office.query())).status == 403
    everyones, _ = office.integrations.add("Everyone's", [REDIRECT])
    assert (await visitor.get(office.query(client_id=everyones.client_id))).status == 200


# --- tokens ---


async def test_a_code_gets_tokens_as_the_provider_gives_them(office: Office) -> None:
    tokens = await office.granted()
    assert {name: tokens[name] for name in tokens if name not in ("access_token", "refresh_token")} == {
        "expires_in": 14 * 86_400,
        "refresh_token_expires_in": 90 * 86_400,
        "token_type": "Bearer",
        "scope": CDR_SCOPE,
    }
    assert await office.reads(tokens["access_token"]) == 200


async def test_tokens_and_codes_are_kept_as_hashes(office: Office) -> None:
    code = await office.code()
    _, tokens = await office.redeem(code)
    office.running.foundation.database.close()
    stored = b"".join(file.read_bytes() for file in office.running.foundation.settings.home.glob("control.db*"))
    for secret in (code, tokens["access_token"], tokens["refresh_token"], office.secret):
        assert secret.encode() not in stored
    assert office.app.client_id.encode() in stored


async def test_answers_with_tokens_are_not_kept_by_caches(office: Office) -> None:
    fields = {"grant_type": "authorization_code", "code": await office.code(), "redirect_uri": REDIRECT}
    basic = base64.b64encode(f"{quote_plus(office.app.client_id)}:{office.secret}".encode()).decode()
    status, _, headers = await office.post("/v1/access_token", fields, {"Authorization": f"Basic {basic}"})
    assert (status, headers["Cache-Control"]) == (200, "no-store")


NOT_THE_CLIENT: list[dict[str, str | None]] = [
    {"client_secret": "wrong"},
    {"client_secret": None},
    {"client_id": "cdrc_nobody"},
    {"client_id": None, "client_secret": None},
]


async def test_a_client_without_its_secret_gets_nothing_and_its_code_stays_good(office: Office) -> None:
    code = await office.code()
    for fields in NOT_THE_CLIENT:
        status, body = await office.redeem(code, **fields)
        assert (fields, status, body["error"], body["errorCode"]) == (fields, 401, "invalid_client", 401)
        assert body["message"] == body["error_description"] == body["errors"][0]["description"]
        assert body["trackingId"]
    assert (await office.redeem(code))[0] == 200


async def test_a_client_that_fails_is_told_how_to_authenticate(office: Office) -> None:
    fields = {"grant_type": "refresh_token", "refresh_token": "x"}
    for header in ("Basic bm9uc2Vuc2U6eA==", "Basic ???", "Basic \xe9", "Basic"):
        status, body, headers = await office.post("/v1/access_token", fields, {"Authorization": header})
        assert (status, body["error"], headers["WWW-Authenticate"]) == (401, "invalid_client", 'Basic realm="cdrelay"')


async def test_a_code_is_good_for_the_request_that_it_answers_alone(office: Office) -> None:
    code = await office.code()
    wrong = {"redirect_uri": "https://app.example/callback", "code": "cdra_guessed", "code_verifier": VERIFIER}
    for name, text in wrong.items():
        status, body = await office.redeem(code, **{name: text})
        assert (name, status, body["error"]) == (name, 400, "invalid_grant")
    assert (await office.redeem(code))[0] == 200


async def test_a_code_is_good_for_the_integration_that_it_was_given_to_alone(office: Office) -> None:
    other, secret = office.integrations.add("Other app", [REDIRECT], partner_id=office.partner.id)
    code = await office.code()
    status, body = await office.redeem(code, client_id=other.client_id, client_secret=secret)
    assert (status, body["error"]) == (400, "invalid_grant")
    tokens = (await office.redeem(code))[1]
    status, body = await office.refresh(tokens["refresh_token"], client_id=other.client_id, client_secret=secret)
    assert (status, body["error"]) == (400, "invalid_grant")


async def test_a_code_lasts_five_minutes(office: Office) -> None:
    late, soon = await office.code(), await office.code()
    office.clock.advance(timedelta(minutes=4, seconds=59))
    assert (await office.redeem(soon))[0] == 200
    office.clock.advance(timedelta(seconds=1))
    status, body = await office.redeem(late)
    assert (status, body["error"]) == (400, "invalid_grant")


async def test_a_code_that_comes_twice_ends_what_it_gave_the_first_time(office: Office) -> None:
    code = await office.code()
    _, tokens = await office.redeem(code)
    assert await office.reads(tokens["access_token"]) == 200
    status, body = await office.redeem(code)
    assert (status, body["error"]) == (400, "invalid_grant")
    assert await office.reads(tokens["access_token"]) == 401
    assert (await office.refresh(tokens["refresh_token"]))[1]["error"] == "invalid_grant"


async def test_a_code_with_a_challenge_takes_the_verifier_of_it(office: Office) -> None:
    for challenge, method in ((S256, "S256"), (VERIFIER, "plain"), (VERIFIER, None)):
        code = await office.code(code_challenge=challenge, code_challenge_method=method)
        for wrong in (None, "w" * 43, VERIFIER + "v", S256 if method == "S256" else VERIFIER[:-1]):
            status, body = await office.redeem(code, code_verifier=wrong)
            assert (method, status, body["error"]) == (method, 400, "invalid_grant")
        assert (await office.redeem(code, code_verifier=VERIFIER))[0] == 200


INCOMPLETE: list[tuple[dict[str, str], str]] = [
    ({}, "invalid_request"),
    ({"grant_type": "password", "username": "x", "password": "x"}, "unsupported_grant_type"),
    ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
    ({"grant_type": "authorization_code", "redirect_uri": REDIRECT}, "invalid_request"),
    ({"grant_type": "authorization_code", "code": "x"}, "invalid_request"),
    ({"grant_type": "refresh_token"}, "invalid_request"),
    ({"grant_type": "refresh_token", "refresh_token": "cdrf_guessed"}, "invalid_grant"),
]


async def test_what_is_missing_or_unknown_is_named(office: Office) -> None:
    for fields, error in INCOMPLETE:
        status, body = await office.tokens(**fields)
        assert (fields, status, body["error"]) == (fields, 400, error)


async def test_a_field_that_is_repeated_and_a_body_that_is_no_form_are_refused(office: Office) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body, headers in (("grant_type=a&grant_type=b", form), ('{"grant_type": "a"}', {"Content-Type": "text/json"})):
        status, answer, _ = await office.post("/v1/access_token", body, headers)  # type: ignore[arg-type]
        assert (status, answer["error"]) == (400, "invalid_request")


# --- refreshing ---


async def test_a_refresh_gives_a_new_access_token_and_the_same_refresh_token_that_lasts_anew(office: Office) -> None:
    first = await office.granted()
    for _ in range(3):
        office.clock.advance(timedelta(days=89))
        assert await office.reads(first["access_token"]) == 401
        status, again = await office.refresh(first["refresh_token"])
        assert (status, again["refresh_token"]) == (200, first["refresh_token"])
        assert again["refresh_token_expires_in"] == 90 * 86_400
        assert again["access_token"] != first["access_token"]
    office.clock.advance(timedelta(days=90))
    assert (await office.refresh(first["refresh_token"]))[1]["error"] == "invalid_grant"


async def test_an_access_token_lasts_fourteen_days_also_when_it_was_refreshed(office: Office) -> None:
    tokens = await office.granted()
    await office.refresh(tokens["refresh_token"])
    office.clock.advance(timedelta(days=14) - timedelta(hours=47))
    assert (await office.get("/v1/partners/cdrcountbyorg", tokens["access_token"], HOUR))[0] == 400
    office.clock.advance(timedelta(hours=47))
    assert (await office.get("/v1/partners/cdrcountbyorg", tokens["access_token"], HOUR))[0] == 401


async def test_lifetimes_are_those_of_the_settings(tmp_path: Path) -> None:
    async with opened(tmp_path / "home", access_token_days=0.5, refresh_token_days=30) as office:
        tokens = await office.granted()
        assert (tokens["expires_in"], tokens["refresh_token_expires_in"]) == (43_200, 30 * 86_400)
        office.clock.advance(timedelta(hours=12))
        assert await office.reads(tokens["access_token"]) == 401
        office.clock.advance(timedelta(days=30) - timedelta(hours=12))
        assert (await office.refresh(tokens["refresh_token"]))[0] == 400


async def test_a_refresh_token_is_good_for_so_many_access_tokens_an_hour(tmp_path: Path) -> None:
    async with opened(tmp_path / "home", token_renewals_per_hour=2) as office:
        first, other = (await office.granted())["refresh_token"], (await office.granted())["refresh_token"]
        fields = {"grant_type": "refresh_token", "refresh_token": first}
        asked = fields | {"client_id": office.app.client_id, "client_secret": office.secret}
        assert (await office.refresh(first, scope="spark:all"))[0] == 400  # which uses up nothing
        office.clock.advance(timedelta(minutes=20))
        assert [(await office.refresh(first))[0] for _ in range(2)] == [200, 200]
        office.clock.advance(timedelta(minutes=10))

        status, body, headers = await office.post("/v1/access_token", asked)
        assert (status, body["error"], headers["Retry-After"]) == (429, "slow_down", str(50 * 60))
        assert body["errorCode"] == 429
        assert (await office.refresh(other))[0] == 200
        office.clock.advance(timedelta(minutes=50))
        assert (await office.refresh(first))[0] == 200


async def test_a_refresh_may_ask_for_less_but_not_for_more(office: Office) -> None:
    tokens = await office.granted(scope=f"{CDR_SCOPE} spark:kms")
    status, less = await office.refresh(tokens["refresh_token"], scope="spark:kms")
    assert (status, less["scope"]) == (200, "spark:kms")
    status, body = await office.get("/v1/cdr_feed", less["access_token"], HOUR | {"orgId": ORG})
    assert (status, CDR_SCOPE in body["message"]) == (403, True)
    assert (await office.refresh(tokens["refresh_token"]))[1]["scope"] == f"{CDR_SCOPE} spark:kms"
    narrow = await office.granted()
    status, body = await office.refresh(narrow["refresh_token"], scope="spark:kms")
    assert (status, body["error"]) == (400, "invalid_scope")


# --- what a token reaches, and its end ---


async def test_without_the_scope_every_endpoint_for_records_is_403_and_names_it(office: Office) -> None:
    token = (await office.granted(scope="spark:kms"))["access_token"]
    for path in ("/v1/partners/cdrcountbyorg", "/v1/partners/cdrsbyorg", "/v1/cdr_feed", "/v1/cdr_stream"):
        status, body = await office.get(path, token, HOUR | {"orgId": ORG})
        assert (status, CDR_SCOPE in body["message"]) == (403, True)


async def test_a_token_reaches_what_its_administrator_reaches_at_this_moment(office: Office) -> None:
    bob = office.administrator("bob@example.com", "assigned", organizations=[ORG])
    token = (await office.granted("bob@example.com"))["access_token"]

    async def counted() -> list[str]:
        _, body = await office.get("/v1/partners/cdrcountbyorg", token, HOUR)
        return [one["orgId"] for one in body["cdr_counts"]]

    assert await counted() == [ORG]
    assert (await office.reads(token, ORG), await office.reads(token, OTHER_ORG)) == (200, 403)
    # With one customer in reach, a history need not name it.
    assert (await office.get("/v1/cdr_feed", token, HOUR))[0] == 200
    assert (await office.get("/v1/cdr_feed", token, HOUR | {"orgId": OTHER_ORG}))[0] == 403
    office.administrators.change(bob.id, organizations=[OTHER_ORG])
    assert await counted() == [OTHER_ORG]
    office.administrators.change(bob.id, organizations=[])
    assert await counted() == []
    office.administrators.change(bob.id, role="read_only")
    assert await counted() == [ORG, OTHER_ORG]
    office.administrators.remove(bob.id)
    assert await office.reads(token) == 401


async def test_an_administrator_who_goes_takes_along_codes_and_refresh_tokens(office: Office) -> None:
    bob = office.administrator("bob@example.com", "full")
    code, tokens = await office.code("bob@example.com"), await office.granted("bob@example.com")
    office.administrators.remove(bob.id)
    assert (await office.redeem(code))[1]["error"] == "invalid_grant"
    assert (await office.refresh(tokens["refresh_token"]))[1]["error"] == "invalid_grant"


async def test_giving_back_an_access_token_ends_it_and_a_refresh_token_all(office: Office) -> None:
    tokens = await office.granted()
    another = (await office.refresh(tokens["refresh_token"]))[1]
    fields = {"client_id": office.app.client_id, "client_secret": office.secret}
    for _ in range(2):
        assert (await office.post("/v1/revoke", fields | {"token": tokens["access_token"]}))[0] == 200
    assert (await office.reads(tokens["access_token"]), await office.reads(another["access_token"])) == (401, 200)
    assert (await office.post("/v1/revoke", fields | {"token": tokens["refresh_token"]}))[0] == 200
    assert await office.reads(another["access_token"]) == 401
    assert (await office.refresh(tokens["refresh_token"]))[1]["error"] == "invalid_grant"


async def test_nobody_gives_back_the_tokens_of_another(office: Office) -> None:
    tokens = await office.granted()
    other, secret = office.integrations.add("Other app", [REDIRECT])
    fields = {"client_id": other.client_id, "client_secret": secret}
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert (await office.post("/v1/revoke", fields | {"token": token}))[0] == 200
        assert (await office.post("/v1/revoke", fields | {"client_secret": "wrong", "token": token}))[0] == 401
    assert await office.reads(tokens["access_token"]) == 200
    own = office.publisher.directory.credentials.create_token(office.partner.id)
    await office.post("/v1/revoke", {"client_id": office.app.client_id, "client_secret": office.secret, "token": own})
    assert await office.reads(own) == 200


async def test_an_integration_that_is_revoked_has_nothing_left(office: Office, visitor: Visitor) -> None:
    tokens, code = await office.granted(), await office.code()
    office.integrations.revoke(office.app.client_id)
    office.integrations.revoke(office.app.client_id)
    assert await office.reads(tokens["access_token"]) == 401
    assert (await office.refresh(tokens["refresh_token"]))[0] == 401
    assert (await office.redeem(code))[0] == 401
    assert (await visitor.get(office.query())).status == 400


# --- integrations ---


def test_a_redirect_address_that_may_lead_elsewhere_is_refused(bench: Bench) -> None:
    integrations = Integrations(bench.foundation.database, bench.clock)
    for uri in (
        "http://app.example/",
        "https://app.example/#fragment",
        "https://user@app.example/",
        "https:///nowhere",
        "myapp://callback",
        "javascript:alert(1)",
        "https://app.example/a b",
        "https://app.example/;x",
        "https://app.example:port/",
        "https://app.example:0/",
        "",
    ):
        with pytest.raises(IntegrationRefused, match="redirect address"):
            integrations.add("App", [uri])
    assert integrations.of_partner() == []


def test_a_program_on_the_developers_own_machine_needs_no_tls(bench: Bench) -> None:
    integrations = Integrations(bench.foundation.database, bench.clock)
    for uri in ("http://localhost:6001/redirect", "http://127.0.0.1/", "http://[::1]:80/x"):
        made, _ = integrations.add("App", [uri, uri])
        assert integrations.get(made.client_id).redirect_uris == (uri,)
