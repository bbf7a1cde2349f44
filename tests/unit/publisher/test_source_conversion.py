"""From what a source gives to the lines of the spool: ids, organizations, bodies."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import UUID

import msgspec
import pytest

from cdrelay.lake.payload import BodyUnreadable
from cdrelay.publisher.errors import RecordSourceRefused
from cdrelay.publisher.sources.bodies import split_body
from cdrelay.publisher.sources.conversion import lines_of
from cdrelay.publisher.sources.derived_ids import derived_id
from cdrelay.publisher.sources.origin import OrgRule, Origin, read_org_rules
from cdrelay.records.identity import Plausible, RecordRefused

ORG, OTHER_ORG = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
PLAUSIBLE = Plausible(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
RECORDS = Origin(name="intake")
LEG = {
    "Org UUID": ORG,
    "Report time": "2026-11-24T16:35:43.250Z",
    "Local call ID": "113104021:0",
    "Correlation ID": "8e8e1dc7-4f25-4595-b9c7-26237f824535",
    "Direction": "ORIGINATING",
}
CDR = (Path(__file__).parents[2] / "data" / "freeswitch" / "busy.cdr.json").read_bytes()


def converted(record: dict[str, Any], origin: Origin = RECORDS) -> dict[str, Any]:
    (line,) = lines_of(msgspec.Raw(json.dumps(record).encode()), origin, PLAUSIBLE)
    return json.loads(bytes(line))


def test_a_record_with_its_ids_is_passed_on_as_it_came() -> None:
    raw = msgspec.Raw(json.dumps(LEG | {"Report ID": "0a0a0a0a-2222-3333-8444-555555555555"}, indent=1).encode())
    (line,) = lines_of(raw, RECORDS, PLAUSIBLE)
    assert line is raw


def test_what_is_completed_keeps_all_else_as_it_was() -> None:
    others = {"International country": "NA", "Seat": "7", "Ratio": 1.25, "User": ""}
    record = converted(LEG | others | {"reportId": None})
    assert record == LEG | others | {"Report ID": record["Report ID"]}


def test_a_record_without_report_id_gets_one_from_its_own_ids() -> None:
    record = converted(LEG)
    assert UUID(record["Report ID"]).version == 5
    assert {key: record[key] for key in LEG} == LEG
    assert converted(LEG | {"Report ID": ""}) == converted(LEG | {"reportId": "NA"}) == record


@pytest.mark.parametrize("origin", [Origin(name="other"), Origin(name="pbx", org_uuid=OTHER_ORG)])
def test_the_id_is_the_same_by_whichever_way_a_record_comes(origin: Origin) -> None:
    assert converted(LEG, origin)["Report ID"] == converted(LEG)["Report ID"]


@pytest.mark.parametrize(
    "change",
    [
        {"Local call ID": "113104021:1"},
        {"Direction": "TERMINATING"},
        {"Org UUID": OTHER_ORG},
        {"Correlation ID": "8e8e1dc7-4f25-4595-b9c7-26237f824536"},
    ],
)
def test_another_leg_another_side_another_call_have_other_ids(change: dict[str, str]) -> None:
    assert converted(LEG | change)["Report ID"] != converted(LEG)["Report ID"]


def test_a_later_version_of_a_record_has_the_same_id() -> None:
    later = LEG | {"Report time": "2026-11-24T17:00:00.000Z", "Duration": 7}
    assert converted(later)["Report ID"] == converted(LEG)["Report ID"]


def test_the_call_id_does_where_there_is_no_correlation_id() -> None:
    assert converted({key: value for key, value in LEG.items() if key != "Correlation ID"} | {"Call ID": "x@pbx"})


@pytest.mark.parametrize("missing", ["Local call ID", "Direction", "Correlation ID"])
def test_without_its_ids_it_is_refused(missing: str) -> None:
    with pytest.raises(RecordRefused, match="Report ID"):
        converted(LEG | {missing: ""})


def test_a_report_id_that_is_none_is_refused_and_not_replaced() -> None:
    with pytest.raises(RecordRefused, match="Report ID"):
        converted(LEG | {"Report ID": "seven"})


def test_a_source_says_whose_calls_they_are_where_records_do_not() -> None:
    record = LEG | {"Org UUID": "", "Location": "Richardson"}
    rules = (OrgRule("Location", "Richardson", OTHER_ORG),)
    assert converted(record, Origin(name="x", org_uuid=ORG))["Org UUID"] == ORG
    assert converted(record, Origin(name="x", org_uuid=ORG, rules=rules))["Org UUID"] == OTHER_ORG
    assert converted(LEG, Origin(name="x", org_uuid=OTHER_ORG, rules=rules))["Org UUID"] == ORG


@pytest.mark.parametrize("raw", [b"7", b"[]", b'{"Org', b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("form", ["record", "freeswitch", "asterisk"])
def test_what_is_no_object_is_refused(raw: bytes, form: Any) -> None:
    with pytest.raises(RecordRefused):
        lines_of(msgspec.Raw(raw), Origin(name="x", format=form), PLAUSIBLE)


def test_lists_of_parts_that_look_alike_have_different_ids() -> None:
    assert len({derived_id("a", "bc"), derived_id("ab", "c"), derived_id("abc"), derived_id("a", "bc", "")}) == 4


def test_derived_ids_do_not_change_from_release_to_release() -> None:
    assert derived_id("freeswitch", "pbx-a", "51156b0b-f91b-4fd3-9c8f-15226f6098be") == (
        "62469431-d66a-59ed-8fb1-a9275611d36a"
    )


@pytest.mark.parametrize(
    "body",
    [
        CDR,
        b"cdr=" + quote(CDR, safe="").encode(),
        b"cdr=" + quote_plus(CDR).encode(),
        quote(CDR, safe="").encode() + b"\n",
        b"cdr=" + base64.b64encode(CDR),
        b"cdr=" + base64.encodebytes(CDR + b"\0"),
    ],
)
def test_freeswitch_sends_one_cdr_in_one_of_its_encodings(body: bytes) -> None:
    (raw,) = split_body(body, "freeswitch", lines=False)
    assert json.loads(bytes(raw)) == json.loads(CDR)


@pytest.mark.parametrize("body", [b"cdr=%%%", b"cdr=!", b"", b"cdr=", b'{"variables":', b"%7B%7B"])
def test_a_body_that_is_no_cdr_is_refused(body: bytes) -> None:
    with pytest.raises(BodyUnreadable):
        split_body(body, "freeswitch", lines=False)


def test_several_cdrs_may_come_in_a_list_or_a_line_each() -> None:
    one = CDR.strip()
    assert len(split_body(b"[" + one + b"," + one + b"]", "freeswitch", lines=False)) == 2
    assert len(split_body(one + b"\n\n" + one, "freeswitch", lines=True)) == 2
    assert len(split_body(b'{"items": [{}, {}]}', "asterisk", lines=False)) == 2


def test_org_rules_are_read_in_their_order() -> None:
    head = "\ufefffield,value,org\n# the first that fits\n\n"
    text = f"{head}domain_name,acme.example.com,{ORG}\naccountcode, b ,{OTHER_ORG}\n"
    assert read_org_rules(text) == (
        OrgRule("domain_name", "acme.example.com", ORG),
        OrgRule("accountcode", "b", OTHER_ORG),
    )


@pytest.mark.parametrize("line", ["accountcode,acme", f",acme,{ORG}", "accountcode,acme,none", f"a,b,{ORG},c"])
def test_a_rule_that_is_none_is_named_with_its_line(line: str) -> None:
    with pytest.raises(RecordSourceRefused, match="line 2"):
        read_org_rules(f"# rules\n{line}\n")
