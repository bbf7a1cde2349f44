"""The whole directory as a document: imported, exported, planned; in a real database."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdrelay.publisher.bulk.changes import Plan
from cdrelay.publisher.bulk.formats import Document, DocumentRefused, Format, read_document, write_document
from cdrelay.publisher.bulk.importing import Bulk
from cdrelay.publisher.bulk.report import report_lines, report_numbers
from cdrelay.publisher.directory.rows import ROWS, Kind, write_moment
from cdrelay.publisher.errors import PublisherError
from cdrelay.publisher.parties import Role
from tests.integration.publisher.directory_bench import HOLDER, OTHER_HOLDER, Desk, desk_in
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, START

PARTNER = "11111111-aaaa-4333-8444-555555555555"
EVERYTHING: dict[str, Any] = {
    "partners": [{"id": PARTNER, "name": "Reseller"}, {"name": "Second"}],
    "organizations": [{"orgId": ORG, "name": "Harbour", "region": "eu"}, {"orgId": OTHER_ORG}],
    "relations": [
        {"partnerId": "Reseller", "orgId": ORG, "startsAt": "2026-01-01", "endsAt": "2026-06-01T00:00:00+02:00"},
        {"partnerId": PARTNER, "orgId": ORG, "kind": "subscription"},
        {"partnerId": "Second", "orgId": OTHER_ORG, "startsAt": "2027-01-01"},
    ],
    "licences": [{"orgId": ORG, "holderUuid": HOLDER, "partnerId": "Second", "holderKind": "workspace"}],
    "administrators": [
        {"partnerId": "Reseller", "email": "Ada@example.com", "name": "Ada", "role": "full"},
        {"partnerId": "Second", "email": "bo@example.com", "name": "Bo", "role": "assigned", "organizations": [ORG]},
    ],
}


@pytest.fixture
def bulk(desk: Desk) -> Bulk:
    """Of an empty directory."""
    return desk.bulk


def document(content: dict[str, Any]) -> Document:
    """As read from JSON."""
    return read_document(json.dumps(content).encode(), "json")


def table(kind: Kind, *lines: str) -> Document:
    """As read from CSV."""
    return read_document("\n".join(lines).encode(), "csv", kind)


def written(bulk: Bulk, document_format: Format = "json", *kinds: Kind) -> bytes:
    """An export."""
    return "".join(write_document(bulk.export(kinds or tuple(ROWS)), document_format)).encode()


def numbers(plan: Plan) -> list[int]:
    """Added, changed, ended, unchanged, refused."""
    return list(report_numbers(plan).values())


def said(plan: Plan) -> str:
    """The report for people."""
    return "\n".join(report_lines(plan))


def test_an_empty_directory_is_filled_and_everything_refers_to_everything(desk: Desk, bulk: Bulk) -> None:
    assert numbers(bulk.bring(document(EVERYTHING))) == [10, 0, 0, 0, 0]
    second = desk.directory.partner("Second")
    assert desk.directory.partner("Reseller").id == PARTNER
    harbour = desk.directory.organization(ORG)
    assert (harbour.name, harbour.region, harbour.partner_ids) == ("Harbour", "eu", (PARTNER,))
    past = desk.relations.of(PARTNER, ORG, START - timedelta(days=300))
    assert [one.ends_at for one in past] == [datetime.fromisoformat("2026-05-31T22:00:00Z")]
    (licence,) = desk.licences.of(second.id)
    assert (licence.holder_uuid, licence.holder_kind, licence.starts_at, licence.ends_at) == (
        HOLDER,
        "workspace",
        START,
        None,
    )
    bo = desk.administrators.by_email("bo@example.com")
    assert (bo.partner_id, bo.role, bo.organizations) == (second.id, "assigned", (ORG,))


def test_importing_again_changes_nothing_not_even_later(desk: Desk, bulk: Bulk) -> None:
    bulk.bring(document(EVERYTHING))
    before = written(bulk)
    desk.advance(days=1)
    assert numbers(bulk.bring(document(EVERYTHING), remove_missing=True)) == [0, 0, 0, 10, 0]
    assert written(bulk) == before


def test_a_dry_run_says_what_the_real_run_says_and_changes_nothing(desk: Desk, bulk: Bulk) -> None:
    bulk.bring(document(EVERYTHING))
    before = written(bulk)
    changed = {
        "organizations": [{"orgId": ORG, "name": "Port"}, {"orgId": HOLDER, "name": ""}],
        "relations": [{"partnerId": "Reseller", "orgId": ORG, "kind": "subscription", "endsAt": "2026-12-01"}],
    }
    desk.advance(hours=1)
    planned = bulk.plan(document(changed), remove_missing=True)
    assert written(bulk) == before
    done = bulk.bring(document(changed), remove_missing=True)
    assert said(done) == said(planned)
    ended, second = next(one.key for one in done.changes if one.never_began), desk.directory.partner("Second").id
    changed_relation = next(one.key for one in done.changes if one.kind == "relations" and one.action == "changed")
    gone = f'partnerId "{second}", orgId "{OTHER_ORG}", kind "managed" is taken away before it begins'
    lines = said(done).splitlines()
    assert lines[:3] == [
        f'changed organizations {ORG}: name "Harbour" → "Port"',
        f"ended relations {ended}: {gone}",
        f'changed relations {changed_relation}: endsAt nothing → "2026-12-01T00:00:00Z"',
    ]
    rule = "must have 1 to 200 characters that can be seen, on one line"
    assert lines[3] == f"refused organizations entry 2: name: {rule}"
    assert lines[4:] == ["0 added, 2 changed, 1 ended, 0 unchanged, 1 refused"]


def test_what_is_missing_ends_now_and_stays_for_the_calls_of_the_past(desk: Desk, bulk: Bulk) -> None:
    bulk.bring(document(EVERYTHING))
    desk.advance(hours=1)
    plan = bulk.bring(document({"licences": [], "partners": []}), remove_missing=True)
    assert numbers(plan) == [0, 0, 1, 0, 0]
    assert 'endsAt nothing → "2026-11-24T18:00:00Z"' in said(plan)
    (licence,) = desk.licences.of()
    assert licence.ends_at == START + timedelta(hours=1)
    assert len(desk.directory.partners()) == 2
    assert numbers(bulk.bring(document({"licences": []}), remove_missing=True)) == [0, 0, 0, 0, 0]


def test_without_being_asked_nothing_ends_by_missing(bulk: Bulk) -> None:
    bulk.bring(document(EVERYTHING))
    assert numbers(bulk.bring(document({kind: [] for kind in ROWS}))) == [0, 0, 0, 0, 0]


def test_nothing_ends_by_missing_while_a_row_that_may_mean_it_is_refused(bulk: Bulk) -> None:
    bulk.bring(document(EVERYTHING))
    for wrong in ({"partnerId": "Reseler", "orgId": ORG}, {"partnerId": "Reseller", "orgId": "?"}):
        plan = bulk.bring(document({"relations": [wrong], "licences": []}), remove_missing=True)
        assert numbers(plan) == [0, 0, 1 if wrong["orgId"] == ORG else 0, 0, 1]
        assert plan.kept == ["relations"]
        assert "kept relations" in said(plan)


def test_rows_that_break_a_rule_are_named_and_the_rest_is_kept(bulk: Bulk) -> None:
    bulk.bring(document(EVERYTHING))
    plan = bulk.bring(
        table(
            "licences",
            "orgId,holderUuid,partnerId,startsAt,endsAt",
            f"{ORG},{HOLDER.replace('a', 'b')},Second,2026-01-01,",
            f"{ORG},{HOLDER},Reseller,2026-12-01,",
            f"{ORG},nonsense,Second,,",
            f"{ORG},{HOLDER.replace('a', 'c')},nobody,,",
            f"{HOLDER},{HOLDER.replace('a', 'c')},Second,,",
            f"{ORG},{HOLDER.replace('a', 'c')},Second,2026-01-01,2025-01-01",
            f"{ORG},{HOLDER.replace('a', 'c')},Second,yesterday,",
            f"{ORG},{HOLDER.replace('a', 'c')}",
            f"{ORG},{HOLDER.replace('a', 'd')},Second,,",
            f"{ORG},{HOLDER.replace('a', 'd')},Second,,",
        )
    )
    assert [str(refusal) for refusal in plan.refused] == [
        "licences line 3: startsAt: licences of one holder must not overlap, as a call is billed to one seller",
        "licences line 4: holderUuid: 'nonsense' is neither a UUID nor an encoded organization id",
        "licences line 5: partnerId: there is no partner of that id or name",
        f"licences line 6: orgId: there is no organization {HOLDER}",
        "licences line 7: endsAt: must be after startsAt",
        "licences line 8: startsAt: must be a time with a zone, such as 2026-11-24T10:00:00Z, or a date",
        "licences line 9: the row: has 2 cells, and not 5",
        "licences line 11: startsAt: licences of one holder must not overlap, as a call is billed to one seller",
    ]
    assert numbers(plan) == [2, 0, 0, 0, 8]


def test_strict_does_all_or_nothing(bulk: Bulk) -> None:
    wrong = document(EVERYTHING | {"partners": [{"name": "Reseller", "id": PARTNER}, {"name": "two\nlines"}]})
    assert bulk.bring(wrong, strict=True).refused
    assert bulk.export() == {kind: [] for kind in ROWS}
    assert not bulk.bring(document(EVERYTHING), strict=True).refused
    assert len(bulk.export()["partners"]) == 2


def test_a_failure_midway_leaves_nothing_behind(bulk: Bulk) -> None:
    def fail(done: int, of: int) -> None:
        if done == of:
            raise RuntimeError("the machine stumbles")

    with pytest.raises(RuntimeError, match="stumbles"):
        bulk.bring(document(EVERYTHING), progress=fail)
    assert bulk.export() == {kind: [] for kind in ROWS}


def test_the_seller_changes_at_one_moment_in_whichever_order_the_rows_come(desk: Desk, bulk: Bulk) -> None:
    bulk.bring(document(EVERYTHING))
    (old,) = bulk.export()["licences"]
    desk.advance(hours=1)
    change = {"id": old["id"], "orgId": ORG, "holderUuid": HOLDER, "partnerId": "Second", "endsAt": "2026-12-01"}
    new = {"orgId": ORG, "holderUuid": HOLDER, "partnerId": "Reseller", "startsAt": "2026-12-01"}
    assert numbers(bulk.plan(document({"licences": [new]}))) == [0, 0, 0, 0, 1]
    for rows in ([new, change], [change, new]):
        assert numbers(bulk.plan(document({"licences": rows}))) == [1, 1, 0, 0, 0]
    # A list without moments, as a system that knows only the present writes it.
    plan = bulk.bring(document({"licences": [new | {"startsAt": None}]}), remove_missing=True)
    assert numbers(plan) == [1, 0, 1, 0, 0]
    found = sorted(bulk.export()["licences"], key=lambda one: one["starts_at"])
    assert [(one["partner_id"], one["ends_at"]) for one in found] == [
        (desk.directory.partner("Second").id, START + timedelta(hours=1)),
        (PARTNER, None),
    ]


def test_a_change_that_is_refused_takes_its_room_back(bulk: Bulk) -> None:
    bulk.bring(document(EVERYTHING | {"licences": []}))
    spans = [("2026-01-01", "2026-02-01"), ("2026-03-01", "2026-04-01")]
    row = {"orgId": ORG, "holderUuid": HOLDER, "partnerId": "Second"}
    bulk.bring(document({"licences": [row | {"startsAt": start, "endsAt": end} for start, end in spans]}))
    first = min(bulk.export()["licences"], key=lambda one: one["starts_at"])
    rows = [
        row | {"startsAt": "2026-01-01", "endsAt": "2026-01-10"},  # shorter …
        row | {"startsAt": "2026-01-20", "endsAt": "2026-01-25"},  # … which makes room for this one
        {**row, "id": first["id"], "startsAt": "2026-03-15"},  # means the same as the first row
    ]
    plan = bulk.plan(document({"licences": rows}))
    assert numbers(plan) == [1, 1, 0, 0, 1]
    moved = [
        {**row, "id": first["id"], "startsAt": "2026-03-15", "endsAt": "2026-03-20"},  # into the other: refused …
        row | {"startsAt": "2026-01-20", "endsAt": "2026-01-25"},  # … so that there is no room for this one
    ]
    plan = bulk.plan(document({"licences": moved}))
    assert numbers(plan) == [0, 0, 0, 0, 2]


def test_an_entry_whose_row_is_refused_keeps_its_room(bulk: Bulk) -> None:
    row = {"orgId": ORG, "holderUuid": HOLDER, "partnerId": "Second", "startsAt": "2026-03-01"}
    bulk.bring(document(EVERYTHING | {"licences": [row]}))
    (there,) = bulk.export()["licences"]
    rows = [row | {"id": there["id"], "endsAt": "2026-01-01"}, row | {"startsAt": "2026-02-01"}]
    plan = bulk.plan(document({"licences": rows}))
    assert [one.field for one in plan.refused] == ["endsAt", "startsAt"]


@pytest.mark.parametrize("holders", [(HOLDER, OTHER_HOLDER), (OTHER_HOLDER, HOLDER)])
def test_an_entry_that_may_not_go_to_another_holder_stays_in_its_room(bulk: Bulk, holders: tuple[str, str]) -> None:
    one, other = ({"orgId": ORG, "holderUuid": holder, "partnerId": "Second"} for holder in holders)
    bulk.bring(document(EVERYTHING | {"licences": [one, other]}))
    there = next(entry for entry in bulk.export()["licences"] if entry["holder_uuid"] == holders[0])
    # The first row makes room for the second one, if it may; but there the other holder has a licence.
    rows = [other | {"id": there["id"]}, one | {"partnerId": "Reseller"}]
    assert numbers(bulk.plan(document({"licences": rows}))) == [0, 0, 0, 0, 2]


def test_a_row_without_a_start_means_what_ended_as_it_says(desk: Desk, bulk: Bulk) -> None:
    row = {"orgId": ORG, "holderUuid": HOLDER, "partnerId": "Second", "endsAt": "2026-12-01"}
    assert numbers(bulk.bring(document(EVERYTHING | {"licences": [row]}))) == [10, 0, 0, 0, 0]
    desk.advance(days=30)
    assert numbers(bulk.bring(document({"licences": [row]}))) == [0, 0, 0, 1, 0]


def test_what_a_refused_row_may_have_been_to_replace_does_not_end(bulk: Bulk) -> None:
    row = {"orgId": ORG, "holderUuid": HOLDER, "partnerId": "Second", "startsAt": "2026-01-01"}
    bulk.bring(document(EVERYTHING | {"licences": [row]}))
    corrected = document({"licences": [row | {"startsAt": "2026-02-01"}]})
    before = bulk.export()
    plan = bulk.bring(corrected, remove_missing=True)
    assert (numbers(plan), plan.refused[0].field) == ([0, 0, 0, 0, 1], "startsAt")
    assert bulk.export() == before


def test_names_and_addresses_stay_one_persons_own(bulk: Bulk) -> None:
    bulk.bring(document(EVERYTHING))
    ada = next(one for one in bulk.export()["administrators"] if one["name"] == "Ada")
    assert ada["email"] == "ada@example.com"
    row = {"partnerId": "Reseller", "email": "ada@example.com", "name": "Ada", "role": "full"}
    wrong = {
        "partners": [{"id": PARTNER, "name": "Second"}, {"name": "Second"}, {"name": "Second"}],
        "administrators": [
            row | {"partnerId": "Second"},
            row | {"email": "bo@example.com", "id": ada["id"]},
            row | {"email": "cy@example.com", "organizations": [ORG]},
            row | {"email": "cy@example.com", "role": "assigned", "organizations": [HOLDER]},
            row | {"email": "no address"},
        ],
    }
    plan = bulk.bring(document(wrong))
    assert [(one.place.number, one.field) for one in plan.refused] == [
        (1, "name"),
        (3, "the row"),
        (1, "partnerId"),
        (2, "the row"),
        (3, "organizations"),
        (4, "organizations"),
        (5, "email"),
    ]


def test_an_administrator_changes_and_keeps_the_password(desk: Desk, bulk: Bulk) -> None:
    bulk.bring(document(EVERYTHING))
    administrators = desk.administrators
    bo = administrators.by_email("bo@example.com")
    administrators.set_password(bo.id, "correct horse battery")
    row = {"partnerId": "Second", "email": "bo@example.com", "name": "Bo B.", "role": "assigned"}
    assert numbers(bulk.bring(document({"administrators": [row]}))) == [0, 1, 0, 0, 0]
    assert administrators.get(bo.id) == replace(bo, name="Bo B.")
    plan = bulk.bring(document({"administrators": [row | {"role": "read_only"}]}))
    assert f'organizations ["{ORG}"] → []' in said(plan)
    assert administrators.check_password("bo@example.com", "correct horse battery").organizations == ()
    assert b"argon2" not in written(bulk)


@pytest.mark.parametrize(
    ("data", "kind", "why"),
    [
        (b"", "licences", "need the columns orgId, holderUuid, partnerId"),
        (b"orgId,holderUuid,partnerId,seller\n", "licences", "'seller' is no column of licences"),
        (b"name,name\n", "partners", "'name' is no column of partners, or twice"),
        (b"\xff\n", "partners", "no CSV in UTF-8"),
        (b'name\n"open', "partners", "no CSV in UTF-8"),
        (b"name\n", None, "kind: must be given for CSV"),
    ],
)
def test_a_csv_document_that_cannot_be_read_is_refused(data: bytes, kind: Kind | None, why: str) -> None:
    with pytest.raises(DocumentRefused, match=why):
        read_document(data, "csv", kind)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no JSON"),
        (b"[]", "must be an object with lists by kind"),
        (b'{"partner": []}', "'partner' is no kind of entries"),
        (b'{"partners": {}}', "partners: must be a list"),
        (b"[" * 100_000, "no JSON"),
        (b'{"partners": ["\xff"]}', "no JSON"),
    ],
)
def test_a_json_document_that_cannot_be_read_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(DocumentRefused, match=why):
        read_document(data, "json")


def test_rows_of_every_wrong_type_are_refused_one_by_one(bulk: Bulk) -> None:
    rows = [None, 1, "x", [], {}, {"name": 1}, {"name": "x", "id": 1}, {"name": "x", "more": 1}, {"name": "\x00"}]
    assert numbers(bulk.plan(document({"partners": rows}))) == [0, 0, 0, 0, len(rows)]


def test_a_spreadsheets_csv_is_read(bulk: Bulk) -> None:
    spreadsheet = '\ufeffname,id\r\n"Reseller, the first",\r\n\r\nSecond,\r\n'.encode()
    assert numbers(bulk.bring(read_document(spreadsheet, "csv", "partners"))) == [2, 0, 0, 0, 0]
    assert [one["name"] for one in bulk.export()["partners"] if "," in one["name"]] == ["Reseller, the first"]


@pytest.mark.parametrize("kind", ROWS)
def test_each_kind_survives_csv_into_another_directory(
    bulk: Bulk, tmp_path: Path, empty_database: Path, kind: Kind
) -> None:
    bulk.bring(document(EVERYTHING))
    (tmp_path / "other").mkdir()
    with desk_in(tmp_path / "other", empty_database) as other:
        for each in ROWS:
            assert not other.bulk.bring(read_document(written(bulk, "csv", each), "csv", each)).refused
        assert other.bulk.export([kind]) == bulk.export([kind])


def test_the_examples_of_the_documentation_are_imported(bulk: Bulk) -> None:
    examples = Path(__file__).parents[3] / "docs" / "examples"
    whole = read_document((examples / "directory.json").read_bytes(), "json")
    assert numbers(bulk.bring(whole)) == [10, 0, 0, 0, 0]
    sold = read_document((examples / "licences.csv").read_bytes(), "csv", "licences")
    assert numbers(bulk.bring(sold)) == [3, 0, 0, 0, 0]


def test_one_kind_is_picked_out_of_a_document(bulk: Bulk) -> None:
    picked = read_document(json.dumps(EVERYTHING).encode(), "json", "partners")
    assert numbers(bulk.bring(picked)) == [2, 0, 0, 0, 0]


def test_a_hundred_thousand_licences_are_imported_in_seconds(desk: Desk, bulk: Bulk) -> None:
    desk.directory.add_partner("Reseller")
    desk.directory.add_organization(ORG)
    rows = (f"{ORG},{UUID(int=number)},Reseller,2026-01-01" for number in range(100_000))
    data = "\n".join(["orgId,holderUuid,partnerId,startsAt", *rows]).encode()
    steps: list[int] = []
    began = process_time()
    plan = bulk.bring(read_document(data, "csv", "licences"), progress=lambda done, of: steps.append(done))
    assert process_time() - began < 30
    assert numbers(plan) == [100_000, 0, 0, 0, 0]
    assert steps == list(range(5_000, 100_001, 5_000))


# --- importing what was exported ---

_NAMES = st.text(st.characters(categories=["L", "N", "P"], max_codepoint=0x2FF), min_size=1, max_size=8)
_ORGS = [str(UUID(int=number)) for number in range(1, 4)]
_HOLDERS = [str(UUID(int=number)) for number in range(100, 103)]
_MOMENTS = st.integers(-20, 20).map(lambda hours: START + timedelta(hours=hours, microseconds=7))
_PARTNERS = [str(UUID(int=number)) for number in (10, 11)]
_SPANS = (_MOMENTS, st.none() | _MOMENTS)
_RELATIONS = st.tuples(
    st.sampled_from(_PARTNERS), st.sampled_from(_ORGS), st.sampled_from(["managed", "subscription"]), *_SPANS
)
_LICENCES = st.tuples(
    st.sampled_from(_PARTNERS),
    st.sampled_from(_ORGS),
    st.sampled_from(_HOLDERS),
    st.sampled_from(["user", "workspace"]),
    *_SPANS,
)
_PEOPLE = st.tuples(
    st.sampled_from(_PARTNERS),
    _NAMES,
    st.sampled_from(["full", "read_only", "assigned"]),
    st.sets(st.sampled_from(_ORGS)),
)


def added(add: Callable[..., object], *arguments: object) -> int:
    """1, or 0 when the store refuses it, and so has none of it."""
    try:
        add(*arguments)
    except PublisherError:
        return 0
    return 1


@settings(max_examples=40)
@given(
    names=st.lists(_NAMES, min_size=2, max_size=2, unique=True),
    relations=st.lists(_RELATIONS, max_size=6),
    licences=st.lists(_LICENCES, max_size=6),
    people=st.lists(_PEOPLE, max_size=3),
    later=st.integers(0, 40),
    document_format=st.sampled_from(["json", "csv"]),
)
def test_importing_an_export_changes_nothing(
    empty_database: Path,
    names: list[str],
    relations: list[tuple[object, ...]],
    licences: list[tuple[object, ...]],
    people: list[tuple[str, str, Role, set[str]]],
    later: int,
    document_format: Format,
) -> None:
    with TemporaryDirectory() as folder, desk_in(Path(folder), empty_database) as desk:
        for partner, name in zip(_PARTNERS, names, strict=True):
            desk.directory.add_partner(name, partner)
        for org, name in zip(_ORGS, [*names, ""], strict=True):
            desk.directory.add_organization(org, name, region="eu" if name else "")
        number = sum(added(desk.relations.add, *one) for one in relations)
        number += sum(added(desk.licences.add, *one) for one in licences)
        for partner, name, role, orgs in people:
            number += added(desk.administrators.add, partner, f"{len(name)}@example.com", name, role, None, orgs)
        desk.advance(hours=later)
        before = desk.bulk.export()
        assert sum(map(len, before.values())) == number + len(_PARTNERS) + len(_ORGS)
        for kinds in [tuple(ROWS)] if document_format == "json" else [(kind,) for kind in ROWS]:
            data = written(desk.bulk, document_format, *kinds)
            read = read_document(data, document_format, kinds[0] if len(kinds) == 1 else None)
            plan = desk.bulk.bring(read, remove_missing=True)
            assert (plan.changes, plan.refused) == ([], [])
        assert desk.bulk.export() == before


# --- whatever rows come ---

_ROWS = st.fixed_dictionaries(
    {
        "orgId": st.sampled_from(_ORGS[:2]),
        "holderUuid": st.sampled_from(_HOLDERS[:2]),
        "partnerId": st.sampled_from(_PARTNERS),
    },
    optional={
        "startsAt": _MOMENTS.map(write_moment),
        "endsAt": st.none() | _MOMENTS.map(write_moment),
        "id": st.integers(0, 5),  # of the entry that then has this place
    },
)


def rows_of(given: list[dict[str, Any]], there: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, with the ids of entries that are there."""
    ids = {number: one["id"] for number, one in enumerate(there)}
    return [{**row, "id": ids.get(row["id"])} if "id" in row else row for row in given]


def overlapping(entries: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of licences of one holder that are in force together."""
    ordered = sorted(entries, key=lambda one: (one["holder_uuid"], one["starts_at"]))
    return [
        (one, following)
        for one, following in pairwise(ordered)
        if one["holder_uuid"] == following["holder_uuid"]
        and (one["ends_at"] is None or one["ends_at"] > following["starts_at"])
    ]


@settings(max_examples=60)
@given(
    imports=st.lists(st.tuples(st.lists(_ROWS, max_size=5), st.booleans(), st.integers(0, 3)), min_size=2, max_size=4)
)
def test_whatever_is_imported_nothing_overlaps_and_the_report_is_what_happened(
    empty_database: Path, imports: list[tuple[list[dict[str, Any]], bool, int]]
) -> None:
    with TemporaryDirectory() as folder, desk_in(Path(folder), empty_database) as desk:
        for partner in _PARTNERS:
            desk.directory.add_partner(partner, partner)
        for org in _ORGS:
            desk.directory.add_organization(org)
        for given_rows, remove_missing, hours in imports:
            before = desk.bulk.export(["licences"])["licences"]
            read = document({"licences": rows_of(given_rows, before)})
            planned = desk.bulk.plan(read, remove_missing=remove_missing)
            done = desk.bulk.bring(read, remove_missing=remove_missing)
            after = desk.bulk.export(["licences"])["licences"]
            assert overlapping(after) == []
            assert numbers(planned) == numbers(done)
            assert sum(numbers(done)) - numbers(done)[2] == len(given_rows)
            model = {one["id"]: one for one in before} | {change.key: change.values for change in done.changes}
            gone = {change.key for change in done.changes if change.never_began}
            assert after == [one for key, one in sorted(model.items()) if key not in gone]
            if not done.refused:
                again = desk.bulk.bring(read, remove_missing=remove_missing)
                assert (again.changes, again.refused) == ([], [])
            desk.advance(hours=hours)
