"""The public SDK as an outside reader of every kind of record."""

import pytest
from wxc_sdk.cdr import CDR

from cdrelay.traffic.mix import KINDS


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_the_sdk_reads_every_record(kind, make_call):
    for seed in range(10):
        for record in make_call(kind, seed):
            read = CDR.model_validate(record)
            assert read.report_id == record["Report ID"]
            assert read.answered == (record["Answered"] == "true")
            assert read.duration == record["Duration"]
            assert read.ring_duration == int(record["Ring duration"])
            assert read.user_uuid == record["User UUID"]
            assert read.direction == record["Direction"]
            assert read.local_session_id == record["Local SessionID"]
