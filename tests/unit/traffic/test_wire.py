"""Encoded pieces of records."""

import json
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from cdrelay.contract.times import write_time
from cdrelay.traffic.wire import FULL, PARTY_FIELDS, PLAIN, PSTN_FIELDS, SELDOM_FIELDS, escaped, report_id, runs, stamp

MOMENTS = st.integers(0, 4_000_000_000_000)


@given(MOMENTS)
def test_stamp_is_how_the_contract_writes_a_time(ms):
    moment = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)

    assert stamp(ms).decode() == write_time(moment)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_escaped_text_is_read_back(text):
    assert json.loads(b'"' + escaped(text) + b'"') == text
    assert b"\n" not in escaped(text)


@given(st.binary())
def test_report_id_is_a_version_3_uuid_of_its_content(content):
    read = UUID(report_id(content).decode())

    assert read.version == 3
    assert report_id(content) == str(read).encode()


def test_the_sorts_of_field_do_not_overlap():
    assert not PARTY_FIELDS & PSTN_FIELDS
    assert not SELDOM_FIELDS & (PARTY_FIELDS | PSTN_FIELDS)


def test_the_plain_template_has_no_slot_for_a_seldom_field():
    assert not any(b"%%(%b)b" % name.encode() in PLAIN for name in SELDOM_FIELDS)
    assert all(b"%%(%b)b" % name.encode() in FULL for name in SELDOM_FIELDS)


def test_neighbours_on_the_wire_become_one_run():
    encoded = runs(PSTN_FIELDS, {"PSTN vendor name": "A"})

    assert list(encoded) == [b"PSTN legal entity"]
    assert json.loads(b"{" + encoded[b"PSTN legal entity"] + b"}")["PSTN vendor name"] == "A"
