"""The page of tokens over real HTTP: making, seeing, revoking, and who may do what of it."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from cdrelay.publisher.parties import CDR_SCOPE
from tests.integration.publisher.oauth_bench import PASSWORD, REDIRECT, Office, opened
from tests.integration.publisher.publisher_bench import ORG
from tests.support.visitor import FoundForm, Seen, Visitor, visiting


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """A publisher with a full administrator, Ada."""
    async with opened(tmp_path / "home", token_renewals_per_hour=0) as running:
        yield running


@pytest.fixture
async def visitor(office: Office) -> AsyncIterator[Visitor]:
    """Ada at her browser."""
    async with visiting(office.address) as browser:
        await browser.sign_in("ada@example.com", PASSWORD)
        yield browser


def shown(seen: Seen) -> list[str]:
    """The secrets on a page."""
    return re.findall(r'<code class="secret">([^<]+)</code>', seen.text)


async def make(visitor: Visitor, label: str = "Nightly job", days: str = "14") -> str:
    """A token by the form of the page."""
    page = await visitor.get("/tokens")
    (token,) = shown(await visitor.send(page.form("/tokens"), label=label, days=days))
    return token


def revoking(seen: Seen, action: str = "/tokens/revoke") -> list[FoundForm]:
    """The forms that revoke something."""
    return seen.forms(action)


def label_of(office: Office, form: FoundForm) -> str:
    """The label of the token that a form revokes."""
    tokens = office.publisher.directory.credentials.tokens()
    return next(one.label for one in tokens if one.id == form.fields["id"])


async def test_a_token_is_shown_once_reads_and_ends_when_it_is_revoked(office: Office, visitor: Visitor) -> None:
    token = await make(visitor)
    page = await visitor.get("/tokens")
    assert (token in page.text, "Nightly job" in page.text) == (False, True)
    assert await office.reads(token) == 200
    revoked = await visitor.send(revoking(page)[0])
    assert (revoked.status, revoked.location) == (303, "/tokens?done=revoked")
    assert await office.reads(token) == 401
    assert revoking(await visitor.get("/tokens")) == []


async def test_a_token_lasts_as_many_days_as_were_asked_for(office: Office, visitor: Visitor) -> None:
    token = await make(visitor, days="3")
    office.clock.advance(timedelta(days=3) - timedelta(seconds=1))
    assert await office.reads(token) == 400
    office.clock.advance(timedelta(seconds=1))
    assert await office.reads(token) == 401


async def test_no_token_lasts_longer_than_the_setting_says(tmp_path: Path) -> None:
    async with opened(tmp_path / "short", access_token_days=0.5) as office, visiting(office.address) as visitor:
        await visitor.sign_in("ada@example.com", PASSWORD)
        token = await make(visitor, days="1")
        office.clock.advance(timedelta(hours=12))
        assert await office.reads(token) == 401


async def test_a_lifetime_or_label_that_cannot_be_is_refused_and_the_rule_named(visitor: Visitor) -> None:
    form = (await visitor.get("/tokens")).form("/tokens")
    for days in ("0", "15", "-1", "1.5", "x", "", "９", "9" * 400):
        refused = await visitor.send(form, label="Job", days=days)
        assert (refused.status, "from 1 to 14" in refused.text, shown(refused)) == (400, True, [])
    for label in ("", " ", "x" * 101, "a\nb"):
        refused = await visitor.send(form, label=label, days="1")
        assert (refused.status, "1 to 100 printable" in refused.text, shown(refused)) == (400, True, [])


async def test_every_form_takes_the_token_of_the_session(office: Office, visitor: Visitor) -> None:
    await make(visitor)
    page = await visitor.get("/tokens")
    actions = {"/tokens", "/tokens/integrations", "/tokens/consents/revoke", "/tokens/integrations/revoke"}
    for action in {*actions, "/tokens/revoke"}:
        assert (await visitor.post(action, {"label": "x", "days": "1"})).status == 403
        assert (await visitor.post(action, {"csrf": "0" * 64, "label": "x", "days": "1"})).status == 403
    assert (await visitor.get("/tokens")).text == page.text


async def test_a_read_only_administrator_makes_tokens_and_sees_none_of_others(office: Office, visitor: Visitor) -> None:
    await make(visitor, "of Ada")
    office.administrator("rob@example.com", "read_only")
    async with visiting(office.address) as rob:
        await rob.sign_in("rob@example.com", PASSWORD)
        token = await make(rob, "of Rob")
        page = await rob.get("/tokens")
        assert ("of Rob" in page.text, "of Ada" in page.text, "Integrations of" in page.text) == (True, False, False)
        csrf = page.form("/tokens").fields["csrf"]
        (hers,) = [one for one in office.publisher.directory.credentials.tokens() if one.label == "of Ada"]
        assert (await rob.post("/tokens/revoke", {"csrf": csrf, "id": hers.id})).status == 403
        for action in ("/tokens/integrations", "/tokens/integrations/revoke"):
            sent = await rob.post(action, {"csrf": csrf, "name": "x", "redirect_uris": REDIRECT, "scopes": "x"})
            assert (sent.status, "full" in sent.text) == (403, True)
    assert await office.reads(token) == 200
    his = next(one for one in revoking(await visitor.get("/tokens")) if label_of(office, one) == "of Rob")
    await visitor.send(his)
    assert await office.reads(token) == 401


async def test_an_assigned_administrator_makes_none_but_sees_and_withdraws_consents(office: Office) -> None:
    office.administrator("bob@example.com", "assigned", organizations=[ORG])
    tokens = await office.granted("bob@example.com")
    async with visiting(office.address) as bob:
        entered = await bob.sign_in("bob@example.com", PASSWORD)
        assert entered.location == "/tokens"
        page = await bob.get("/tokens")
        assert "/setup" not in page.text
        assert "Billing app" in page.text
        csrf = page.form("/tokens/consents/revoke").fields["csrf"]
        assert (await bob.post("/tokens", {"csrf": csrf, "label": "x", "days": "1"})).status == 403
        await bob.send(page.form("/tokens/consents/revoke"))
        assert "Billing app" not in (await bob.get("/tokens")).text
    assert await office.reads(tokens["access_token"]) == 401
    assert (await office.refresh(tokens["refresh_token"]))[1]["error"] == "invalid_grant"


async def test_consents_to_one_integration_are_one_line_that_says_when_it_was_last_let_in(
    office: Office, visitor: Visitor
) -> None:
    await office.granted()
    office.clock.advance(timedelta(days=2, minutes=1))
    await visitor.sign_in("ada@example.com", PASSWORD)
    second = await office.granted(scope="spark:kms")
    await office.code()  # never redeemed: nothing follows from it
    page = await visitor.get("/tokens")
    (form,) = page.forms("/tokens/consents/revoke")
    for told in ("2026-11-24 17:00", "2026-11-26 17:01", "2027-02-24 17:01", f"{CDR_SCOPE} spark:kms"):
        assert told in page.text
    await visitor.send(form)
    assert (await office.refresh(second["refresh_token"]))[1]["error"] == "invalid_grant"
    assert (await visitor.get("/tokens")).forms("/tokens/consents/revoke") == []


async def test_what_cannot_be_undone_says_so_before_it_is_done(office: Office, visitor: Visitor) -> None:
    """Each of its buttons lies folded away, below what will happen; no script is needed."""
    await make(visitor)
    await office.granted()
    office.integrations.add("Dashboard", [REDIRECT], partner_id=office.partner.id)
    page = (await visitor.get("/tokens")).text
    asks = re.findall(r'<details class="ask">(.*?)</details>', page, re.DOTALL)
    inside = [action for ask in asks for action in re.findall(r'<form method="post" action="([^"]+)"', ask)]
    assert set(inside) == {"/tokens/revoke", "/tokens/consents/revoke", "/tokens/integrations/revoke"}
    assert len(inside) == len(re.findall(r'action="[^"]+/revoke"', page)) >= 4
    assert all("This cannot be undone." in ask and 'name="csrf"' in ask for ask in asks)


async def test_a_full_administrator_makes_an_integration_and_revokes_it(office: Office, visitor: Visitor) -> None:
    form = (await visitor.get("/tokens")).form("/tokens/integrations")
    assert form.fields["scopes"] == CDR_SCOPE
    made = await visitor.send(form, name="Reports", redirect_uris=f"{REDIRECT}\r\nhttp://localhost:6001/redirect\r\n")
    client_id, secret = shown(made)
    again = await visitor.get("/tokens")
    assert (client_id in again.text, secret in again.text) == (True, False)
    code = await office.code(client_id=client_id)
    status, tokens = await office.redeem(code, client_id=client_id, client_secret=secret)
    assert (status, await office.reads(tokens["access_token"])) == (200, 200)
    mine = [one for one in again.forms("/tokens/integrations/revoke") if one.fields["client_id"] == client_id]
    await visitor.send(mine[0])
    assert await office.reads(tokens["access_token"]) == 401
    assert office.integrations.get(office.app.client_id).revoked_at is None


async def test_nobody_has_more_than_a_hundred_tokens_at_a_time(office: Office, visitor: Visitor) -> None:
    credentials = office.publisher.directory.credentials
    for _ in range(99):
        credentials.create_token(office.partner.id, "x", administrator_id=office.ada.id)
    assert await make(visitor)
    page = await visitor.get("/tokens")
    refused = await visitor.send(page.form("/tokens"), label="One more", days="1")
    assert (refused.status, "You have 100 tokens already" in refused.text, shown(refused)) == (400, True, [])
    await visitor.send(revoking(page)[0])
    assert await make(visitor)


async def test_what_is_refused_stays_in_the_form(visitor: Visitor) -> None:
    page = await visitor.get("/tokens")
    typed = {"name": "App <1>", "redirect_uris": "http://a.example/\nhttps://b.example/", "scopes": "one two"}
    refused = await visitor.send(page.form("/tokens/integrations"), **typed)
    form = refused.form("/tokens/integrations")
    assert (form.fields["name"], form.fields["scopes"]) == ("App <1>", "one two")
    assert "http://a.example/\nhttps://b.example/</textarea>" in refused.text
    assert "<details open>" in refused.text
    refused = await visitor.send(page.form("/tokens"), label="Nightly", days="15")
    assert {"label": "Nightly", "days": "15"}.items() <= refused.form("/tokens").fields.items()


async def test_very_many_tokens_of_an_integration_leave_the_page_short(office: Office, visitor: Visitor) -> None:
    refresh_token = (await office.granted())["refresh_token"]
    for _ in range(204):
        await office.refresh(refresh_token)
    page = await visitor.get("/tokens")
    assert (len(revoking(page)), "And 5 older ones." in page.text) == (200, True)


async def test_an_integration_that_cannot_be_is_refused_and_the_rule_named(office: Office, visitor: Visitor) -> None:
    form = (await visitor.get("/tokens")).form("/tokens/integrations")
    for name, uris, scopes, told in (
        ("", REDIRECT, CDR_SCOPE, "name"),
        ("x", "http://app.example/", CDR_SCOPE, "redirect address"),
        ("x", REDIRECT, " ", "scopes"),
        ("x", REDIRECT, 'a"b', "scopes"),
    ):
        refused = await visitor.send(form, name=name, redirect_uris=uris, scopes=scopes)
        assert (refused.status, told in refused.text, shown(refused)) == (400, True, [])
    assert [one.name for one in office.integrations.of_partner()] == ["Billing app"]


async def test_nobody_sees_or_revokes_what_is_another_partners(office: Office, visitor: Visitor) -> None:
    token = await make(visitor, "of Ada")
    other = office.publisher.directory.add_partner("Other")
    office.administrator("eve@example.com", "full", other)
    everyones, _ = office.integrations.add("Everyone's", [REDIRECT])
    (hers,) = office.publisher.directory.credentials.tokens(office.partner.id)
    async with visiting(office.address) as eve:
        await eve.sign_in("eve@example.com", PASSWORD)
        page = await eve.get("/tokens")
        for foreign in ("of Ada", hers.id, office.app.client_id, everyones.client_id):
            assert foreign not in page.text
        csrf = page.form("/tokens").fields["csrf"]
        assert (await eve.post("/tokens/revoke", {"csrf": csrf, "id": hers.id})).status == 403
        for client_id in (office.app.client_id, everyones.client_id):
            fields = {"csrf": csrf, "client_id": client_id}
            assert (await eve.post("/tokens/integrations/revoke", fields)).status == 403
    assert await office.reads(token) == 200
    assert office.integrations.get(everyones.client_id).revoked_at is None


async def test_names_and_labels_are_shown_as_text(office: Office, visitor: Visitor) -> None:
    await make(visitor, "<script>alert(1)</script>")
    office.integrations.add('"><img src=x>', [REDIRECT], partner_id=office.partner.id)
    page = await visitor.get("/tokens")
    assert "<script" not in page.text
    assert "<img" not in page.text
