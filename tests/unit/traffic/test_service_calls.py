"""Calls to hunt groups, queues and the attendant."""

import pytest

SEEDS = range(40)


@pytest.mark.parametrize(
    ("kind", "user_type", "reason"),
    [("hunt_group", "HuntGroup", "HuntGroup"), ("call_queue", "CallCenterStandard", "CallQueue")],
)
def test_team_call_is_a_pair_in_and_a_pair_for_each_ringing_agent(make_call, kind, user_type, reason):
    for seed in SEEDS:
        records = make_call(kind, seed)
        way_in, attempts = records[:2], records[2:]
        assert len({record["Correlation ID"] for record in records}) == 1
        assert way_in[1]["User type"] == user_type
        assert way_in[0]["User type"] == "User" or way_in[0]["Site UUID"] == way_in[1]["Site UUID"]
        assert way_in[0]["Remote call ID"] == way_in[1]["Local call ID"]
        assert 1 <= len(attempts) // 2 <= 4
        for from_service, at_agent in zip(attempts[::2], attempts[1::2], strict=True):
            assert from_service["User UUID"] == way_in[1]["User UUID"]
            assert at_agent["User type"] == "User"
            assert at_agent["Redirect reason"] == at_agent["Related reason"] == reason
            assert at_agent["Redirecting party UUID"] == way_in[1]["User UUID"]
            assert from_service["Remote call ID"] == at_agent["Local call ID"]
        assert len({record["User UUID"] for record in attempts[1::2]}) == len(attempts) // 2


def test_all_but_the_winner_were_answered_elsewhere(make_call):
    for seed in SEEDS:
        records = make_call("hunt_group", seed)
        at_agents = records[3::2]
        winners = [record for record in at_agents if record["Answered"] == "true"]
        losers = [record for record in at_agents if record["Answered"] == "false"]
        taken = records[1]["Answered"] == "true"
        assert len(winners) == taken
        assert all(record["Answered elsewhere"] == ("Yes" if taken else "") for record in losers)
        assert all(record["Answered elsewhere"] == "" for record in records if record["Direction"] == "ORIGINATING")
        assert all(record["Release time"] == winners[0]["Answer time"] for record in losers if taken)


def test_queue_says_which_kind_it_is(make_call):
    records = make_call("call_queue", 2)

    assert {record["Queue type"] for record in records[1:]} <= {"Call Queue", "Customer Assist"}


def test_some_team_calls_are_abandoned(make_call):
    outcomes = {make_call("call_queue", seed)[1]["Answered"] for seed in SEEDS}

    assert outcomes == {"true", "false"}


def test_attendant_takes_the_key_and_passes_the_call_on(make_call):
    for seed in SEEDS:
        records = make_call("auto_attendant", seed)
        _, attendant, onwards, user = records
        assert len({record["Correlation ID"] for record in records}) == 1
        assert attendant["User type"] == onwards["User type"] == "AutomatedAttendantVideo"
        assert attendant["Auto Attendant Key Pressed"].isdigit()
        assert user["Redirecting party UUID"] == attendant["User UUID"]
        assert user["Calling number"] == attendant["Calling number"]
        assert user["Start time"] > attendant["Answer time"]
