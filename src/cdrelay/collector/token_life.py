"""How long a source's tokens last, and what becomes of them when they are replaced. Pure.

An access token lasts 14 days, a refresh token 90, anew with each refresh (FACTS section 5). Lifetimes are the
provider's and are not compressed with the contract.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from cdrelay.collector.source_settings import Source
from cdrelay.collector.token_exchange import Granted, TokenClient

_ACCESS_SHARE, _REFRESH_SHARE = 0.75, 0.5
"""Of its life, after which each is refreshed: days are left to mend what keeps it from being so."""
_LIFE_UNKNOWN = timedelta(days=1)
"""How often to refresh where the provider does not say how long an access token lasts."""


def due_at(source: Source) -> datetime | None:
    """From when on its tokens are to be refreshed; None: they cannot be."""
    if not source.renewable:
        return None
    if source.token is None or source.refreshed_at is None:
        return source.created_at
    lives = ((source.token_expires_at, _ACCESS_SHARE), (source.refresh_expires_at, _REFRESH_SHARE))
    moments = [source.refreshed_at + (end - source.refreshed_at) * share for end, share in lives if end is not None]
    return min(moments) if source.token_expires_at else min([*moments, source.refreshed_at + _LIFE_UNKNOWN])


def lasts(source: Source, now: datetime) -> bool:
    """Whether its access token is valid, as far as is known."""
    return source.token is not None and (source.token_expires_at is None or now < source.token_expires_at)


def renewed(source: Source, granted: Granted, now: datetime) -> Source:
    """The source with what its provider gave; a refresh token that did not come back stays as it is."""
    kept = granted.refresh_token is None and granted.refresh_expires_at is None
    return replace(
        source,
        token=granted.access_token,
        token_expires_at=granted.expires_at,
        refresh_token=granted.refresh_token or source.refresh_token,
        refresh_expires_at=source.refresh_expires_at if kept else granted.refresh_expires_at,
        refreshed_at=now,
        token_problem=None,
    )


def logged_in(source: Source, client: TokenClient | None, granted: Granted, now: datetime) -> Source:
    """The source with the tokens of a new login, and nothing of the one before; without `client` they just end."""
    fresh = replace(
        source,
        refresh_token=None,
        refresh_expires_at=None,
        token_url=client.token_url if client else None,
        client_id=client.client_id if client else None,
        client_secret=client.client_secret if client else None,
    )
    return renewed(fresh, granted, now)
