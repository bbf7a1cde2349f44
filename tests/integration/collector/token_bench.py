"""A source with tokens that a real token server renews, seen by one or several processes."""

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdrelay.clock import ManualClock
from cdrelay.collector.sources import Source, SourceChange, Sources
from cdrelay.collector.token_exchange import Granted, TokenClient, TokenExchange
from cdrelay.collector.token_safe import TokenSafe
from cdrelay.collector.tokens import Tokens
from cdrelay.control.database import Database
from cdrelay.control.incidents import Incidents
from cdrelay.control.secrets_at_rest import SecretBox
from tests.support.token_server import CLIENT_ID, CLIENT_SECRET, TokenServer

START = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
NAME = "webex"
KILLED = -signal.SIGKILL
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class TokenBench:
    """As one process has it: a database connection, a safe and tokens of its own, on one home folder."""

    def __init__(self, home: Path, clock: ManualClock, busy_milliseconds: int = 300) -> None:
        self.home = home
        self.clock = clock
        self.database = Database(home / "control.db", busy_milliseconds)
        self.box = SecretBox(home / "secret.key")
        self.sources = Sources(self.database, self.box, clock)
        self.safe = TokenSafe(home / "tokens", self.box)
        self.exchange = TokenExchange(clock, 5)
        self.incidents = Incidents(self.database, clock)
        self.tokens = Tokens(self.sources, self.exchange, self.safe, clock, self.incidents)

    @property
    def source(self) -> Source:
        """As it is in the database."""
        return self.sources.get(NAME)

    def told(self) -> list[str]:
        """The incidents, oldest first."""
        return [one.what for one in self.incidents.latest()][::-1]

    async def log_in(self, server: TokenServer) -> None:
        """Add the source with the tokens `access-0` and `refresh-0`, of 14 and 90 days."""
        self.sources.add(NAME, SourceChange())
        now = self.clock.now()
        granted = Granted(
            access_token="access-0",
            refresh_token="refresh-0",
            expires_at=now + 14 * DAY,
            refresh_expires_at=now + 90 * DAY,
        )
        await self.tokens.keep_login(NAME, client_of(server), granted)

    async def token(self) -> str:
        """What is given to who asks."""
        return await self.tokens.access_token(NAME)


def client_of(server: TokenServer) -> TokenClient:
    """The integration that the server knows."""
    return TokenClient(token_url=server.token_url, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
