"""What the strip of a partner's windows says in one sentence."""

from datetime import UTC, datetime, timedelta

import pytest

from cdrelay.contract.rules import Rules
from cdrelay.hub.setup.hours import hour_strip, strip_standing
from cdrelay.publisher.delivery.deliveries import State

NOW = datetime(2026, 11, 24, 12, 7, tzinfo=UTC)
TICK = timedelta(minutes=5)
FIRST = datetime(2026, 11, 24, 11, 30, tzinfo=UTC)


def say(*states: State | None, owed: bool = True) -> tuple[str, str]:
    """Of the windows from 11:30 on; None: the window is not there."""
    windows = {FIRST + at * TICK: state for at, state in enumerate(states) if state is not None}
    strip = hour_strip(windows, NOW, Rules(), FIRST - timedelta(milliseconds=1) if owed and states else None)
    standing = strip_standing(strip, "48 hours")
    return standing.tone, standing.text


WELL: list[State | None] = ["delivered"] * 7


@pytest.mark.parametrize(
    ("states", "tone", "text"),
    [
        ([*WELL, "delivered"], "good", "Every window of the last 48 hours arrived."),
        ([*WELL, "pending"], "good", "Every window of the last 48 hours arrived but the newest, which is on its way."),
        ([*WELL[:6], "pending", "pending"], "warn", "2 windows wait for the next try."),
        ([*WELL[:5], None, "delivered", "pending"], "warn", "1 window is missing."),
        (["failed", *WELL], "grave", "1 window was given up."),
        (["failed", "failed", None, None, *WELL[:4]], "grave", "2 windows were given up, and 2 windows are missing."),
        ([], "idle", "No window was due."),
    ],
)
def test_the_gravest_is_said(states: list[State | None], tone: str, text: str) -> None:
    assert say(*states) == (tone, text)


def test_the_first_window_of_all_is_on_its_way() -> None:
    assert say("pending", owed=False) == ("idle", "The first window is on its way.")
