"""Signing in over real HTTP: the form, the cookie, CSRF, the lock, and the ends of a session."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from cdrelay.control.tables import sessions
from cdrelay.publisher.access.administrators import Administrators
from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.parties import Administrator
from cdrelay.settings import read_settings
from cdrelay.wiring import assemble, open_administrators, open_foundation
from tests.integration.hub.conftest import Served
from tests.support.server import serving
from tests.support.visitor import Visitor, visiting

PASSWORD = "correct horse battery"
PAGE = "/tokens"


@pytest.fixture
def store(desk: Served) -> Administrators:
    """The administrators of the running process."""
    return open_administrators(desk.running.foundation)


@pytest.fixture
def ada(desk: Served, store: Administrators) -> Administrator:
    """A full administrator of a partner."""
    partner = Directory(desk.running.foundation.database, desk.clock).add_partner("Reseller")
    return store.add(partner.id, "ada@example.com", "Ada", "full", PASSWORD)


@pytest.fixture
async def visitor(desk: Served) -> AsyncIterator[Visitor]:
    """A browser."""
    async with visiting(desk.address) as opened:
        yield opened


async def test_a_page_leads_to_the_form_and_the_form_back_to_the_page(visitor: Visitor, ada: Administrator) -> None:
    turned = await visitor.get(f"{PAGE}?from=here%26there")
    assert (turned.status, turned.location) == (303, "/sign-in?next=/tokens%3Ffrom%3Dhere%2526there")
    page = await visitor.get(turned.location)
    entered = await visitor.send(page.form("/sign-in"), email=ada.email, password=PASSWORD)
    assert (entered.status, entered.location) == (303, f"{PAGE}?from=here%26there")
    assert (await visitor.get(entered.location)).status == 200


async def test_whose_session_has_ended_is_told_so_and_whether_a_form_was_lost(
    desk: Served, visitor: Visitor, ada: Administrator
) -> None:
    await visitor.sign_in(ada.email, PASSWORD)
    form = (await visitor.get(PAGE)).form(PAGE)
    desk.clock.advance(timedelta(minutes=31))
    for turned, said in (
        (await visitor.get(PAGE), "Your session has ended. Sign in to go on."),
        (await visitor.send(form, label="Too late", days="1"), "nothing of what you sent was done"),
    ):
        page = await visitor.get(turned.location)
        assert said in page.text
        entered = await visitor.send(page.form("/sign-in"), email=ada.email, password=PASSWORD)
        assert (entered.status, entered.location) == (303, PAGE)
        assert "Too late" not in (await visitor.get(PAGE)).text
        desk.clock.advance(timedelta(minutes=31))
    assert "session" not in (await visitor.get("/sign-in?ended=<b>")).text


async def test_the_page_names_who_is_signed_in_and_the_session_is_kept_as_a_hash(
    desk: Served, visitor: Visitor, ada: Administrator
) -> None:
    await visitor.sign_in(ada.email, PASSWORD)
    assert "Ada" in (await visitor.get(PAGE)).text
    with desk.running.foundation.database.read() as connection:
        (row,) = connection.execute(select(sessions)).all()
    assert visitor.cookie
    assert visitor.cookie not in str(row)


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor: Visitor, ada: Administrator) -> None:
    plain = await visitor.sign_in(ada.email, PASSWORD)
    flags = {part.strip().lower() for part in plain.set_cookie.split(";")[1:]}
    assert flags == {"httponly", "samesite=lax", "path=/"}
    proxied = await visitor.post("/sign-in", {"email": ada.email, "password": PASSWORD}, X_Forwarded_Proto="https")
    cookie, *flags = (part.strip() for part in proxied.set_cookie.split(";"))
    assert {flag.lower() for flag in flags} == {"httponly", "samesite=lax", "path=/", "secure"}
    name, _, token = cookie.partition("=")
    # With that beginning, a browser takes it from no other host of the same domain.
    assert name == "__Host-cdrelay_session"
    over_tls = {"X_Forwarded_Proto": "https"}
    assert (await visitor.get("/tokens", Cookie=f"{name}={token}", **over_tls)).status == 200
    assert (await visitor.get("/tokens", Cookie=f"cdrelay_session={token}", **over_tls)).status == 303


async def test_a_session_never_has_a_token_that_the_browser_brought(visitor: Visitor, ada: Administrator) -> None:
    visitor.bring("chosen-by-somebody-else")
    await visitor.sign_in(ada.email, PASSWORD)
    first = visitor.cookie
    assert first != "chosen-by-somebody-else"
    await visitor.post("/sign-in", {"email": ada.email, "password": PASSWORD})
    second = visitor.cookie
    assert second != first
    visitor.bring(first)
    assert (await visitor.get(PAGE)).status == 303


@pytest.mark.parametrize(
    "after",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "\\/evil.example",
        "/%0d%0aLocation:x".replace("%0d%0a", "\r\n"),
        "javascript:alert(1)",
        "evil.example",
        "/\t/evil.example",
    ],
)
async def test_the_form_leads_nowhere_but_to_our_own_pages(visitor: Visitor, ada: Administrator, after: str) -> None:
    entered = await visitor.post("/sign-in", {"email": ada.email, "password": PASSWORD, "next": after})
    assert (entered.status, entered.location) == (303, "/setup")
    signed_in = await visitor.get("/sign-in?next=//evil.example")
    assert (signed_in.status, signed_in.location) == (303, "/setup")


async def test_an_unknown_a_wrong_and_a_locked_address_get_the_same_page(
    visitor: Visitor, ada: Administrator, desk: Served
) -> None:
    texts = []
    for email in ("nobody@example.com", *[ada.email] * 6):
        refused = await visitor.sign_in(email, "wrong horse battery")
        assert refused.status == 403
        assert "wrong horse" not in refused.text
        texts.append(refused.text.replace(email, "…"))
    assert len(set(texts)) == 1
    assert "locked for 15 minutes" in texts[0]
    assert (await visitor.sign_in(ada.email, PASSWORD)).status == 403
    desk.clock.advance(timedelta(minutes=15))
    assert (await visitor.sign_in(ada.email, PASSWORD)).status == 303


async def test_one_address_tries_ten_times_a_minute(visitor: Visitor, ada: Administrator, desk: Served) -> None:
    for n in range(10):
        assert (await visitor.sign_in(f"nobody{n}@example.com", PASSWORD)).status == 403
    desk.clock.advance(timedelta(seconds=20))
    barred = await visitor.sign_in(ada.email, PASSWORD)
    assert (barred.status, barred.headers["Retry-After"]) == (429, "40")
    desk.clock.advance(timedelta(seconds=40))
    assert (await visitor.sign_in(ada.email, PASSWORD)).status == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_another_site_cannot_sign_somebody_in(
    visitor: Visitor, ada: Administrator, headers: dict[str, str]
) -> None:
    sent = await visitor.post("/sign-in", {"email": ada.email, "password": PASSWORD}, **headers)
    assert (sent.status, sent.set_cookie, visitor.cookie) == (403, "", "")


async def test_the_forms_of_our_own_site_are_taken(visitor: Visitor, ada: Administrator) -> None:
    fields = {"email": ada.email, "password": PASSWORD}
    assert (await visitor.post("/sign-in", fields, Sec_Fetch_Site="same-origin")).status == 303
    assert (await visitor.post("/sign-in", fields, Origin=visitor.address)).status == 303


async def test_signing_out_takes_the_token_of_the_page_and_ends_the_session(
    visitor: Visitor, ada: Administrator, desk: Served
) -> None:
    await visitor.sign_in(ada.email, PASSWORD)
    before, page = visitor.cookie, await visitor.get(PAGE)
    assert (await visitor.post("/sign-out", {})).status == 403
    assert (await visitor.post("/sign-out", {"csrf": "0" * 64})).status == 403
    assert (await visitor.get(PAGE)).status == 200
    left = await visitor.send(page.form("/sign-out"))
    assert (left.status, left.location, visitor.cookie) == (303, "/sign-in", "")
    visitor.bring(before)
    assert (await visitor.get(PAGE)).status == 303


async def test_the_csrf_token_of_one_session_is_worth_nothing_in_another(
    visitor: Visitor, ada: Administrator, desk: Served
) -> None:
    await visitor.sign_in(ada.email, PASSWORD)
    foreign = (await visitor.get(PAGE)).form("/sign-out").fields["csrf"]
    async with visiting(desk.address) as other:
        await other.sign_in(ada.email, PASSWORD)
        assert (await other.post("/sign-out", {"csrf": foreign})).status == 403


async def test_a_session_lasts_while_somebody_is_there_but_for_twelve_hours(
    visitor: Visitor, ada: Administrator, desk: Served
) -> None:
    await visitor.sign_in(ada.email, PASSWORD)
    for _ in range(24):
        assert (await visitor.get(PAGE)).status == 200
        desk.clock.advance(timedelta(minutes=29, seconds=59))
    assert (await visitor.get(PAGE)).status == 200
    desk.clock.advance(timedelta(seconds=24))
    assert (await visitor.get(PAGE)).status == 303


async def test_a_session_ends_after_half_an_hour_of_nothing(visitor: Visitor, ada: Administrator, desk: Served) -> None:
    await visitor.sign_in(ada.email, PASSWORD)
    desk.clock.advance(timedelta(minutes=30))
    assert (await visitor.get(PAGE)).status == 303


async def test_a_new_password_and_removal_end_the_sessions(
    visitor: Visitor, ada: Administrator, store: Administrators
) -> None:
    await visitor.sign_in(ada.email, PASSWORD)
    store.set_password(ada.id, "another long one")
    assert (await visitor.get(PAGE)).status == 303
    await visitor.sign_in(ada.email, "another long one")
    assert (await visitor.get(PAGE)).status == 200
    store.remove(ada.id)
    assert (await visitor.get(PAGE)).status == 303


async def test_the_pages_say_that_they_are_not_to_be_framed_kept_or_filled_with_scripts(
    visitor: Visitor, ada: Administrator
) -> None:
    form = await visitor.get("/sign-in")
    entered = await visitor.sign_in(ada.email, PASSWORD)
    for seen in (form, entered, await visitor.get(PAGE), await visitor.post("/sign-out", {})):
        policy = seen.headers["Content-Security-Policy"]
        assert {"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"} <= set(policy.split("; "))
        assert seen.headers["Cache-Control"] == "no-store"


async def test_a_form_that_is_too_large_or_none_is_refused(visitor: Visitor) -> None:
    assert (await visitor.post("/sign-in", {"email": "x" * 70_000})).status == 400
    sent = await visitor.post("/sign-in", {"email": "x"}, Content_Type="text/plain")
    assert sent.status == 400


async def test_what_is_typed_is_shown_as_text(visitor: Visitor) -> None:
    seen = await visitor.post("/sign-in", {"email": '"><script>x</script>', "password": "p", "next": '/"><b>'})
    assert "<script>" not in seen.text
    assert "<b>" not in seen.text


async def test_the_loop_is_shown_without_signing_in_and_leads_there_and_back(
    visitor: Visitor, ada: Administrator
) -> None:
    loop = await visitor.get("/")
    assert (loop.status, '<a href="/sign-in">' in loop.text) == (200, True)
    assert '<a href="/">' in (await visitor.get("/sign-in")).text
    await visitor.sign_in(ada.email, PASSWORD)
    assert '<a href="/">' in (await visitor.get(PAGE)).text


async def test_a_hub_without_a_publisher_has_nothing_to_sign_in_for(tmp_path: Path) -> None:
    foundation = open_foundation(read_settings({}, home=tmp_path / "home"))
    running = assemble(foundation, frozenset({"collector", "hub"}))
    async with serving(running.app) as address, visiting(address) as visitor:
        assert "/sign-in" not in (await visitor.get("/")).text
        assert (await visitor.get("/sign-in")).status == 404
    foundation.close()


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("/tokens/revoke", "/tokens"),
        ("/tokens/integrations/revoke", "/tokens"),
        ("/deliveries/send-again", "/deliveries"),
        ("/setup/switch-on", "/setup"),
    ],
)
async def test_a_form_that_came_too_late_leads_over_the_sign_in_to_its_page(
    visitor: Visitor, ada: Administrator, address: str, page: str
) -> None:
    turned = await visitor.post(address, {"id": "x"})
    form = (await visitor.get(turned.location)).form("/sign-in")
    entered = await visitor.send(form, email=ada.email, password=PASSWORD)
    assert entered.location == address
    led = await visitor.get(entered.location)
    assert (led.status, led.location) == (303, page)
    assert (await visitor.get(page)).status == 200


async def test_the_address_of_the_sign_out_alone_signs_nobody_out(visitor: Visitor, ada: Administrator) -> None:
    await visitor.sign_in(ada.email, PASSWORD)
    assert (await visitor.get("/sign-out")).location == "/sign-in"
    assert (await visitor.get(PAGE)).status == 200


async def test_a_browser_gets_a_page_where_there_is_none_and_programs_what_they_know(
    visitor: Visitor, desk: Served
) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml"}
    none = await visitor.get("/token", **browser)
    assert (none.status, "No such page" in none.text) == (404, True)
    assert "frame-ancestors 'none'" in none.headers["Content-Security-Policy"]
    assert (await visitor.get("/token")).text == '{"detail":"Not Found"}'
    assert "trackingId" in (await visitor.get("/v1/token", **browser)).text
    desk.lose_database()
    visitor.bring("some token")
    gone = await visitor.get(PAGE, **browser)
    assert (gone.status, "Not at the moment" in gone.text, gone.headers["Retry-After"]) == (503, True, "30")
    assert "trackingId" in (await visitor.get(PAGE)).text


async def test_an_administrator_changes_the_password_and_other_sessions_end(
    visitor: Visitor, ada: Administrator, desk: Served
) -> None:
    new = "another long one"
    await visitor.sign_in(ada.email, PASSWORD)
    async with visiting(desk.address) as other:
        await other.sign_in(ada.email, PASSWORD)
        form = (await visitor.get("/password")).form("/password")
        changed = await visitor.send(form, current=PASSWORD, new=new, again=new)
        assert (changed.status, changed.location) == (303, "/password?changed")
        assert "Your password is changed" in (await visitor.get(changed.location)).text
        assert ((await visitor.get(PAGE)).status, (await other.get(PAGE)).status) == (200, 303)
        assert (await other.sign_in(ada.email, PASSWORD)).status == 403
        assert (await other.sign_in(ada.email, new)).status == 303


async def test_a_password_is_changed_by_who_knows_it_from_a_form_of_the_session_alone(
    visitor: Visitor, ada: Administrator, desk: Served
) -> None:
    await visitor.sign_in(ada.email, PASSWORD)
    form, new = (await visitor.get("/password")).form("/password"), "another long one"
    for filled in (
        {"current": "wrong horse battery", "new": new, "again": new},
        {"current": PASSWORD, "new": new, "again": new + "x"},
        {"current": PASSWORD, "new": "short", "again": "short"},
    ):
        assert (await visitor.send(form, **filled)).status == 400
    assert (await visitor.send(form, csrf="0" * 64, current=PASSWORD, new=new, again=new)).status == 403
    async with visiting(desk.address) as other:
        assert (await other.sign_in(ada.email, PASSWORD)).status == 303


async def test_guessing_the_password_from_an_open_page_locks_the_address(visitor: Visitor, ada: Administrator) -> None:
    await visitor.sign_in(ada.email, PASSWORD)
    form, new = (await visitor.get("/password")).form("/password"), "another long one"
    for _ in range(5):
        assert (await visitor.send(form, current="wrong horse battery", new=new, again=new)).status == 400
    assert (await visitor.send(form, current=PASSWORD, new=new, again=new)).status == 400
