"""What a CDR of FreeSWITCH's mod_json_cdr becomes."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from wxc_sdk.cdr import CDR

from cdrelay.publisher.sources.mapping.freeswitch import OUTCOMES, ROWS, freeswitch_records
from cdrelay.publisher.sources.origin import OrgRule, Origin
from cdrelay.records.fields import BY_NAME, FIELDS
from cdrelay.records.identity import RecordRefused
from cdrelay.records.wire import read_record, write_record

EXAMPLES = Path(__file__).parents[2] / "data" / "freeswitch"
NAMES = sorted(path.name.removesuffix(".cdr.json") for path in EXAMPLES.glob("*.cdr.json"))
ORG, OTHER_ORG = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
ORIGIN = Origin(name="pbx-a", format="freeswitch", org_uuid=ORG)


def cdr(name: str) -> dict[str, Any]:
    return json.loads((EXAMPLES / f"{name}.cdr.json").read_text())


def mapped(name: str, origin: Origin = ORIGIN, **variables: str) -> dict[str, Any]:
    """The record of an example, in which some variables are set otherwise."""
    given = cdr(name)
    given["variables"] |= variables
    (record,) = freeswitch_records(given, origin)
    return record


def test_the_caller_of_an_answered_call() -> None:
    record = mapped("answered_caller")
    assert record == {
        "Answer time": "2026-11-24T16:35:07.717Z",
        "Answered": "true",
        "Direction": "ORIGINATING",
        "Called line ID": "Bob Stone",
        "Call ID": "51156b0b-call@198.51.100.7",
        "Calling line ID": "Alice Reed",
        "Start time": "2026-11-24T16:35:00.278Z",
        "Client type": "SIP",
        "Client version": "Example Phone 45.8",
        "Correlation ID": "51156b0b-f91b-4fd3-9c8f-15226f6098be",
        "Duration": 35,
        "Org UUID": ORG,
        "Report ID": record["Report ID"],
        "Report time": "2026-11-24T16:35:43.257Z",
        "User": "Alice Reed",
        "Called number": "1002",
        "Calling number": "1001",
        "Dialed digits": "71002",
        "Releasing party": "Local",
        "Local call ID": "51156b0b-f91b-4fd3-9c8f-15226f6098be",
        "Remote call ID": "ab0aa08a-ead3-42c6-a365-99553a001fba",
        "User number": "1001",
        "Call outcome": "Success",
        "Call outcome reason": "Normal",
        "Ring duration": "6",
        "Answer indicator": "Yes",
        "Release time": "2026-11-24T16:35:43.257Z",
        "External customer ID": "acme",
        "Caller ID number": "1001",
        "Hold duration": 14,
    }


def test_both_legs_of_a_call_belong_together_and_each_knows_the_other() -> None:
    caller, callee = mapped("answered_caller"), mapped("answered_callee")
    assert callee["Direction"] == "TERMINATING"
    assert caller["Correlation ID"] == callee["Correlation ID"]
    assert caller["Local call ID"] == callee["Remote call ID"]
    assert callee["Local call ID"] == caller["Remote call ID"]
    assert caller["Report ID"] != callee["Report ID"]
    assert callee["User number"] == "1002"
    assert callee["User UUID"] == "47f0d0c2-f05a-44cc-870d-7a3daf859c6c"


def test_the_name_that_freeswitch_gives_to_every_leg_it_makes_is_nobodys() -> None:
    assert "Called line ID" not in mapped("answered_callee")


def test_nobody_answered() -> None:
    record = mapped("no_answer")
    assert "Answer time" not in record
    assert (record["Answered"], record["Answer indicator"], record["Duration"]) == ("false", "No", 0)
    assert (record["Call outcome"], record["Call outcome reason"]) == ("Success", "NoAnswer")
    assert (record["Ring duration"], record["Releasing party"]) == ("30", "Remote")


def test_a_busy_number_behind_a_gateway() -> None:
    record = mapped("busy")
    assert (record["Call outcome reason"], record["Outbound trunk"]) == ("UserBusy", "carrier-one")
    assert not {"Ring duration", "User", "User number", "Inbound trunk", "Dialed digits"} & record.keys()


def test_a_blind_transfer_of_a_call_from_a_gateway() -> None:
    record = mapped("transferred")
    assert (record["Redirect reason"], record["Redirecting number"]) == ("Deflection", "1004")
    assert record["Call transfer time"] == "2026-11-24T16:37:30.000Z"
    assert (record["Call type"], record["Inbound trunk"]) == ("SIP_INBOUND", "carrier-one")
    assert record["Called number"] == "1005"


def test_a_consultative_transfer() -> None:
    source = "1795538250:51156b0b-f91b-4fd3-9c8f-15226f6098be:att_xfer:1001@acme/1005@acme"
    record = mapped("answered_caller", transfer_source=quote(source))
    assert (record["Related reason"], record["Call transfer time"]) == (
        "ConsultativeTransfer",
        "2026-11-24T16:37:30.000Z",
    )


def test_an_agent_of_a_queue_where_another_was_faster() -> None:
    record = mapped("queue_agent_lost")
    assert (record["Queue type"], record["Related reason"]) == ("Call Queue", "CallQueue")
    assert (record["Answered elsewhere"], record["Call outcome reason"]) == ("Yes", "Normal")


def test_a_conference() -> None:
    record = mapped("conference")
    assert (record["Call type"], record["Duration"]) == ("SIP_MEETING", 600)


def test_an_unknown_cause_is_kept_and_no_outcome_is_made_up() -> None:
    record = mapped("no_answer", hangup_cause="MANDATORY_IE_MISSING")
    assert "Call outcome" not in record
    assert record["Call outcome reason"] == "MANDATORY_IE_MISSING"


def test_values_are_the_same_encoded_and_plain() -> None:
    plain = cdr("no_answer")
    encoded = json.loads(json.dumps(plain))
    encoded["variables"] = {key: quote(value, safe="") for key, value in plain["variables"].items()}
    assert freeswitch_records(encoded, ORIGIN) == freeswitch_records(plain, ORIGIN)


def test_a_percent_sign_in_plain_values_is_left_alone() -> None:
    assert mapped("no_answer", accountcode="50%25")["External customer ID"] == "50%25"


def test_the_report_id_is_the_same_each_time_and_another_for_another_source() -> None:
    first = mapped("busy")["Report ID"]
    assert mapped("busy")["Report ID"] == first
    assert mapped("busy", Origin(name="pbx-b", format="freeswitch", org_uuid=ORG))["Report ID"] != first


def test_the_organization_is_what_the_cdr_says_then_what_a_rule_says_then_the_sources() -> None:
    rules = (OrgRule("domain_name", "acme.example.com", OTHER_ORG),)
    ruled = Origin(name="pbx-a", format="freeswitch", org_uuid=ORG, rules=rules)
    assert mapped("busy", ruled)["Org UUID"] == OTHER_ORG
    assert mapped("busy", ruled, org_uuid=ORG)["Org UUID"] == ORG
    assert mapped("busy", ruled, domain_name="other.example.com")["Org UUID"] == ORG
    assert "Org UUID" not in mapped("busy", Origin(name="pbx-a", format="freeswitch"))


def test_seconds_do_where_there_are_no_microseconds() -> None:
    record = mapped("busy", start_uepoch="", end_uepoch="0")
    assert (record["Start time"], record["Report time"]) == ("2026-11-24T16:36:40.000Z", "2026-11-24T16:36:41.000Z")


@pytest.mark.parametrize("uepoch", ["soon", "-5", "9" * 40, ""])
def test_a_time_that_is_none_is_left_out(uepoch: str) -> None:
    assert "Start time" not in mapped("busy", start_uepoch=uepoch, start_epoch="")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "variables"),
        ({"variables": "text"}, "variables"),
        ({"variables": {}}, "variables.uuid"),
        ({"variables": {}, "callflow": [{"caller_profile": "text"}, "text"]}, "variables.uuid"),
    ],
)
def test_what_is_no_cdr_is_refused(given: dict[str, Any], field: str) -> None:
    with pytest.raises(RecordRefused) as refused:
        freeswitch_records(given, ORIGIN)
    assert refused.value.field == field


def test_an_old_callflow_that_is_no_list_is_read() -> None:
    given = cdr("busy")
    given["callflow"] = given["callflow"][0]
    assert freeswitch_records(given, ORIGIN) == [mapped("busy")]


@pytest.mark.parametrize("name", NAMES)
def test_every_value_fits_its_field(name: str) -> None:
    record = mapped(name)
    read = read_record(record)
    assert read.extra == {}
    written = {key: value for key, value in write_record(read).items() if value != ""}
    assert written == record
    assert list(written) == list(record)


@pytest.mark.parametrize("name", NAMES)
def test_the_sdk_reads_what_was_mapped(name: str) -> None:
    record = mapped(name)
    read = CDR.model_validate(write_record(read_record(record)))
    assert (read.report_id, read.org_uuid, read.local_call_id) == (
        record["Report ID"],
        ORG,
        record["Local call ID"],
    )
    assert (read.direction, read.duration) == (record["Direction"], record["Duration"])
    assert read.model_extra == {}


def test_the_rows_are_fields_in_wire_order_each_once() -> None:
    order = [field.name for field in FIELDS]
    assert [row.field for row in ROWS] == sorted({row.field for row in ROWS}, key=order.index)


def test_outcomes_are_documented_ones() -> None:
    for outcome, reason in OUTCOMES.values():
        assert outcome in BY_NAME["Call outcome"].values
        assert reason in BY_NAME["Call outcome reason"].values
