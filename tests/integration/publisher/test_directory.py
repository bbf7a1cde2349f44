"""Partners, organizations, webhooks and credentials in a real database."""

from datetime import timedelta

import pytest

from cdrelay.contract.organization_ids import encoded_organization_id
from cdrelay.contract.windows import EPOCH, Period
from cdrelay.control.tables import access_tokens, intake_keys
from cdrelay.publisher.access.credentials import LifetimeRefused
from cdrelay.publisher.errors import (
    CredentialUnknown,
    EntryRefused,
    NameRefused,
    OrganizationIdRefused,
    OrganizationUnknown,
    PartnerExists,
    PartnerUnknown,
)
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, Bench

ALWAYS = Period(EPOCH, EPOCH + timedelta(days=40_000))


def test_a_partner_is_found_by_id_and_by_name(bench: Bench) -> None:
    partner = bench.directory.add_partner("  Reseller ")
    assert partner.name == "Reseller"
    assert bench.directory.partner(partner.id) == bench.directory.partner("Reseller") == partner
    assert bench.directory.partners() == [partner]
    with pytest.raises(PartnerExists):
        bench.directory.add_partner("Reseller")
    with pytest.raises(PartnerUnknown):
        bench.directory.partner("nobody")


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "two\nlines"])
def test_a_name_nobody_could_read_is_refused(bench: Bench, name: str) -> None:
    with pytest.raises(NameRefused):
        bench.directory.add_partner(name)


def test_an_organization_is_one_in_every_form_of_its_id(bench: Bench) -> None:
    partner = bench.directory.add_partner("one")
    for form in (ORG, ORG.upper(), encoded_organization_id(ORG)):
        added = bench.directory.add_organization(form, "Customer", partner.id)
        assert (added.org_uuid, added.name, added.partner_ids) == (ORG, "Customer", (partner.id,))
    assert bench.entitlement.organizations_of(partner.id, ALWAYS) == [ORG]
    assert bench.directory.add_organization(ORG).name == "Customer"
    assert bench.directory.add_organization(ORG, "Renamed").name == "Renamed"


def test_an_organization_may_have_several_partners(bench: Bench) -> None:
    one, two = bench.directory.add_partner("one"), bench.directory.add_partner("two")
    bench.directory.add_organization(ORG, partner_id=one.id)
    for _ in range(2):
        bench.directory.assign(ORG, two.id)
    assert set(bench.directory.organization(ORG).partner_ids) == {one.id, two.id}


def test_what_nobody_knows_is_refused(bench: Bench) -> None:
    with pytest.raises(OrganizationIdRefused):
        bench.directory.add_organization("no id")
    with pytest.raises(PartnerUnknown):
        bench.directory.add_organization(ORG, partner_id="nobody")
    assert bench.directory.organizations() == []  # all or nothing
    with pytest.raises(OrganizationUnknown):
        bench.directory.assign(OTHER_ORG, "nobody")
    assert bench.entitlement.organizations_of("nobody", ALWAYS) == []


def test_a_token_lasts_14_days_unless_told_otherwise(bench: Bench) -> None:
    partner = bench.partner()
    usual = bench.directory.credentials.create_token(partner.id, "usual")
    short = bench.directory.credentials.create_token(partner.id, "short", timedelta(hours=1))
    assert bench.directory.partner_for_token(usual) == partner
    bench.advance(hours=1)
    assert bench.directory.partner_for_token(short) is None
    bench.clock.advance(timedelta(days=14, hours=-1, milliseconds=-1))
    assert bench.directory.partner_for_token(usual) == partner
    bench.advance(milliseconds=1)
    assert bench.directory.partner_for_token(usual) is None
    with pytest.raises(LifetimeRefused):
        bench.directory.credentials.create_token(partner.id, lifetime=timedelta(0))
    with pytest.raises(PartnerUnknown):
        bench.directory.credentials.create_token("nobody")


def test_a_token_is_revoked_by_itself_or_by_its_id_once_and_for_ever(bench: Bench) -> None:
    credentials = bench.directory.credentials
    partner = bench.partner()
    for way in ("itself", "id"):
        token = credentials.create_token(partner.id, way)
        (listed,) = [one for one in credentials.tokens(partner.id) if one.label == way]
        given = token if way == "itself" else listed.id
        assert credentials.revoke_token(given) == credentials.revoke_token(given) == listed.id
        assert bench.directory.partner_for_token(token) is None
    for nothing in ("", "abc", "0" * 12, "%" * 12):
        with pytest.raises(CredentialUnknown):
            credentials.revoke_token(nothing)


def test_intake_keys_are_valid_until_they_are_revoked(bench: Bench) -> None:
    key = bench.directory.credentials.create_intake_key("platform")
    assert bench.directory.intake_key_valid(key)
    assert not bench.directory.intake_key_valid("nonsense")
    (listed,) = bench.directory.credentials.intake_keys()
    bench.directory.credentials.revoke_intake_key(listed.id)
    assert not bench.directory.intake_key_valid(key)


@pytest.mark.parametrize("label", ["two\nlines", "x" * 101, "\x1b[31mred"])
def test_a_label_of_a_token_or_key_is_one_short_line(bench: Bench, label: str) -> None:
    credentials, partner = bench.directory.credentials, bench.partner()
    with pytest.raises(EntryRefused, match="label: must have at most 100 printable characters"):
        credentials.create_token(partner.id, label)
    with pytest.raises(EntryRefused, match="label: must have"):
        credentials.create_intake_key(label)
    assert (credentials.tokens(), credentials.intake_keys()) == ([], [])


def test_of_tokens_and_keys_only_hashes_are_stored(bench: Bench) -> None:
    credentials = bench.directory.credentials
    token, key = credentials.create_token(bench.partner().id), credentials.create_intake_key()
    with bench.foundation.database.read() as connection:
        stored = str([connection.execute(table.select()).all() for table in (access_tokens, intake_keys)])
    assert token not in stored
    assert key not in stored
