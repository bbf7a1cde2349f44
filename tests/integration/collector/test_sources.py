from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from cdrelay.collector.errors import SourceExists, SourceRefused, SourceUnknown
from cdrelay.collector.sources import SourceChange, Sources
from cdrelay.control.database import Database
from cdrelay.control.secrets_at_rest import SecretUnreadable
from cdrelay.control.tables import sources
from tests.integration.collector.collector_bench import START, Bench

API = "https://analytics.webexapis.com"
ORG = "11111111-2222-4333-8444-555555555555"
GIVEN = SourceChange(secret="a secret", api="https://analytics.webexapis.com/v1", token="a token")


def test_a_source_comes_back_as_it_was_given(bench: Bench) -> None:
    added = bench.sources.add("webex", GIVEN)
    assert bench.sources.get("webex") == added
    assert bench.sources.list() == (added,)
    assert (added.secrets, added.api, added.token) == (("a secret",), "https://analytics.webexapis.com", "a token")
    assert added.created_at == START


def test_secrets_and_tokens_are_sealed_and_do_not_show(bench: Bench) -> None:
    shown = repr(bench.sources.add("webex", GIVEN))
    bench.sources.rotate("webex", "another")
    with bench.database.read() as connection:
        stored = str(connection.execute(select(sources)).one())
    assert not [word for word in ("a secret", "a token", "another") if word in shown + stored]


@pytest.mark.parametrize("name", ["", "-a", "A", "a b", "a" * 65, "a/b", "é", "a\n"])
def test_other_names_are_refused(bench: Bench, name: str) -> None:
    with pytest.raises(SourceRefused):
        bench.sources.add(name, SourceChange())


@pytest.mark.parametrize(
    "given",
    [
        SourceChange(secret=""),
        SourceChange(secret="a\n"),
        SourceChange(token=" a"),
        SourceChange(token="a\r\nX: y"),
        SourceChange(api="http://analytics.webexapis.com"),
    ],
)
def test_what_no_source_can_have_is_refused(bench: Bench, given: SourceChange) -> None:
    with pytest.raises(SourceRefused):
        bench.sources.add("webex", given)
    assert bench.sources.list() == ()


def test_a_name_is_taken_once(bench: Bench) -> None:
    bench.sources.add("webex", GIVEN)
    with pytest.raises(SourceExists):
        bench.sources.add("webex", SourceChange())
    assert bench.sources.get("webex").secret == "a secret"


def test_a_change_keeps_what_is_not_given(bench: Bench) -> None:
    bench.sources.add("webex", GIVEN)
    changed = bench.sources.change("webex", SourceChange(token="newer"))
    assert (changed.secret, changed.api, changed.token) == ("a secret", "https://analytics.webexapis.com", "newer")
    assert bench.sources.get("webex") == changed


def test_a_secret_that_is_set_is_valid_alone_and_one_rotated_to_beside_the_older(bench: Bench) -> None:
    bench.sources.add("webex", GIVEN)
    assert bench.sources.rotate("webex", "newer").secrets == ("newer", "a secret")
    assert bench.sources.rotate("webex", "newer").secrets == ("newer", "a secret")
    assert bench.sources.change("webex", SourceChange(secret="newest")).secrets == ("newest",)
    assert bench.sources.end_rotation("webex").secrets == ("newest",)


def test_what_is_pulled_has_a_customer_and_a_time_and_what_delivers_a_secret_and_a_feed_type(bench: Bench) -> None:
    pulled = SourceChange(api="https://analytics.webexapis.com", org_id=ORG, cursor="2026-11-24T10:00:00.000Z")
    bench.sources.add("customer", pulled, "cdr_stream")
    bench.sources.add("webex", SourceChange(feed_type="billing", history_api="https://analytics-calling.webexapis.com"))
    customer, webex = bench.sources.list()
    assert (customer.org_uuid, customer.cursor, customer.history_base) == (ORG, pulled.cursor, pulled.api)
    assert (webex.feed_type, webex.history_base) == ("billing", "https://analytics-calling.webexapis.com")
    emptied = bench.sources.change("webex", SourceChange(feed_type="", history_api=""))
    assert (emptied.feed_type, emptied.history_base) == ("", None)
    assert bench.sources.change("customer", SourceChange(org_id="")).org_uuid is None


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("carrier-pigeon", SourceChange()),
        ("webhook", SourceChange(org_id=ORG)),
        ("webhook", SourceChange(cursor="2026-11-24T10:00:00.000Z")),
        ("webhook", SourceChange(feed_type="all")),
        ("webhook", SourceChange(history_api="http://example.com")),
        ("cdr_stream", SourceChange()),
        ("cdr_stream", SourceChange(api=API, org_id="nobody")),
        ("cdr_stream", SourceChange(api=API, secret="a secret")),
        ("cdr_stream", SourceChange(api=API, feed_type="analytics")),
    ],
)
def test_what_does_not_go_together_is_refused(bench: Bench, kind: str, given: SourceChange) -> None:
    with pytest.raises(SourceRefused):
        bench.sources.add("webex", given, kind)
    assert bench.sources.list() == ()


async def test_a_source_that_is_pulled_takes_no_deliveries(bench: Bench) -> None:
    bench.sources.add("customer", SourceChange(api=API), "cdr_stream")
    with pytest.raises(SourceUnknown):
        await bench.sources.known("customer")


def test_only_partner_endpoints_are_reconciled_against(bench: Bench) -> None:
    bench.sources.add("customer", SourceChange(api=API, token="t"), "cdr_stream")
    bench.sources.add("webex", SourceChange(api=API, token="t"))
    bench.sources.add("without-api", SourceChange(token="t"))
    bench.sources.add("without-token", SourceChange(api=API))
    assert [one.name for one in bench.sources.list() if one.reconcilable] == ["webex"]


def test_of_two_changes_at_once_none_is_lost(bench: Bench) -> None:
    bench.sources.add("webex", GIVEN)
    database = Database(bench.database.path)
    other_process = Sources(database, bench.foundation.secrets, bench.clock)
    with ThreadPoolExecutor(2) as pool:
        for number in range(30):
            api, token = f"https://api-{number}.example.com", f"token-{number}"
            changes = (bench.sources, SourceChange(api=api)), (other_process, SourceChange(token=token))
            done = [pool.submit(sources.change, "webex", change) for sources, change in changes]
            [one.result() for one in done]
            source = bench.sources.get("webex")
            assert (source.api, source.token) == (api, token)
    database.close()


def test_a_removed_source_is_unknown(bench: Bench) -> None:
    bench.sources.add("webex", GIVEN)
    bench.sources.remove("webex")
    for question in (bench.sources.get, bench.sources.remove, bench.sources.end_rotation):
        with pytest.raises(SourceUnknown):
            question("webex")


async def test_what_another_process_changes_is_known_within_seconds(bench: Bench) -> None:
    other_process = Sources(bench.database, bench.foundation.secrets, bench.clock)
    bench.sources.add("webex", GIVEN)
    assert (await bench.sources.known("webex")).secrets == ("a secret",)
    other_process.rotate("webex", "newer")
    other_process.add("second", SourceChange())
    bench.clock.advance(timedelta(seconds=1))
    assert (await bench.sources.known("webex")).secrets == ("newer", "a secret")
    assert (await bench.sources.known("second")).secrets == ()
    other_process.remove("second")
    bench.clock.advance(timedelta(seconds=1))
    with pytest.raises(SourceUnknown):
        await bench.sources.known("second")


async def test_deliveries_are_verified_though_a_token_cannot_be_opened(bench: Bench) -> None:
    bench.sources.add("webex", GIVEN)
    with bench.database.write() as connection:
        connection.execute(update(sources).values(token=b"sealed by another key"))
    assert (await bench.sources.known("webex")).secrets == ("a secret",)


def test_a_source_whose_secrets_cannot_be_opened_does_not_hold_up_the_others(bench: Bench) -> None:
    """Its row was made with another key."""
    bench.sources.add("other", GIVEN)
    webex = bench.sources.add("webex", GIVEN)
    with bench.database.write() as connection:
        connection.execute(update(sources).where(sources.c.name == "other").values(token=b"sealed by another key"))
    assert bench.sources.list() == (webex,)
    assert list(bench.sources.names()) == ["other", "webex"]
    with pytest.raises(SecretUnreadable):
        bench.sources.get("other")
