"""Forwarded and transferred calls."""

SEEDS = range(40)


def test_forwarded_call_keeps_its_correlation_and_says_why(make_call):
    for seed in SEEDS:
        records = make_call("forwarded", seed)
        _, first, onwards, second = records
        assert len({record["Correlation ID"] for record in records}) == 1
        assert first["Answer indicator"] == "Yes-PostRedirection"
        assert first["Related reason"] == second["Related reason"]
        assert first["Related reason"].startswith("CallForward")
        assert first["Related call ID"] == onwards["Local call ID"]
        assert onwards["User UUID"] == second["Redirecting party UUID"] == first["User UUID"]
        assert second["Redirecting number"] == first["User number"]
        assert second["Redirect reason"] == second["Original reason"] in {"NoAnswer", "UserBusy", "Unconditional"}


def test_blind_transfer_starts_a_new_correlation_and_names_no_other_call(make_call):
    for seed in SEEDS:
        records = make_call("blind_transfer", seed)
        transferrer, onwards, target = records[-3:]
        assert len(records) in {3, 4}
        assert transferrer["Correlation ID"] != onwards["Correlation ID"] == target["Correlation ID"]
        assert {record["Transfer related call ID"] for record in records} == {""}
        assert transferrer["User UUID"] == onwards["User UUID"] == target["Redirecting party UUID"]
        assert transferrer["Release time"] == transferrer["Call transfer time"] == onwards["Start time"]


def test_consultative_transfer_ties_the_two_calls_by_their_local_call_ids(make_call):
    for seed in SEEDS:
        records = make_call("consultative_transfer", seed)
        first, consulting, target = records[-3:]
        assert len(records) in {3, 4}
        assert first["Correlation ID"] != consulting["Correlation ID"] == target["Correlation ID"]
        assert first["Transfer related call ID"] == consulting["Local call ID"]
        assert consulting["Transfer related call ID"] == first["Local call ID"]
        assert first["Related reason"] == consulting["Related reason"] == "ConsultativeTransfer"
        assert first["Interaction ID"] == consulting["Interaction ID"] != ""
        assert first["Call transfer time"] == first["Release time"] == consulting["Release time"]
        assert target["Release time"] == target["Report time"] > first["Release time"]
        assert first["Hold duration"] > 0
