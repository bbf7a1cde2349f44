from datetime import UTC, datetime, timedelta

import pytest

from cdrelay.collector.source_settings import Source
from cdrelay.collector.token_exchange import Granted, TokenClient
from cdrelay.collector.token_life import due_at, lasts, logged_in, renewed

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
CLIENT = TokenClient(token_url="https://webexapis.com/v1/access_token", client_id="c", client_secret="s")


def with_lives(access_days: float | None, refresh_days: float | None) -> Source:
    granted = Granted(
        access_token="a",
        refresh_token="r",
        expires_at=None if access_days is None else NOW + access_days * DAY,
        refresh_expires_at=None if refresh_days is None else NOW + refresh_days * DAY,
    )
    return logged_in(Source(name="webex", created_at=NOW - DAY), CLIENT, granted, NOW)


@pytest.mark.parametrize(
    ("access_days", "refresh_days", "due_in_days"),
    [
        (14, 90, 10.5),
        (14, None, 10.5),
        (14, 10, 5),  # the refresh token would end before the access token is due
        (None, 90, 1),
        (None, None, 1),
        (None, 1, 0.5),
        (0.5, 90, 0.375),
    ],
)
def test_tokens_are_due_while_a_share_of_the_shorter_life_is_left(
    access_days: float | None, refresh_days: float | None, due_in_days: float
) -> None:
    assert due_at(with_lives(access_days, refresh_days)) == NOW + due_in_days * DAY


def test_what_cannot_be_refreshed_is_never_due() -> None:
    granted = Granted(access_token="a", refresh_token=None, expires_at=NOW, refresh_expires_at=None)
    alone = logged_in(with_lives(14, 90), None, granted, NOW)
    assert (due_at(alone), alone.refresh_token, alone.refresh_expires_at) == (None, None, None)


def test_a_token_ends_at_its_end_and_one_of_unknown_end_is_believed() -> None:
    assert lasts(with_lives(14, 90), NOW + 14 * DAY - timedelta(seconds=1))
    assert not lasts(with_lives(14, 90), NOW + 14 * DAY)
    assert lasts(with_lives(None, None), NOW + 999 * DAY)
    assert not lasts(Source(name="webex", created_at=NOW), NOW)


def test_the_life_of_a_replaced_refresh_token_is_not_taken_for_that_of_the_new_one() -> None:
    granted = Granted(access_token="b", refresh_token="r2", expires_at=None, refresh_expires_at=None)
    assert renewed(with_lives(14, 90), granted, NOW).refresh_expires_at is None


def test_no_secret_shows_when_they_are_printed() -> None:
    granted = Granted(access_token="aaaa", refresh_token="rrrr", expires_at=None, refresh_expires_at=None)
    shown = f"{granted} {CLIENT} {logged_in(with_lives(14, 90), CLIENT, granted, NOW)}"
    assert not [word for word in ("aaaa", "rrrr", "'s'") if word in shown]
