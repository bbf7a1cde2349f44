"""What the event loop tells of by itself: connections that broke beneath TLS are no defect, all else is one."""

import asyncio
import traceback
from typing import Any

import structlog

_log = structlog.get_logger(__name__)

_BENEATH_TLS = "Fatal error on SSL protocol"
"""How uvloop begins when its TLS layer stumbles, most often over a socket that the other side has closed."""


def tell_quietly(loop: asyncio.AbstractEventLoop) -> None:
    """Let `loop` log connections that broke beneath TLS on level debug, without a traceback.

    Whoever used the connection is told by an exception of its own. Everything else is told as ever: also what our own
    code, or a library's, raised while it was handed the bytes of such a connection. Again changes nothing.
    """
    loop.set_exception_handler(_tell)


def _tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if context.get("message") == _BENEATH_TLS and error is not None and _is_the_loops_own(error):
        _log.debug("connection.broken", error=type(error).__name__)
    else:
        loop.default_exception_handler(context)


def _is_the_loops_own(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.startswith("uvloop/")
