"""The life of the sources' tokens: refreshed in time, so that neither the access nor the refresh token runs out.

What keeps them from being refreshed is told at once; the access token stays in use until it ends, and the refresh is
tried again, by a loop and whenever a token is asked for.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from cdrelay.clock import Clock
from cdrelay.collector.errors import TokenMissing, TokenRefused, TokenUnavailable
from cdrelay.collector.incident_log import IncidentLog
from cdrelay.collector.source_settings import Source
from cdrelay.collector.sources import Sources
from cdrelay.collector.token_exchange import Granted, TokenClient, TokenExchange
from cdrelay.collector.token_life import due_at, lasts, logged_in, renewed
from cdrelay.collector.token_safe import Renewed, TokenSafe
from cdrelay.errors import CdrelayError
from cdrelay.provider_exchange import TokenFor

LOOK_SECONDS = 60.0
"""Between two looks at what is due."""
_WAIT_FIRST, _WAIT_LONGEST = timedelta(seconds=30), timedelta(minutes=10)
_WAIT_REFUSED = timedelta(hours=1)
_FORCED_EVERY = timedelta(minutes=1)
"""A token that is refused so soon after it was refreshed will not be helped by refreshing."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Wait:
    """After a failure with `refresh_token`, until when not to ask again, and how long that was."""

    refresh_token: str | None
    until: datetime
    length: timedelta


class Tokens:
    """Gives access tokens that are valid. Several processes may use the same folder and database at once."""

    def __init__(
        self, sources: Sources, exchange: TokenExchange, safe: TokenSafe, clock: Clock, incidents: IncidentLog
    ) -> None:
        self._sources = sources
        self._exchange = exchange
        self._safe = safe
        self._clock = clock
        self._incidents = incidents
        self._waits: dict[str, _Wait] = {}

    def token_for(self, name: str) -> TokenFor:
        """What gives a `ProviderExchange` the tokens of a source."""

        async def give(refused: str | None = None) -> str:
            return await (self.access_token(name) if refused is None else self.another(name, refused))

        return give

    async def access_token(self, name: str) -> str:
        """A valid one, refreshed first when it is due; when that fails, the present one as long as it lasts.

        Raises TokenMissing, TokenRefused, TokenUnavailable, SourceUnknown, SecretUnreadable, DatabaseUnavailable.
        """
        source = await asyncio.to_thread(self._sources.get, name)
        if self._is_due(source) and not self._waiting(source):
            try:
                source = await self._refreshed(name, lambda now: not self._is_due(now))
            except (TokenRefused, TokenUnavailable):
                if not lasts(source, self._clock.now()):
                    raise
        if source.token is None or not lasts(source, self._clock.now()):
            if source.renewable:
                raise TokenUnavailable(source.token_problem or "the access token ended and could not be refreshed")
            raise TokenMissing(name, "there is no access token" if source.token is None else "the access token ended")
        return source.token

    async def another(self, name: str, refused: str) -> str:
        """After the provider did not take `refused`: the one that replaced it, by one refresh where need be.

        The same again when there is no way to another, so that the provider's own words are what is told. Raises as
        `access_token`.
        """
        source = await asyncio.to_thread(self._sources.get, name)
        if source.token == refused:
            since = None if source.refreshed_at is None else self._clock.now() - source.refreshed_at
            # After the clock was set back nobody knows how long ago it was.
            fresh = since is not None and timedelta(0) <= since < _FORCED_EVERY
            if not source.renewable or fresh or self._waiting(source):
                return refused
            source = await self._refreshed(name, lambda now: now.token != refused)
        return source.token or refused

    async def keep_login(self, name: str, client: TokenClient | None, granted: Granted) -> Source:
        """Replace all that a source has of tokens. Without `client` they cannot be refreshed. Raises SourceUnknown."""
        async with self._safe.alone(name):
            source = await asyncio.to_thread(
                self._sources.alter, name, lambda now: logged_in(now, client, granted, self._clock.now())
            )
            # What was under way for the tokens before is of no use any more.
            await asyncio.to_thread(self._safe.clear, name)
        return source

    async def run(self) -> None:
        """Refresh what is due, for ever: also the tokens of a source that nobody asks for."""
        while True:
            try:
                listed = await asyncio.to_thread(self._sources.list)
                await asyncio.gather(*(self._look(one.name) for one in listed if self._is_due(one)))
            except CdrelayError as error:
                _log.warning("tokens.not_looked_at", reason=type(error).__name__)
            await self._clock.sleep(LOOK_SECONDS)

    async def _look(self, name: str) -> None:
        try:
            await self.access_token(name)
        except CdrelayError as error:  # told where it happened
            _log.info("token.not_refreshed", source=name, reason=type(error).__name__)
        except Exception as error:  # noqa: BLE001  # the others' tokens must still be looked at
            _log.error("token.failed", source=name, error=type(error).__name__)

    # --- one refresh ---

    async def _refreshed(self, name: str, done: Callable[[Source], bool]) -> Source:
        """Refresh, unless it is `done` by the time that nobody else is at it."""
        async with self._safe.alone(name):
            source = await asyncio.to_thread(self._taken_up, name)
            if done(source) or not source.renewable:
                return source
            try:
                await asyncio.to_thread(self._safe.make_room, name)
                used = source.refresh_token or ""
                answer = Renewed(used, await self._exchange.refresh(_client(source), used))
            except (TokenRefused, TokenUnavailable, OSError) as error:
                raise await asyncio.to_thread(self._failed, source, error) from error
            # At once and not in a thread: nothing may come between the answer and the disk, not even being cancelled.
            with suppress(OSError):  # then the database has to do
                self._safe.keep(name, answer)
            self._waits.pop(name, None)
            return await asyncio.to_thread(self._taken_up, name, answer)

    def _taken_up(self, name: str, answer: Renewed | None = None) -> Source:
        """The source, after what was answered for it is in the database: now, or before a crash kept it from there."""
        kept = answer or self._safe.kept(name)
        if kept is None:
            return self._sources.get(name)

        def take(now: Source) -> Source:
            # Somebody who has logged in meanwhile, or has set a token, knows better.
            return renewed(now, kept.granted, self._clock.now()) if now.refresh_token == kept.used else now

        source = self._sources.alter(name, take)
        self._safe.clear(name)
        _log.info("token.refreshed", source=name, expires_at=str(source.token_expires_at))
        return source

    def _failed(self, source: Source, error: Exception) -> CdrelayError:
        """Note what went wrong, tell it once, and wait before the next attempt; the error to raise."""
        self._safe.clear(source.name)
        problem = f"tokens cannot be kept: {type(error).__name__}" if isinstance(error, OSError) else str(error)
        before = self._waits.get(source.name)
        if isinstance(error, TokenRefused):
            length = _WAIT_REFUSED
        else:
            length = min(before.length * 2, _WAIT_LONGEST) if before is not None else _WAIT_FIRST
        self._waits[source.name] = _Wait(source.refresh_token, self._clock.now() + length, length)
        mend = f"; `cdrelay collector login {source.name}` gets others" if isinstance(error, TokenRefused) else ""
        if source.token_problem != problem:
            self._incidents.record("token", f"source {source.name}: {problem}{mend}")
            self._sources.alter(source.name, lambda now: replace(now, token_problem=problem))
        return TokenRefused(problem + mend) if isinstance(error, TokenRefused) else TokenUnavailable(problem)

    def _is_due(self, source: Source) -> bool:
        due = due_at(source)
        return due is not None and due <= self._clock.now()

    def _waiting(self, source: Source) -> bool:
        wait = self._waits.get(source.name)
        if wait is None or wait.refresh_token != source.refresh_token:
            return False
        # Not longer than it was to be, also when the clock was set back.
        return wait.until - wait.length <= self._clock.now() < wait.until


def _client(source: Source) -> TokenClient:
    if source.token_url is None or source.client_id is None or source.client_secret is None:
        raise TokenMissing(source.name, "there is nothing to refresh them with")
    return TokenClient(token_url=source.token_url, client_id=source.client_id, client_secret=source.client_secret)
