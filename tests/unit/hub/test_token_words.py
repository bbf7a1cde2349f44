"""How the state of a token is said: days are rounded down, and what has ended is not said to last."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdrelay.collector.arrivals import Lately
from cdrelay.collector.source_states import SourceState
from cdrelay.hub.collecting.token_words import token_ended, token_in_words

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WITH_REFRESH = "renewed by itself, with a refresh token that"


def state(**more: Any) -> SourceState:
    plain: dict[str, Any] = {
        "name": "webex", "kind": "webhook", "feed_type": "", "org_uuid": None, "created_at": NOW, "signed": True,
        "rotating": False, "provider": None, "has_token": True, "renewable": False, "askable": True,
        "token_expires_at": None, "refresh_expires_at": None, "token_fails": False, "pulled_until": "",
        "pulled_at": None, "pull_fails": False, "last_at": None, "came": Lately(), "fetched": Lately(),
        "compared_at": None, "alarms": [],
    }  # fmt: skip
    return SourceState(**plain | more)


@pytest.mark.parametrize(
    ("facts", "words", "ended"),
    [
        ({"has_token": False}, "none", False),
        ({}, "there is one, and when it ends is not known; nothing renews it", False),
        ({"token_expires_at": NOW + 2 * DAY}, "ends in 2 days, on 2026-11-26 at 12:00; nothing renews it", False),
        ({"token_expires_at": NOW + DAY}, "ends in 1 day, on 2026-11-25 at 12:00; nothing renews it", False),
        ({"token_expires_at": NOW + DAY / 24}, "ends within a day, on 2026-11-24 at 13:00; nothing renews it", False),
        ({"token_expires_at": NOW}, "ended on 2026-11-24 at 12:00; nothing renews it", True),
        (
            {"renewable": True, "token_expires_at": NOW + 3 * DAY},
            "ends in 3 days, on 2026-11-27 at 12:00; renewed by itself",
            False,
        ),
        (
            {"renewable": True, "token_expires_at": NOW - DAY, "refresh_expires_at": NOW + 80 * DAY},
            f"ended on 2026-11-23 at 12:00; {WITH_REFRESH} ends in 80 days, on 2027-02-12 at 12:00",
            False,
        ),
        (
            {"renewable": True, "token_expires_at": NOW + DAY, "refresh_expires_at": NOW - DAY},
            f"ends in 1 day, on 2026-11-25 at 12:00; {WITH_REFRESH} ended on 2026-11-23 at 12:00",
            True,
        ),
    ],
)
def test_a_token_is_said_to_last_as_long_as_it_does(facts: dict[str, Any], words: str, ended: bool) -> None:
    assert token_in_words(state(**facts), NOW) == words
    assert token_ended(state(**facts), NOW) is ended
