"""What stands before the app of a provider, and time that passes while one waits for it."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cdrelay.clock import ManualClock


class PassingClock(ManualClock):
    """Whoever sleeps on it wakes at once, that much later; how long is noted."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(timedelta(seconds=seconds))


@dataclass
class Front:
    """Stands before the app of a provider: notes what is asked, and answers in its place while there is trouble."""

    app: Any
    troubles: deque[tuple[int, bytes] | None] = field(default_factory=deque)
    """Status and body for the next requests, one by one; None lets one through."""
    asked: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(f"{scope['path']}?{scope['query_string'].decode()}")
        trouble = self.troubles.popleft() if self.troubles else None
        if trouble is None:
            await self.app(scope, receive, send)
            return
        status, body = trouble
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": body})
