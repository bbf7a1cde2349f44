"""The reports for programs."""

import json
from xml.etree import ElementTree

from cdrelay.conformance.checks import Result, Verdict
from cdrelay.conformance.report import as_json, as_junit, counted


def result(name: str, verdict: Verdict, what: str = "answered 200") -> Result:
    return Result(name, verdict, what, "FACTS 1.4", "What is asked.", 0.25)


RESULTS = [
    result("one", "passed"),
    result("two", "failed", "answered 500: <b>\x00\x1b[31m & ]]> \ud800 ✓"),
    result("three", "skipped"),
    result("four", "warning"),
    result("five", "failed"),
]


def test_junit_parses_and_counts() -> None:
    root = ElementTree.fromstring(as_junit("receiver", "http://host/callback", RESULTS))  # noqa: S314  # our own
    suite = root[0]

    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("5", "2", "1")
    assert suite.get("time") == "1.250"
    assert [case.get("name") for case in suite] == ["one", "two", "three", "four", "five"]
    assert [child.tag for case in suite for child in case] == [
        "system-out",
        "failure",
        "skipped",
        "system-out",
        "failure",
    ]


def test_whatever_a_listener_answers_junit_can_hold_it() -> None:
    root = ElementTree.fromstring(as_junit("receiver", "http://host/", RESULTS))  # noqa: S314
    failure = root[0][1][0]

    assert failure.get("message") == "answered 500: <b>��[31m & ]]> � ✓"
    assert (failure.text or "").startswith("FACTS 1.4: What is asked.\n")


def test_json_counts_every_verdict_and_lists_every_check() -> None:
    document = as_json("publisher", "http://host/", RESULTS)

    assert json.loads(json.dumps(document)) == document
    assert counted(RESULTS) == {"passed": 1, "warning": 1, "failed": 2, "skipped": 1}
    assert document["failed"] == 2
    assert document["checks"][0] == {
        "name": "one",
        "verdict": "passed",
        "what": "answered 200",
        "section": "FACTS 1.4",
        "asks": "What is asked.",
        "seconds": 0.25,
    }
