"""The state of a source's token in words: how long it lasts and whether it is renewed, never the token. Pure."""

from datetime import datetime, timedelta

from cdrelay.collector.source_states import SourceState

_DAY = timedelta(days=1)


def token_in_words(state: SourceState, now: datetime) -> str:
    """One line."""
    if not state.has_token:
        return "none"
    ends = state.token_expires_at
    access = "there is one, and when it ends is not known" if ends is None else _ends(ends, now)
    if not state.renewable:
        return f"{access}; nothing renews it"
    if state.refresh_expires_at is None:
        return f"{access}; renewed by itself"
    return f"{access}; renewed by itself, with a refresh token that {_ends(state.refresh_expires_at, now)}"


def token_ended(state: SourceState, now: datetime) -> bool:
    """Whether there is none any more that the provider would take, nor one that gets another."""
    last = state.refresh_expires_at if state.renewable else state.token_expires_at
    return state.has_token and last is not None and last <= now


def _ends(moment: datetime, now: datetime) -> str:
    """`ends in 13 days, on 2026-12-07`; rounded down, so that nobody waits for a day that it does not have."""
    if moment <= now:
        return f"ended on {moment:%Y-%m-%d at %H:%M}"
    days = (moment - now) // _DAY
    left = "within a day" if days == 0 else f"in {days:,} {'day' if days == 1 else 'days'}"
    return f"ends {left}, on {moment:%Y-%m-%d at %H:%M}"
