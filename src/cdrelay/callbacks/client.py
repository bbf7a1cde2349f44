"""One HTTP exchange with a callback. Whatever happens in it is an outcome, never an exception."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractResolver

from cdrelay.callbacks.bodies import SendableBody
from cdrelay.callbacks.guard import AddressRefused, CallbackRefused, guarded_connector, require_callback_url
from cdrelay.callbacks.interim import MOST, TooManyInterim
from cdrelay.callbacks.retry import Answered, NotReached, Outcome

_PIECE = 256 * 1024
# Bytes of an answer that are read: enough for 200 characters of UTF-8.
_ANSWER_BYTES = 800


@dataclass(frozen=True, slots=True)
class CallbackLimits:
    """What a callback may do, and how long it may take for each stage of the exchange and for all of it."""

    connect_seconds: float
    """To look its name up, connect and agree on TLS."""
    total_seconds: float
    allow_http: bool = False
    allow_private: bool = False
    send_seconds: float = float("inf")
    """To take the body, from the first byte to the last."""
    answer_seconds: float = float("inf")
    """To answer after that: headers, and the beginning of the body."""


def trusted_authorities(ca_file: Path | None = None) -> ssl.SSLContext:
    """The system's certificate authorities and those of a PEM file. Raises OSError when it holds none or is missing."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


class Posts(Protocol):
    """What a sender needs of the network."""

    async def post(self, url: str, headers: Mapping[str, str], body: SendableBody) -> Outcome:
        """One exchange; failures are outcomes."""
        ...


class CallbackClient:
    """POSTs to callbacks. Use it as a context; one may serve any number of deliveries at once."""

    def __init__(
        self, limits: CallbackLimits, resolver: AbstractResolver | None = None, trust: ssl.SSLContext | None = None
    ) -> None:
        """`trust` says who may vouch for a callback, the system's authorities when it is None."""
        self._limits = limits
        self._resolver = resolver
        self._trust = trust or trusted_authorities()
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> "CallbackClient":
        limits = self._limits
        self._session = aiohttp.ClientSession(
            connector=guarded_connector(allow_private=limits.allow_private, resolver=self._resolver, trust=self._trust),
            # sock_connect begins anew with each address that a name has; connect covers the look-up and all of them.
            timeout=aiohttp.ClientTimeout(
                total=limits.total_seconds, connect=limits.connect_seconds, sock_connect=limits.connect_seconds
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # the beginning of an answer is no reason to unpack a bomb
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, url: str, headers: Mapping[str, str], body: SendableBody) -> Outcome:
        """Send what `body` holds once and say what came of it. Redirects are not followed.

        With a Content-Length among `headers` it goes in one piece, else in chunks.
        """
        stages = _Stages(self._limits)
        try:
            require_callback_url(url, allow_http=self._limits.allow_http)
            async with (
                stages.limit,
                self._session.post(url, data=stages.watched(body), headers=headers, allow_redirects=False) as response,
            ):
                text = await _beginning(response, stages.answered())
                return Answered(response.status, response.headers.get("Retry-After"), text)
        except aiohttp.ConnectionTimeoutError:
            return NotReached(f"no connection to the callback within {self._limits.connect_seconds:g} seconds")
        except TimeoutError:
            return NotReached(stages.too_slow())
        except CallbackRefused as error:
            return NotReached(str(error))
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            return NotReached(_why(error))


class _Stages:
    """The time limit of the stage that an exchange is in: first sending, then answering. Connecting has its own."""

    def __init__(self, limits: CallbackLimits) -> None:
        self.limit = asyncio.timeout(None)
        self._limits = limits
        self._sent = False
        self._answered = False

    async def watched(self, body: SendableBody) -> AsyncIterator[bytes]:
        """The body in pieces, so that a callback that reads slowly is waited for instead of being buffered for.

        The first piece is asked for when there is a connection, and the end when the callback has taken all of them.
        """
        self._allow(self._limits.send_seconds)
        for piece in body.pieces(_PIECE):
            yield piece
        self._sent = True
        self._allow(self._limits.answer_seconds)

    def _allow(self, seconds: float) -> None:
        if not self._answered and seconds != float("inf"):
            self.limit.reschedule(asyncio.get_running_loop().time() + seconds)

    def answered(self) -> float | None:
        """The status is known, and nothing changes it any more; until when the rest of the answer may come."""
        until = self.limit.when()
        self._answered = True
        self.limit.reschedule(None)
        return until

    def too_slow(self) -> str:
        """Which limit has run out, in words."""
        if not self.limit.expired():
            return f"the exchange did not end within {self._limits.total_seconds:g} seconds"
        if not self._sent:
            return f"the callback did not take the delivery within {self._limits.send_seconds:g} seconds"
        return f"no answer within {self._limits.answer_seconds:g} seconds"


async def _beginning(response: aiohttp.ClientResponse, until: float | None) -> str:
    """What the answer begins with. The status has been said: a body that stalls or breaks does not change it."""
    read = bytearray()
    try:
        async with asyncio.timeout_at(until):
            while len(read) < _ANSWER_BYTES and (piece := await response.content.read(_ANSWER_BYTES - len(read))):
                read += piece
    except (TimeoutError, aiohttp.ClientError, OSError):
        pass
    finally:
        response.close()
    return read.decode("utf-8", "replace")


def _why(error: Exception) -> str:
    """In words that hold nothing of the URL's path or query, where partners keep tokens of their own."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            why = "the callback's name cannot be resolved"
        case aiohttp.ClientConnectorCertificateError():
            reason = error.certificate_error
            why = f"the callback's certificate is not trusted: {getattr(reason, 'verify_message', reason)}"
        case aiohttp.ClientConnectorError():
            why = _why_no_connection(error.os_error)
        case aiohttp.ServerDisconnectedError():
            why = "the callback closed the connection without an answer"
        case TooManyInterim():
            why = f"the callback sent more than {MOST} answers of 1xx, and none that counts"
        case aiohttp.InvalidURL() | UnicodeError():  # the latter is what a look-up makes of a name that is none
            why = "the callback URL names no host that can be"
        case aiohttp.ClientResponseError():
            why = "the callback's answer is no HTTP, or its headers are too large"
        case OSError():
            why = "the callback broke off the connection"
        case _:
            why = f"the exchange with the callback broke: {type(error).__name__}"
    return why


def _why_no_connection(error: OSError) -> str:
    if isinstance(error, AddressRefused):
        return str(error)
    if isinstance(error, ssl.SSLError):
        return f"no TLS with the callback: {error.reason}"
    # The loop's own words name the address, and not the reason.
    return f"no connection to the callback: {os.strerror(error.errno) if error.errno else error}"
