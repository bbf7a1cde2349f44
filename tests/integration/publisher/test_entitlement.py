"""What partners are entitled to, in their windows and at their endpoints: Analytics and Billing, in time."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from cdrelay.contract.manifest import digest_of
from cdrelay.contract.windows import EPOCH, Period
from cdrelay.publisher.directory.licences import Licences
from cdrelay.publisher.directory.partner_removal import PartnerRemoval
from cdrelay.publisher.directory.relations import Relations
from cdrelay.publisher.errors import PartnerUnknown
from cdrelay.publisher.parties import Partner, ResourceType
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, START, Bench, ids, record, report_id, served
from tests.integration.publisher.test_partner_api import COUNTS, RECORDS, Api, times

USER = "aaaaaaaa-2222-4333-8444-000000000001"
OTHER_USER = "aaaaaaaa-2222-4333-8444-000000000002"
ROOM = "bbbbbbbb-2222-4333-8444-000000000001"
OTHER_ROOM = "bbbbbbbb-2222-4333-8444-000000000002"
THIRD_ORG = "77777777-2222-4333-8444-555555555555"


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


A_MINUTE_AGO = at(-1)


def call(name: str, holder: str = "", org: str = ORG, ended: datetime = A_MINUTE_AGO, **more: str) -> dict[str, str]:
    kind = "Place" if holder in (ROOM, OTHER_ROOM) else "User"
    return record(name, ended, org, **{"User UUID": holder, "User type": kind}, **more)


def hook(bench: Bench, partner: Partner, resource_type: ResourceType) -> None:
    bench.webhooks.set(partner.id, "https://callback.example/", resource_type=resource_type)
    bench.advance(seconds=1)


def delivered(bench: Bench, partner: Partner) -> set[str]:
    mine = [one for one in bench.outbox.latest(1_000) if one.partner_id == partner.id]
    found = [report for one in mine for report in ids(bench.outbox.read_body(one.id))]
    assert len(found) == len(set(found))
    return set(found)


def named(*names: str) -> set[str]:
    return {report_id(name) for name in names}


@pytest.fixture
def relations(bench: Bench) -> Relations:
    return Relations(bench.foundation.database, bench.clock)


@pytest.fixture
def licences(bench: Bench) -> Licences:
    return Licences(bench.foundation.database, bench.clock)


def test_analytics_is_every_record_of_a_customer_while_there_is_a_relationship(
    bench: Bench, relations: Relations
) -> None:
    partner = bench.directory.add_partner("Reseller")
    for org in (ORG, OTHER_ORG, THIRD_ORG):
        bench.directory.add_organization(org)
    relations.add(partner.id, ORG, "managed", at(-10), at(-2))
    relations.add(partner.id, ORG, "subscription", at(-3), at(-1))  # overlapping: nothing comes twice
    relations.add(partner.id, OTHER_ORG, "subscription", at(-1))
    hook(bench, partner, "analytics")
    early, both, edge, later = at(-11), at(-2.5), at(-1), at(-0.5)
    bench.spool(
        call("before", ended=early), call("during", ended=both, holder=USER), call("at its end", ended=edge),
        call("too early", ended=both, org=OTHER_ORG), call("at its start", ended=edge, org=OTHER_ORG),
        call("still", ended=later, org=OTHER_ORG, holder=ROOM), call("none", ended=later, org=THIRD_ORG),
    )  # fmt: skip
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    assert delivered(bench, partner) == named("during", "at its start", "still")


def test_billing_is_what_holders_of_licences_do_that_the_partner_sold_and_workspaces(
    bench: Bench, licences: Licences
) -> None:
    seller, rival = bench.partner("seller", [ORG]), bench.partner("rival", [])
    both = bench.partner("watches", [ORG])
    licences.add(seller.id, ORG, USER, "user", at(-60), at(-1))
    licences.add(rival.id, ORG, OTHER_USER, "user", at(-60))
    licences.add(rival.id, ORG, ROOM, "workspace", at(-2))
    for partner, kind in ((seller, "billing"), (rival, "billing"), (both, "analytics")):
        hook(bench, partner, kind)
    bench.spool(
        call("sold", USER, ended=at(-1.5)), call("expired", USER), call("sold by rival", OTHER_USER),
        call("free room", OTHER_ROOM), call("rival's room", ROOM), call("not yet rival's", ROOM, ended=at(-3)),
        call("nobody's"), call("unlicensed", "cccccccc-2222-4333-8444-000000000001"),
    )  # fmt: skip
    bench.advance(minutes=5)
    report = bench.ticker().tick_once()
    assert (report.deliveries, report.failures) == (3, 0)
    assert delivered(bench, seller) == named("sold", "free room", "not yet rival's")
    assert delivered(bench, rival) == named("sold by rival", "rival's room")
    assert len(delivered(bench, both)) == 8


@pytest.fixture
async def api(bench: Bench) -> AsyncIterator[Api]:
    partner = bench.partner()
    async with served(bench.app()) as client:
        yield Api(bench, client, partner.id, bench.directory.credentials.create_token(partner.id))


async def test_the_endpoints_answer_for_the_records_of_the_feed(api: Api, licences: Licences) -> None:
    bench, hour = api.bench, times(at(-60), at(-5))
    licences.add(api.partner_id, ORG, USER, "user", EPOCH)
    bench.directory.add_organization(OTHER_ORG)
    licences.add(api.partner_id, OTHER_ORG, OTHER_USER, "user", at(-20))
    bench.spool(
        call("mine", USER, ended=at(-10)), call("other", ended=at(-10)), call("room", ROOM, ended=at(-10)),
        call("elsewhere", OTHER_USER, OTHER_ORG, at(-10)), call("before", OTHER_USER, OTHER_ORG, at(-30)),
    )  # fmt: skip
    bench.store.loader.drain()
    _, analytics, _ = await api.get(COUNTS, hour)
    assert analytics["cdr_counts"] == [{"orgId": ORG, "count": 3}]
    bench.webhooks.set(api.partner_id, "https://callback.example/", resource_type="billing")
    _, billing, _ = await api.get(COUNTS, hour)
    assert billing["cdr_counts"] == [{"orgId": ORG, "count": 2}, {"orgId": OTHER_ORG, "count": 1}]
    for org, names in ((ORG, ("mine", "room")), (OTHER_ORG, ("elsewhere",))):
        for paging in ({}, {"max": "500"}):
            status, body, _ = await api.get(RECORDS, hour | {"orgId": org} | paging)
            assert status == 200
            assert {one["Report ID"] for one in body["items"]} == named(*names)


async def test_the_endpoints_answer_for_the_time_of_the_relationship(api: Api, relations: Relations) -> None:
    api.bench.directory.add_organization(OTHER_ORG)
    relations.add(api.partner_id, OTHER_ORG, "managed", at(-20), at(-10))
    api.bench.spool(*(call(str(minute), org=OTHER_ORG, ended=at(-minute)) for minute in (25, 20, 15, 10)))
    api.bench.store.loader.drain()
    hour = times(at(-60), at(-5))
    _, counts, _ = await api.get(COUNTS, hour)
    assert {one["orgId"]: one["count"] for one in counts["cdr_counts"]} == {ORG: 0, OTHER_ORG: 2}
    _, body, _ = await api.get(RECORDS, hour | {"orgId": OTHER_ORG})
    assert {one["Report ID"] for one in body["items"]} == named("20", "15")
    status, _, _ = await api.get(RECORDS, times(at(-60), at(-30)) | {"orgId": OTHER_ORG})
    assert status == 403


async def test_one_holder_now_as_a_user_and_now_as_a_workspace_gets_each_record_once(
    api: Api, licences: Licences
) -> None:
    bench = api.bench
    seller, watcher = bench.partner("seller", [ORG]), bench.partner("watcher", [ORG])
    licences.add(seller.id, ORG, USER, "workspace", at(-60))
    bench.webhooks.set(api.partner_id, "https://callback.example/", resource_type="billing")
    hook(bench, seller, "billing")
    hook(bench, watcher, "analytics")
    bench.spool(
        call("place", USER, ended=at(-6)) | {"User type": "Place"},
        call("user", USER, ended=at(-6)),
        call("free place", ROOM, ended=at(-6)),
        call("no place", ROOM, ended=at(-6)) | {"User type": "User"},
    )
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    assert delivered(bench, watcher) == named("place", "user", "free place", "no place")
    assert delivered(bench, seller) == named("place", "user", "free place")
    _, counts, _ = await api.get(COUNTS, times(at(-60), at(-5)))
    assert counts["cdr_counts"] == [{"orgId": ORG, "count": 1}]
    _, body, _ = await api.get(RECORDS, times(at(-60), at(-5)) | {"orgId": ORG})
    assert {one["Report ID"] for one in body["items"]} == named("free place")


async def test_a_licence_is_good_for_the_organization_it_was_sold_in(api: Api, licences: Licences) -> None:
    bench = api.bench
    licences.add(api.partner_id, ORG, USER, "user", EPOCH)
    bench.webhooks.set(api.partner_id, "https://callback.example/", resource_type="billing")
    bench.advance(seconds=1)
    bench.directory.add_organization(OTHER_ORG)
    bench.spool(call("here", USER, ended=at(-6)), call("elsewhere", USER, OTHER_ORG, at(-6)))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    mine = [ids(bench.outbox.read_body(one.id)) for one in bench.outbox.latest()]
    assert mine == [[report_id("here")]]


def test_a_user_uuid_in_capitals_is_the_same_holder(bench: Bench, licences: Licences) -> None:
    seller = bench.directory.add_partner("seller")
    bench.directory.add_organization(ORG)
    licences.add(seller.id, ORG, USER, "user", EPOCH)
    hook(bench, seller, "billing")
    bench.spool(call("a", USER.upper(), org=ORG.upper()))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    assert delivered(bench, seller) == named("a")


def test_a_preview_says_what_each_feed_would_have_held(bench: Bench, licences: Licences) -> None:
    partner = bench.partner("one", [ORG, OTHER_ORG])
    licences.add(partner.id, ORG, USER, "user", EPOCH)
    bench.spool(call("a", USER), call("b", OTHER_USER), call("c", OTHER_USER, OTHER_ORG), call("d", org=THIRD_ORG))
    bench.store.loader.drain()
    day = bench.store.lake.period(Period(at(-1440), at(0)))
    found = bench.entitlement.preview(partner.id, day)
    assert (found["analytics"].organizations, found["analytics"].records) == (2, 3)
    assert (found["billing"].organizations, found["billing"].records) == (1, 1)
    assert bench.entitlement.preview("nobody", day)["analytics"].records == 0


async def test_records_of_two_organizations_may_have_the_same_report_id(api: Api) -> None:
    bench = api.bench
    bench.directory.add_organization(OTHER_ORG, partner_id=api.partner_id, starts_at=EPOCH)
    bench.webhooks.set(api.partner_id, "https://callback.example/")
    bench.advance(seconds=1)
    bench.spool(call("same", ended=at(-6)), call("same", org=OTHER_ORG, ended=at(-6)))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    (delivery,) = bench.outbox.latest()
    assert ids(bench.outbox.read_body(delivery.id)) == [report_id("same")] * 2
    assert delivery.digest == digest_of([report_id("same")] * 2)
    _, counts, _ = await api.get(COUNTS, times(at(-60), at(-5)))
    assert [one["count"] for one in counts["cdr_counts"]] == [1, 1]


def test_what_waits_goes_with_a_partner_that_is_removed_and_others_have_theirs(bench: Bench) -> None:
    gone, stays = bench.partner("gone"), bench.partner("stays")
    for partner in (gone, stays):
        hook(bench, partner, "analytics")
    bench.spool(call("a"))
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    removal = PartnerRemoval(bench.foundation.database)
    assert removal.belongings(gone.id)["pending deliveries"] == 1
    removal.remove(gone.id)
    with pytest.raises(PartnerUnknown):
        removal.belongings(gone.id)
    assert [one.delivery.partner_id for one in bench.outbox.due(bench.clock.now())] == [stays.id]
    bench.advance(minutes=5)
    bench.ticker().tick_once()
    assert {one.partner_id for one in bench.outbox.latest()} == {stays.id}
    assert len(list(bench.outbox.folder.glob("*.zst"))) == 2
