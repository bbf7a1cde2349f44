from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from cdrelay.contract.answers import (
    Again,
    Answer,
    Decision,
    Elsewhere,
    GiveUp,
    Nothing,
    Patience,
    ProviderError,
    ProviderRefused,
    ProviderRejected,
    ProviderUnavailable,
    Take,
    decide,
)

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
BASE = "https://analytics.webexapis.com"
PATIENCE = Patience(attempts=4, longest_wait_seconds=120.0)


def decided(answer: Answer, attempt: int = 1) -> Decision:
    return decide(answer, attempt, BASE, NOW, PATIENCE)


@pytest.mark.parametrize(
    ("status", "retry_after", "attempt", "seconds"),
    [
        (429, "7", 1, 7),
        (429, "0", 1, 0),
        (429, None, 1, 5),
        (429, None, 3, 20),
        (423, "30", 1, 30),
        (429, "86400", 1, 120),
        (429, "9" * 40, 1, 120),
        (429, "-5", 1, 5),
        (429, "soon", 1, 5),
        (429, f"Tue, 24 Nov {'9' * 20} 17:00:00 GMT", 1, 5),
        (429, format_datetime(NOW + timedelta(seconds=40), usegmt=True), 1, 40),
        (429, format_datetime(NOW - timedelta(hours=1), usegmt=True), 1, 0),
        (500, None, 1, 1),
        (502, None, 2, 2),
        (503, "9", 1, 9),
        (504, None, 3, 4),
        (None, None, 1, 1),
    ],
)
def test_passing_trouble_is_waited_for(
    status: int | None, retry_after: str | None, attempt: int, seconds: float
) -> None:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    assert decided(Answer(status, headers, problem="no answer" if status is None else None), attempt) == Again(seconds)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ProviderRejected),
        (401, ProviderRefused),
        (403, ProviderRefused),
        (302, ProviderRejected),
        (410, ProviderRejected),
    ],
)
def test_what_will_not_change_is_given_up_at_once(status: int, kind: type[ProviderError]) -> None:
    decision = decided(Answer(status, {}, b'{"message": "because"}'))
    assert isinstance(decision, GiveUp)
    assert isinstance(decision.error, kind)
    assert decision.error.status == status
    assert "because" in str(decision.error)


@pytest.mark.parametrize("status", [401, 403])
def test_a_page_that_refuses_is_not_taken_for_words_about_the_token(status: int) -> None:
    decision = decided(Answer(status, {}, b" <html><body>Access denied by policy</body></html>"))
    assert isinstance(decision, GiveUp)
    assert isinstance(decision.error, ProviderRefused)
    assert "token" not in str(decision.error)
    assert "or what stands before it" in str(decision.error)


def test_the_token_is_named_when_it_is_refused() -> None:
    decision = decided(Answer(401, {}))
    assert isinstance(decision, GiveUp)
    assert "access token" in str(decision.error)


@pytest.mark.parametrize("status", [429, 500, None])
def test_patience_has_an_end(status: int | None) -> None:
    decision = decided(Answer(status, {"Retry-After": "1"}), attempt=4)
    assert isinstance(decision, GiveUp)
    assert isinstance(decision.error, ProviderUnavailable)


def test_a_body_that_makes_no_sense_is_asked_for_again() -> None:
    assert decided(Answer(200, {}, b"<html>", problem="HTTP 200, the body is no page of counts")) == Again(1)


def test_a_sensible_answer_is_taken() -> None:
    assert decided(Answer(200, {}, b"{}")) == Take()


@pytest.mark.parametrize(
    "body",
    [
        b'{"errorCode": 404, "message": "There are no CDRs", "trackingId": "ROUTER_1"}',
        b'{"code": 404, "message": "There are no CDRs", "trackingId": "GTWY_1"}',
        b'{"message": "There are no CDRs", "errors": [{"description": "none"}], "trackingId": "ROUTER_1"}',
    ],
)
def test_404_in_the_words_of_the_api_means_nothing(body: bytes) -> None:
    assert decided(Answer(404, {}, body)) == Nothing()


@pytest.mark.parametrize(
    "body", [b"", b"<html>Not Found</html>", b"{}", b"[]", b'{"detail": "Not Found"}', b'{"message": "no route"}']
)
def test_404_of_somebody_else_is_no_proof_that_there_is_nothing(body: bytes) -> None:
    decision = decided(Answer(404, {}, body))
    assert isinstance(decision, GiveUp)
    assert isinstance(decision.error, ProviderRejected)
    assert "at this address" in str(decision.error)


def test_another_region_is_followed_and_not_for_ever() -> None:
    answer = Answer(451, {}, b'{"message": "Please use analytics-calling-eu.webexapis.com"}')
    assert decided(answer) == Elsewhere("https://analytics-calling-eu.webexapis.com")
    assert isinstance(decided(answer, attempt=4), GiveUp)
