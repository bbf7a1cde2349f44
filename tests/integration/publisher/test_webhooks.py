"""Webhooks of partners in a real database: one each, their secrets, and how a secret is changed."""

from datetime import timedelta

import pytest

from cdrelay.callbacks.guard import CallbackRefused
from cdrelay.control.tables import webhooks
from cdrelay.publisher.delivery.webhooks import BY_OPERATOR, LONGEST_SECRET
from cdrelay.publisher.errors import (
    PartnerUnknown,
    WebhookExists,
    WebhookRefused,
    WebhookUnknown,
)
from tests.integration.publisher.publisher_bench import START, Bench

URL = "https://callback.example/cdr"
OTHER_URL = "https://other.example/"
ALERTS = "https://alerts.example/"
DAY = timedelta(hours=24)


def test_a_partner_has_one_webhook_and_replacing_it_keeps_its_age(bench: Bench) -> None:
    partner = bench.partner()
    first = bench.webhooks.set(partner.id, URL)
    assert (first.signed, first.active, first.created_at) == (False, True, START)
    bench.advance(hours=1)
    with pytest.raises(WebhookExists):
        bench.webhooks.set(partner.id, OTHER_URL)
    assert bench.webhooks.get(partner.id) == first
    bench.webhooks.set_active(partner.id, False)
    second = bench.webhooks.set(partner.id, OTHER_URL, resource_type="billing", replace=True)
    assert (second.url, second.resource_type, second.active, second.created_at) == (OTHER_URL, "billing", True, START)


def test_a_secret_is_stored_encrypted_and_read_back(bench: Bench) -> None:
    partner = bench.partner()
    bench.webhooks.set(partner.id, URL, secret="ünique-secret")
    with bench.foundation.database.read() as connection:
        stored = connection.execute(webhooks.select()).one()
    assert "ünique-secret".encode() not in stored.secret
    assert bench.webhooks.secrets(partner.id) == ("ünique-secret",)
    assert "ünique" not in repr(bench.webhooks.get(partner.id))


def test_what_is_not_given_anew_stays_and_what_is_taken_away_goes(bench: Bench) -> None:
    partner = bench.partner()
    bench.webhooks.set(partner.id, URL, secret="first", alert_url=ALERTS)
    kept = bench.webhooks.set(partner.id, OTHER_URL, replace=True)
    assert (kept.url, kept.signed, kept.alert_url) == (OTHER_URL, True, ALERTS)
    assert bench.webhooks.secrets(partner.id) == ("first",)
    bare = bench.webhooks.set(partner.id, OTHER_URL, unsigned=True, alert_url="", replace=True)
    assert (bare.signed, bare.alert_url, bench.webhooks.secrets(partner.id)) == (False, None, ())


def test_during_a_rotation_the_secret_before_is_valid_too_and_then_no_more(bench: Bench) -> None:
    partner = bench.partner()
    bench.webhooks.set(partner.id, URL, secret="old")
    rotating = bench.webhooks.set(partner.id, URL, secret="new", previous_valid_for=DAY, replace=True)
    assert rotating.previous_secret_until == START + DAY
    assert bench.webhooks.secrets(partner.id) == ("new", "old")
    # A change of something else does not end it.
    bench.webhooks.set(partner.id, OTHER_URL, replace=True)
    bench.clock.advance(DAY - timedelta(milliseconds=1))
    assert bench.webhooks.secrets(partner.id) == ("new", "old")
    bench.advance(milliseconds=1)
    assert bench.webhooks.secrets(partner.id) == ("new",)
    assert bench.webhooks.get(partner.id).previous_secret_until is None
    assert bench.webhooks.all()[0].previous_secret_until is None


def test_a_rotation_ends_when_it_is_told_to_and_with_the_next_change_of_the_secret(bench: Bench) -> None:
    partner = bench.partner()
    bench.webhooks.set(partner.id, URL, secret="one")
    bench.webhooks.set(partner.id, URL, secret="two", previous_valid_for=DAY, replace=True)
    for _ in range(2):
        assert bench.webhooks.forget_previous_secret(partner.id).previous_secret_until is None
        assert bench.webhooks.secrets(partner.id) == ("two",)
    bench.webhooks.set(partner.id, URL, secret="three", previous_valid_for=DAY, replace=True)
    assert bench.webhooks.secrets(partner.id) == ("three", "two")
    bench.webhooks.set(partner.id, URL, secret="four", replace=True)
    assert bench.webhooks.secrets(partner.id) == ("four",)
    bench.webhooks.set(partner.id, URL, secret="five", previous_valid_for=DAY, replace=True)
    bench.webhooks.set(partner.id, URL, unsigned=True, replace=True)
    assert bench.webhooks.secrets(partner.id) == ()


def test_a_first_secret_has_none_before_it(bench: Bench) -> None:
    partner = bench.partner()
    bench.webhooks.set(partner.id, URL)
    webhook = bench.webhooks.set(partner.id, URL, secret="first", previous_valid_for=DAY, replace=True)
    assert (webhook.previous_secret_until, bench.webhooks.secrets(partner.id)) == (None, ("first",))


def test_a_webhook_is_switched_off_and_on_and_removed(bench: Bench) -> None:
    one, two = bench.partner("one"), bench.partner("two")
    for partner in (one, two):
        bench.webhooks.set(partner.id, URL)
    webhook = bench.webhooks.set_active(one.id, False)
    assert webhook.switched_off_because == BY_OPERATOR
    assert bench.webhooks.set_active(one.id, True).switched_off_because is None
    bench.webhooks.remove(two.id)
    assert [each.partner_id for each in bench.webhooks.all()] == [one.id]


@pytest.mark.parametrize(
    ("secret", "rule"),
    [
        ("", "empty secret"),
        ("x" * (LONGEST_SECRET + 1), f"at most {LONGEST_SECRET} characters"),
        ("pasted\n", "line breaks"),
        (" led", "spaces"),
    ],
)
def test_a_secret_that_could_not_be_typed_again_is_refused(bench: Bench, secret: str, rule: str) -> None:
    partner = bench.partner()
    with pytest.raises(WebhookRefused, match=rule):
        bench.webhooks.set(partner.id, URL, secret=secret)
    with pytest.raises(WebhookUnknown):
        bench.webhooks.get(partner.id)


def test_urls_that_nothing_may_be_sent_to_are_refused(bench: Bench) -> None:
    partner = bench.partner()
    with pytest.raises(CallbackRefused):
        bench.webhooks.set(partner.id, "ftp://callback.example/")
    with pytest.raises(CallbackRefused):
        bench.webhooks.set(partner.id, URL, alert_url="no url")
    with pytest.raises(WebhookUnknown):
        bench.webhooks.get(partner.id)


def test_nobody_has_no_webhook(bench: Bench) -> None:
    with pytest.raises(PartnerUnknown):
        bench.webhooks.set("nobody", URL)
    partner = bench.partner()
    methods = (bench.webhooks.get, bench.webhooks.secrets, bench.webhooks.forget_previous_secret, bench.webhooks.remove)
    for ask in methods:
        with pytest.raises(WebhookUnknown):
            ask(partner.id)
    with pytest.raises(WebhookUnknown):
        bench.webhooks.set_active(partner.id, True)
