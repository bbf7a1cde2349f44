"""What a CDR of Asterisk becomes."""

import csv
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from wxc_sdk.cdr import CDR

from cdrelay.publisher.sources.mapping.asterisk import ROWS, asterisk_records
from cdrelay.publisher.sources.mapping.asterisk_columns import is_header, named_columns
from cdrelay.publisher.sources.origin import OrgRule, Origin
from cdrelay.records.fields import FIELDS
from cdrelay.records.identity import RecordRefused
from cdrelay.records.wire import read_record, write_record

EXAMPLES = Path(__file__).parents[2] / "data" / "asterisk"
ORG, OTHER_ORG = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
ORIGIN = Origin(name="pbx-b", format="asterisk", org_uuid=ORG)
LINES = list(csv.reader((EXAMPLES / "Master.csv").read_text().splitlines()))
ANSWERED, NO_ANSWER, BUSY, INBOUND, TRANSFERRED, RANG_IN_QUEUE, QUEUE, CONFERENCE = map(named_columns, LINES)


def only(record: list[dict[str, Any]]) -> dict[str, Any]:
    (one,) = record
    return one


def test_an_answered_call_is_the_record_of_both_parties() -> None:
    caller, callee = asterisk_records(ANSWERED, ORIGIN)
    assert caller == {
        "Answer time": "2026-11-24T16:35:07.000Z",
        "Answered": "true",
        "Direction": "ORIGINATING",
        "Calling line ID": "Alice Reed",
        "Start time": "2026-11-24T16:35:00.000Z",
        "Client type": "SIP",
        "Correlation ID": caller["Correlation ID"],
        "Duration": 36,
        "Org UUID": ORG,
        "Report ID": caller["Report ID"],
        "Report time": "2026-11-24T16:35:43.000Z",
        "Called number": "1002",
        "Calling number": "1001",
        "Local call ID": "PJSIP/1001-0000001a",
        "Remote call ID": "PJSIP/1002-0000001b",
        "Network call ID": "1795538100.26-41",
        "Call outcome": "Success",
        "Call outcome reason": "Normal",
        "Answer indicator": "Yes",
        "Release time": "2026-11-24T16:35:43.000Z",
        "External customer ID": "acme",
        "Caller ID number": "1001",
    }
    differing = {"Direction", "Report ID", "Local call ID", "Remote call ID"}
    assert {key for key in caller if caller[key] != callee[key]} == differing
    assert callee["Direction"] == "TERMINATING"
    assert callee["Local call ID"] == caller["Remote call ID"]


@pytest.mark.parametrize(("cdr", "reason"), [(NO_ANSWER, "NoAnswer"), (BUSY, "UserBusy")])
def test_a_call_that_was_not_answered(cdr: dict[str, str], reason: str) -> None:
    for record in asterisk_records(cdr, ORIGIN):
        assert "Answer time" not in record
        assert (record["Answered"], record["Answer indicator"], record["Duration"]) == ("false", "No", 0)
        assert (record["Call outcome"], record["Call outcome reason"]) == ("Success", reason)


def test_a_failed_call_has_no_reason_that_is_not_told() -> None:
    record = only(asterisk_records(json.loads((EXAMPLES / "ami_cdr.json").read_text()), ORIGIN))
    assert record["Call outcome"] == "Failure"
    assert "Call outcome reason" not in record
    assert (record["Calling number"], record["Called number"]) == ("1001", "1004")
    assert record["Report time"] == "2026-11-24T16:37:02.000Z"


def test_an_unknown_disposition_is_kept() -> None:
    record = asterisk_records(BUSY | {"disposition": "New Thing"}, ORIGIN)[0]
    assert "Call outcome" not in record
    assert record["Call outcome reason"] == "NEW THING"


def test_a_transferred_call_is_one_call_of_several_cdrs() -> None:
    before, after = (asterisk_records(cdr, ORIGIN) for cdr in (INBOUND, TRANSFERRED))
    assert {record["Correlation ID"] for record in before + after} == {before[0]["Correlation ID"]}
    assert len({record["Report ID"] for record in before + after}) == 4


@pytest.mark.parametrize(
    ("clid", "name", "number"),
    [
        (INBOUND["clid"], 'CALLER "QUOTED"', "+14085550144"),
        ('"Reed, Alice" <1001>', "Reed, Alice", "1001"),
        ("Alice <1001>", "Alice", "1001"),
        ("<1001>", None, "1001"),
        ('"" <>', None, None),
        ("1001", None, None),
        ('"', None, None),
    ],
)
def test_name_and_number_of_a_caller_id(clid: str, name: str | None, number: str | None) -> None:
    record = asterisk_records(INBOUND | {"clid": clid}, ORIGIN)[0]
    assert (record.get("Calling line ID"), record.get("Caller ID number")) == (name, number)


def test_every_phone_that_rang_in_a_queue() -> None:
    rang, answered = (asterisk_records(cdr, ORIGIN) for cdr in (RANG_IN_QUEUE, QUEUE))
    assert {record["Queue type"] for record in rang + answered} == {"Call Queue"}
    assert [record.get("Related reason") for record in rang] == [None, "CallQueue"]
    assert len({record["Report ID"] for record in rang + answered}) == 4
    assert answered[1]["Duration"] == 300


def test_a_conference_is_the_record_of_one_party() -> None:
    record = only(asterisk_records(CONFERENCE, ORIGIN))
    assert (record["Call type"], record["Direction"]) == ("SIP_MEETING", "ORIGINATING")
    assert "Called number" not in record


def test_json_of_cdr_custom_with_seconds_since_1970() -> None:
    caller, callee = asterisk_records(json.loads((EXAMPLES / "cdr_custom.json").read_text()), ORIGIN)
    assert caller["Start time"] == "2026-11-24T16:35:00.204Z"
    assert caller["Report time"] == "2026-11-24T16:35:43.900Z"
    assert caller["User UUID"] == "47f0d0c2-f05a-44cc-870d-7a3daf859c6c"
    assert "User UUID" not in callee


def test_the_same_cdr_as_csv_and_as_json_is_the_same_record() -> None:
    as_json = asterisk_records(json.loads((EXAMPLES / "cdr_custom.json").read_text()), ORIGIN)
    assert [one["Report ID"] for one in as_json] == [one["Report ID"] for one in asterisk_records(ANSWERED, ORIGIN)]


def test_local_times_are_of_the_zone_of_the_source() -> None:
    berlin = Origin(name="pbx-b", format="asterisk", org_uuid=ORG, zone=ZoneInfo("Europe/Berlin"))
    assert asterisk_records(ANSWERED, berlin)[0]["Report time"] == "2026-11-24T15:35:43.000Z"


def test_a_call_over_the_change_of_clocks_does_not_end_before_it_begins() -> None:
    berlin = Origin(name="pbx-b", format="asterisk", org_uuid=ORG, zone=ZoneInfo("Europe/Berlin"))
    times = {"start": "2026-10-25 02:50:00", "answer": "2026-10-25 02:50:10", "end": "2026-10-25 02:10:00"}
    record = asterisk_records(ANSWERED | times, berlin)[0]
    assert (record["Start time"], record["Report time"]) == ("2026-10-25T00:50:00.000Z", "2026-10-25T01:10:00.000Z")


def test_without_an_end_the_duration_tells_it() -> None:
    assert asterisk_records(ANSWERED | {"end": ""}, ORIGIN)[0]["Report time"] == "2026-11-24T16:35:43.000Z"


@pytest.mark.parametrize("missing", ["sequence", "uniqueid"])
def test_without_an_id_the_channels_and_times_tell_cdrs_apart(missing: str) -> None:
    one, two = ({**cdr, missing: ""} for cdr in (RANG_IN_QUEUE, QUEUE))
    ids = [record["Report ID"] for cdr in (one, two, one) for record in asterisk_records(cdr, ORIGIN)]
    assert len(set(ids)) == 4
    assert ids[:2] == ids[4:]


def test_each_party_may_be_of_another_organization() -> None:
    rules = (OrgRule("accountcode", "acme", ORG), OrgRule("accountcode", "beta", OTHER_ORG))
    records = asterisk_records(ANSWERED | {"peeraccount": "beta"}, Origin(name="pbx-b", format="asterisk", rules=rules))
    assert [(one["Org UUID"], one["External customer ID"]) for one in records] == [(ORG, "acme"), (OTHER_ORG, "beta")]


@pytest.mark.parametrize("number", [16, 17, 18, 19, 20, 21])
def test_every_set_of_columns_of_master_csv_is_told_apart(number: int) -> None:
    base, ids, newer = LINES[0][:16], ["1795538100.26", "marked"], ["peer", "1795538100.25", "41"]
    line = {
        16: base,
        17: [*base, ids[0]],
        18: [*base, *ids],
        19: [*base, *newer],
        20: [*base, ids[0], *newer],
        21: [*base, *ids, *newer],
    }[number]
    named = named_columns(line)
    assert named["disposition"] == "ANSWERED"
    assert named.get("uniqueid") == (ids[0] if number in {17, 18, 20, 21} else None)
    assert named.get("userfield") == (ids[1] if number in {18, 21} else None)
    assert named.get("sequence") == ("41" if number >= 19 else None)


def test_one_column_more_may_be_the_user_field() -> None:
    named = named_columns([*LINES[0][:16], "marked"])
    assert (named.get("uniqueid"), named["userfield"]) == (None, "marked")


def test_a_line_of_another_number_of_columns_is_refused() -> None:
    with pytest.raises(RecordRefused, match="columns"):
        named_columns(LINES[0][:15])


@pytest.mark.parametrize("number", [18, 19])
def test_the_order_of_the_sample_of_cdr_custom_is_told_apart(number: int) -> None:
    order = "clid src dst dcontext channel dstchannel lastapp lastdata start answer end duration billsec disposition"
    names = [*order.split(), "amaflags", "accountcode", "uniqueid", "userfield", "sequence"][:number]
    for cdr in map(named_columns, LINES):
        assert named_columns([cdr[name] for name in names]) == {name: cdr[name] for name in names}


def test_seconds_may_have_a_fraction() -> None:
    assert named_columns([*LINES[0][:12], "43.695712", "36.799998", *LINES[0][14:]])["billsec"] == "36.799998"
    assert asterisk_records(ANSWERED | {"billsec": "36.799998"}, ORIGIN)[0]["Duration"] == 36


def test_a_time_with_an_offset_needs_no_zone() -> None:
    record = asterisk_records(ANSWERED | {"end": "2026-11-24T17:35:43+0100"}, ORIGIN)[0]
    assert record["Report time"] == "2026-11-24T16:35:43.000Z"


def test_a_line_in_no_known_order_is_refused_rather_than_mixed_up() -> None:
    with pytest.raises(RecordRefused, match="order"):
        named_columns(list(reversed(LINES[0])))


def test_a_header_is_told_from_a_call() -> None:
    assert is_header(["start", "Channel", "DISPOSITION", "src"])
    assert not is_header(LINES[0])


@pytest.mark.parametrize(
    ("change", "field"), [({"channel": ""}, "channel"), ({"start": ""}, "start"), ({"start": "yesterday"}, "start")]
)
def test_what_is_no_cdr_is_refused(change: dict[str, str], field: str) -> None:
    with pytest.raises(RecordRefused) as refused:
        asterisk_records(ANSWERED | change, ORIGIN)
    assert refused.value.field == field


@pytest.mark.parametrize("cdr", [named_columns(line) for line in LINES])
def test_every_value_fits_its_field_and_the_sdk_reads_it(cdr: dict[str, str]) -> None:
    for record in asterisk_records(cdr, ORIGIN):
        read = read_record(record)
        assert read.extra == {}
        full = write_record(read)
        written = {key: value for key, value in full.items() if value != ""}
        assert list(written.items()) == list(record.items())
        seen = CDR.model_validate(full)
        assert (seen.report_id, seen.duration, seen.model_extra) == (record["Report ID"], record["Duration"], {})


def test_the_rows_are_fields_in_wire_order_each_once() -> None:
    order = [field.name for field in FIELDS]
    assert [row.field for row in ROWS] == sorted({row.field for row in ROWS}, key=order.index)
