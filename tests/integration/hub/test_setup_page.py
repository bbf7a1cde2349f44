"""Organization Settings > Call Detail Records over real HTTP: roles, rules, review, test, rotation, removal."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from cdrelay.callbacks.retry import RetryAt, SwitchOff
from cdrelay.contract.organization_ids import organization_uuid
from cdrelay.contract.signature import SIGNATURE_HEADER, sign
from cdrelay.contract.windows import EPOCH
from cdrelay.lake.spool import Envelope
from cdrelay.publisher.errors import WebhookUnknown
from cdrelay.traffic import Plan, Traffic
from tests.integration.hub.conftest import NOW
from tests.integration.hub.setup_bench import Office, described_by, words
from tests.support.callback import Answer, Callback
from tests.support.visitor import Seen, Visitor, visiting

URL = "https://callback.example.com/cdr"
ACTIONS = (
    "/setup/review",
    "/setup/edit",
    "/setup/test",
    "/setup",
    "/setup/end-rotation",
    "/setup/switch-on",
    "/setup/remove",
)


@pytest.fixture
async def ada(office: Office) -> AsyncIterator[Visitor]:
    """The browser of a full administrator."""
    async with office.signed_in() as visitor:
        yield visitor


async def review(visitor: Visitor, **typed: str) -> Seen:
    """Fill in the form and send it."""
    page = await visitor.get("/setup")
    usual = {"url": URL, "resource_type": "analytics"}
    return await visitor.send(page.form("/setup/review"), **(usual | typed))


async def save(visitor: Visitor, **typed: str) -> Seen:
    """Fill in the form, look at the review, save; the page after that."""
    reviewed = await review(visitor, **typed)
    assert reviewed.status == 200, words(reviewed)
    saved = await visitor.send(reviewed.form("/setup"))
    return await visitor.get(saved.location) if saved.status == 303 else saved


# --- who may ---------------------------------------------------------------------------------------------------------


async def test_nobody_sees_anything_without_signing_in(office: Office) -> None:
    async with visiting(office.address) as stranger:
        for path in ("/setup", "/setup/remove", "/deliveries", "/deliveries/some-id"):
            assert (await stranger.get(path)).location == f"/sign-in?next={path}"
        for path in (*ACTIONS, "/deliveries/send-again"):
            assert (await stranger.post(path, {})).location == f"/sign-in?next={path}"


async def test_one_who_reads_sees_the_page_without_controls_and_may_do_nothing(office: Office) -> None:
    office.publisher.webhooks.set(office.partner.id, URL, secret="hidden-secret")
    async with office.signed_in("read_only") as reader:
        page = await reader.get("/setup")
        assert URL in page.text
        assert page.forms("/setup") == []
        csrf = page.form("/sign-out").fields["csrf"]
        for path in ACTIONS:
            assert (await reader.post(path, {"csrf": csrf})).status == 403
        assert (await reader.get("/setup/remove")).status == 403
    assert office.publisher.webhooks.secrets(office.partner.id) == ("hidden-secret",)


async def test_one_of_assigned_customers_sees_neither_page(office: Office) -> None:
    async with office.signed_in("assigned") as assigned:
        for path in ("/setup", "/setup/remove", "/deliveries", "/deliveries/some-id"):
            assert (await assigned.get(path)).status == 403


async def test_a_form_without_the_token_of_the_session_changes_nothing(office: Office, ada: Visitor) -> None:
    office.publisher.webhooks.set(office.partner.id, URL)
    draft = (await review(ada, url="https://else.example.com/")).form("/setup").fields["draft"]
    for path in ACTIONS:
        for wrong in ({}, {"csrf": ""}, {"csrf": "0" * 64}):
            assert (await ada.post(path, {"draft": draft} | wrong)).status == 403, path
    assert office.publisher.webhooks.get(office.partner.id).url == URL


async def test_the_pages_let_nothing_in_but_their_own_style_and_forms(ada: Visitor) -> None:
    for path in ("/setup", "/deliveries"):
        page = await ada.get(path)
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "form-action 'self'" in policy
        assert "script" not in policy
        assert "<script" not in page.text
        assert "style=" not in page.text


# --- the rules -------------------------------------------------------------------------------------------------------


REFUSED = [
    ("url", "", "A URL is needed"),
    ("url", "ftp://callback.example.com/", "must begin with https://"),
    ("url", "https://user:pass@callback.example.com/", "no user name or password"),
    ("url", "https://callback.example.com/" + "x" * 2_000, "at most 2000 characters"),
    ("secret", " led", "no spaces at its beginning"),
    ("secret", "x" * 257, "at most 256 characters"),
    ("rotation", "ever", "one of the choices"),
    ("resource_type", "", "A choice is needed"),
    ("resource_type", "everything", "A choice is needed"),
    ("alert_url", URL, "must be another one than the callback URL"),
    ("alert_url", "nowhere", "The alert URL must begin with https://"),
]


async def test_a_refusal_stands_at_its_field_and_at_the_top_and_what_was_typed_stays(
    office: Office, ada: Visitor
) -> None:
    office.publisher.webhooks.set(office.partner.id, "https://before.example.com/", secret="before")
    for field, value, rule in REFUSED:
        typed = {"url": URL, "secret": "typed-secret", "alert_url": "https://alerts.example.com/"} | {field: value}
        page = await review(ada, **typed)
        assert page.status == 422, field
        assert rule in described_by(page, field)
        assert f'<a href="#{field}">' in page.text
        fields = page.form("/setup/review").fields
        assert (fields["url"], fields["alert_url"], fields["secret"]) == (typed["url"], typed["alert_url"], "")
        assert "typed-secret" not in page.text
        assert "Type the secret again" in page.text
    assert office.publisher.webhooks.secrets(office.partner.id) == ("before",)


async def test_all_refusals_are_told_at_once(ada: Visitor) -> None:
    page = await review(ada, url="", secret=" x", resource_type="")
    assert "3 entries are refused" in page.text


async def test_a_secret_is_not_both_set_and_removed(office: Office, ada: Visitor) -> None:
    office.publisher.webhooks.set(office.partner.id, URL, secret="before")
    page = await review(ada, secret="new", remove_secret="yes")
    assert "cannot be both" in described_by(page, "secret")
    assert page.form("/setup/review").fields["remove_secret"] == "yes"


async def test_markup_in_what_is_typed_is_text(ada: Visitor) -> None:
    page = await review(ada, url='"><script>alert(1)</script>')
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text


# --- from the form to the webhook ------------------------------------------------------------------------------------


async def test_a_webhook_is_saved_as_it_was_reviewed_and_its_secret_is_never_shown(
    office: Office, ada: Visitor
) -> None:
    reviewed = await review(ada, secret="the-secret", resource_type="billing", alert_url="https://alerts.example.com/")
    told = words(reviewed)
    assert f"none → after: {URL}" in told
    assert "a secret is set" in told
    assert "→ after: Billing" in told
    assert "the-secret" not in reviewed.text
    with pytest.raises(WebhookUnknown):
        office.publisher.webhooks.get(office.partner.id)  # a review changes nothing
    saved = await ada.send(reviewed.form("/setup"))
    webhook = office.publisher.webhooks.get(office.partner.id)
    assert (webhook.url, webhook.resource_type, webhook.alert_url) == (URL, "billing", "https://alerts.example.com/")
    assert office.publisher.webhooks.secrets(office.partner.id) == ("the-secret",)
    page = await ada.get(saved.location)
    assert "Saved." in page.text
    assert "A secret is set, and cannot be shown" in words(page)
    assert "the-secret" not in page.text


async def test_what_is_left_empty_keeps_the_secret_and_the_box_removes_it(office: Office, ada: Visitor) -> None:
    await save(ada, secret="first")
    await save(ada, url="https://else.example.com/")
    assert office.publisher.webhooks.secrets(office.partner.id) == ("first",)
    assert "not signed" in words(await review(ada, remove_secret="yes"))
    await save(ada, remove_secret="yes")
    assert office.publisher.webhooks.secrets(office.partner.id) == ()


async def test_a_new_secret_lets_the_old_one_stay_as_long_as_chosen(office: Office, ada: Visitor) -> None:
    await save(ada, secret="old")
    before = "old"
    for choice, hours in (("none", 0), ("1h", 1), ("24h", 24), ("7d", 168)):
        page = await save(ada, secret=choice, rotation=choice)
        until = NOW + timedelta(hours=hours)
        assert office.publisher.webhooks.get(office.partner.id).previous_secret_until == (until if hours else None)
        assert office.publisher.webhooks.secrets(office.partner.id) == ((choice, before) if hours else (choice,))
        assert (f"until {until:%Y-%m-%d %H:%M} UTC" in words(page)) == bool(hours)
        before = choice


async def test_saving_twice_does_not_end_the_old_secret(office: Office, ada: Visitor) -> None:
    await save(ada, secret="first")
    reviewed = await review(ada, secret="second", rotation="24h")
    for _ in range(2):  # a double click
        assert (await ada.send(reviewed.form("/setup"))).status == 303
    assert office.publisher.webhooks.secrets(office.partner.id) == ("second", "first")


async def test_a_rotation_is_ended_by_its_button(office: Office, ada: Visitor) -> None:
    await save(ada, secret="old")
    page = await save(ada, secret="new", rotation="24h")
    (asked,) = re.findall(r'<details class="ask">(.*?)</details>', page.text, re.DOTALL)
    assert 'action="/setup/end-rotation"' in asked
    assert "This cannot be undone." in asked
    ended = await ada.send(page.form("/setup/end-rotation"))
    assert office.publisher.webhooks.secrets(office.partner.id) == ("new",)
    assert "no longer valid" in (await ada.get(ended.location)).text


async def test_the_review_says_that_nothing_changes_and_then_offers_no_saving(ada: Visitor) -> None:
    await save(ada)
    page = await review(ada)
    assert "Nothing: it is set like this already" in page.text
    assert ">Save<" not in page.text


async def test_one_can_go_back_from_the_review_to_what_was_typed(ada: Visitor) -> None:
    reviewed = await review(ada, secret="the-secret", resource_type="billing")
    page = await ada.post("/setup/edit", reviewed.form("/setup").fields)
    fields = page.form("/setup/review").fields
    assert (fields["url"], fields["resource_type"], fields["secret"]) == (URL, "billing", "")
    assert "the-secret" not in page.text
    assert "Type the secret again" in page.text


async def test_the_review_counts_what_each_feed_held_of_the_last_day(office: Office, ada: Visitor) -> None:
    publisher, traffic = office.publisher, Traffic(Plan(organizations=3))
    for organization in traffic.organizations:
        publisher.directory.add_organization(
            organization_uuid(organization.uuid), organization.name, office.partner.id, starts_at=EPOCH
        )
    records = list(traffic.records(30, NOW - timedelta(hours=2), NOW - timedelta(hours=1)))
    envelope = Envelope(id="one", source="test", channel="intake", received=NOW)
    publisher.store.spool.put(envelope, b'{"items":[' + b",".join(records) + b"]}")
    publisher.store.loader.drain()
    told = words(await review(ada))
    assert "Analytics chosen 30 records of 3 organizations" in told
    billing = re.search(r"Billing ([0-9]+) records? of", told)
    assert billing is not None
    assert int(billing[1]) < 30  # no licence was sold


# --- one webhook only, and nobody overwrites another -----------------------------------------------------------------


async def test_a_second_webhook_is_refused_also_out_of_another_tab(office: Office, ada: Visitor) -> None:
    first, second = await review(ada), await review(ada, url="https://second.example.com/")
    await ada.send(first.form("/setup"))
    refused = await ada.send(second.form("/setup"))
    assert refused.status == 409
    assert "has a webhook already, and can have only one" in words(refused)
    assert refused.form("/setup/review").fields["url"] == "https://second.example.com/"
    assert office.publisher.webhooks.get(office.partner.id).url == URL
    # A POST that says there is none is refused before the review.
    page = await ada.get("/setup")
    create = page.form("/setup/review").fields | {"seen": "", "resource_type": "billing"}
    assert (await ada.post("/setup/review", create)).status == 409
    # What stands in the refused page may then be meant.
    again = await ada.send(refused.form("/setup/review"), resource_type="analytics")
    await ada.send(again.form("/setup"))
    assert office.publisher.webhooks.get(office.partner.id).url == "https://second.example.com/"


async def test_a_change_meanwhile_is_not_overwritten_unseen(office: Office, ada: Visitor) -> None:
    await save(ada)
    mine = await review(ada, url="https://mine.example.com/")
    office.publisher.webhooks.set(office.partner.id, "https://theirs.example.com/", replace=True)
    refused = await ada.send(mine.form("/setup"))
    assert (refused.status, "was changed meanwhile" in refused.text) == (409, True)
    assert office.publisher.webhooks.get(office.partner.id).url == "https://theirs.example.com/"
    office.publisher.webhooks.remove(office.partner.id)
    gone = await ada.send(mine.form("/setup"))
    assert (gone.status, "was removed meanwhile" in gone.text) == (409, True)


async def test_of_two_who_change_the_secret_alone_the_second_is_told(office: Office, ada: Visitor) -> None:
    await save(ada, secret="old")
    mine = await review(ada, secret="mine")
    office.publisher.webhooks.set(office.partner.id, URL, secret="theirs", replace=True)
    refused = await ada.send(mine.form("/setup"))
    assert (refused.status, "was changed meanwhile" in refused.text) == (409, True)
    assert office.publisher.webhooks.secret_is(office.partner.id, "theirs")


async def test_a_draft_is_good_for_its_session_its_partner_and_an_hour(office: Office, ada: Visitor) -> None:
    reviewed = await review(ada, secret="the-secret")
    draft = reviewed.form("/setup").fields["draft"]
    async with office.signed_in() as same_again, office.signed_in(partner=office.other) as other:
        for visitor in (same_again, other):
            csrf = (await visitor.get("/setup")).form("/sign-out").fields["csrf"]
            refused = await visitor.post("/setup", {"csrf": csrf, "draft": draft})
            assert (refused.status, "belongs to another session" in refused.text) == (409, True)
    csrf = reviewed.form("/setup").fields["csrf"]
    for broken in ("", draft[:-5] + "AAAA=", "ünsinn"):
        assert (await ada.post("/setup", {"csrf": csrf, "draft": broken})).status == 409
    for _ in range(4):  # the session is kept alive meanwhile
        office.clock.advance(timedelta(minutes=15, milliseconds=1))
        await ada.get("/setup")
    late = await ada.send(reviewed.form("/setup"))
    assert (late.status, "more than an hour old" in late.text) == (409, True)
    with pytest.raises(WebhookUnknown):
        office.publisher.webhooks.get(office.partner.id)


async def test_the_address_of_a_step_leads_to_the_page(ada: Visitor) -> None:
    for step in ("review", "test", "edit", "switch-on"):
        assert (await ada.get(f"/setup/{step}")).location == "/setup"


# --- the test delivery -----------------------------------------------------------------------------------------------


async def test_a_test_delivery_is_signed_as_deliveries_would_be_and_tells_what_came_of_it(
    office: Office, ada: Visitor
) -> None:
    async with Callback(otherwise=Answer(202, text="welcome, " + "x" * 300)) as callback:
        reviewed = await review(ada, url=callback.url, secret="to-be")
        tested = await ada.post("/setup/test", reviewed.form("/setup").fields)
        (request,) = callback.requests
        assert (request.method, request.body) == ("POST", b'{"items":[]}')
        assert request.headers["X-Cdrelay-Test"] == "true"
        assert request.headers[SIGNATURE_HEADER] == sign("to-be", request.body)
        told = words(tested)
        assert "the callback answered 202" in told
        assert " ms, signed." in told
        assert "welcome, " + "x" * 191 in told
        assert "x" * 192 not in told
        # The secret is kept for saving.
        await ada.send(tested.form("/setup"))
        assert office.publisher.webhooks.secrets(office.partner.id) == ("to-be",)
        # And one that is set signs the test of another change.
        await ada.post(
            "/setup/test", (await review(ada, url=callback.url, resource_type="billing")).form("/setup").fields
        )
        assert callback.requests[-1].headers[SIGNATURE_HEADER] == sign("to-be", request.body)
        await ada.post("/setup/test", (await review(ada, url=callback.url, remove_secret="yes")).form("/setup").fields)
        assert SIGNATURE_HEADER not in callback.requests[-1].headers


async def test_a_test_delivery_that_does_not_arrive_says_why(ada: Visitor) -> None:
    async with Callback(otherwise=Answer(500, text="broken")) as callback:
        reviewed = await review(ada, url=callback.url)
        told = words(await ada.post("/setup/test", reviewed.form("/setup").fields))
        assert "It did not arrive: the callback answered 500." in told
        assert "broken" in told
        unreachable = callback.url
    reviewed = await review(ada, url=unreachable)
    assert "no connection to the callback" in words(await ada.post("/setup/test", reviewed.form("/setup").fields))


async def test_tests_do_not_serve_to_flood_somebody(office: Office, ada: Visitor) -> None:
    async with Callback() as callback:
        fields = (await review(ada, url=callback.url)).form("/setup").fields
        for _ in range(10):
            await ada.post("/setup/test", fields)
        assert "Nothing was sent: 10 tests a minute are enough" in words(await ada.post("/setup/test", fields))
        assert len(callback.requests) == 10
        office.clock.advance(timedelta(minutes=1))
        await ada.post("/setup/test", fields)
        assert len(callback.requests) == 11


# --- off, on, gone ---------------------------------------------------------------------------------------------------


async def test_after_a_failure_switched_it_off_an_administrator_switches_it_on(office: Office, ada: Visitor) -> None:
    office.publisher.webhooks.set(office.partner.id, URL)
    (delivery,) = office.window(NOW)
    office.attempt(delivery, RetryAt(NOW, "failed", NOW), "the callback answered 500")
    assert "Attempts have failed since 2026-11-24 12:00 UTC" in words(await ada.get("/setup"))
    office.attempt(delivery, SwitchOff("the callback answered 410: it is gone"), "the callback answered 410")
    page = await ada.get("/setup")
    assert "The callback answered 410: it is gone. 1 delivery waits." in words(page)
    assert "Deliveries switched off" not in words(page)
    assert "on; what waits is sent" in words(await review(ada))
    switched = await ada.send(page.form("/setup/switch-on"))
    assert office.publisher.webhooks.get(office.partner.id).active
    assert "is on again" in (await ada.get(switched.location)).text


async def test_what_the_operator_switched_off_is_the_operators_to_switch_on(office: Office, ada: Visitor) -> None:
    office.publisher.webhooks.set(office.partner.id, URL)
    page = await ada.get("/setup")
    csrf = page.form("/sign-out").fields["csrf"]
    office.publisher.webhooks.set_active(office.partner.id, active=False)
    page = await ada.get("/setup")
    assert page.forms("/setup") == []
    assert "ask them to switch them on again" in words(page)
    for path in (*ACTIONS, "/deliveries/send-again"):
        assert (await ada.post(path, {"csrf": csrf})).status == 403
    assert not office.publisher.webhooks.get(office.partner.id).active


async def test_a_webhook_is_removed_after_a_question_that_says_what_is_lost(office: Office, ada: Visitor) -> None:
    await save(ada)
    office.window(NOW)
    question = await ada.get("/setup/remove")
    assert "1 delivery that waits is not sent" in words(question)
    office.publisher.webhooks.get(office.partner.id)
    removed = await ada.send(question.form("/setup/remove"))
    with pytest.raises(WebhookUnknown):
        office.publisher.webhooks.get(office.partner.id)
    assert "The webhook is removed" in (await ada.get(removed.location)).text
    assert (await ada.get("/setup/remove")).location == "/setup"
    for path in ("/setup/remove", "/setup/end-rotation", "/setup/switch-on"):
        again = await ada.post(path, question.form("/setup/remove").fields)
        assert (again.status, "no webhook any more" in again.text) == (409, True)


async def test_administrators_set_the_webhook_of_their_own_partner_alone(office: Office, ada: Visitor) -> None:
    async with office.signed_in(partner=office.other) as other:
        await save(other, url="https://other.example.com/")
        assert "No webhook is set up" in (await ada.get("/setup")).text
        await save(ada)
        assert "other.example.com" not in (await ada.get("/setup")).text
    assert office.publisher.webhooks.get(office.other.id).url == "https://other.example.com/"


async def test_a_secret_that_the_key_no_longer_opens_can_be_replaced(office: Office, ada: Visitor) -> None:
    await save(ada, secret="old")
    with office.running.foundation.database.write() as connection:
        connection.exec_driver_sql("UPDATE webhooks SET secret = x'00'")
    page = words(await ada.get("/setup"))
    assert "Nothing can be sent" in page
    assert "Leave this empty to keep it" not in page
    assert "Deliveries are on" not in page
    reviewed = await review(ada, url="https://else.example.com/")
    assert "type a new one" in words(await ada.post("/setup/test", reviewed.form("/setup").fields))
    await save(ada, secret="new")
    assert office.publisher.webhooks.secrets(office.partner.id) == ("new",)
    assert "Deliveries are on" in words(await ada.get("/setup"))
