"""One HTTP exchange with a partner's callback. Whatever happens in it is an outcome, never an exception."""

import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver

from cdrelay.publisher.callback_guard import AddressRefused, guarded_connector, require_callback_url
from cdrelay.publisher.deliveries import PackedBody
from cdrelay.publisher.errors import CallbackRefused
from cdrelay.publisher.retry import Answered, NotReached, Outcome

_PIECE = 256 * 1024
# Bytes of an answer that are read: enough for 200 characters of UTF-8.
_ANSWER_BYTES = 800


@dataclass(frozen=True, slots=True)
class CallbackLimits:
    """What a callback may do, and how long it may take."""

    connect_seconds: float
    total_seconds: float
    allow_http: bool = False
    allow_private: bool = False


class CallbackClient:
    """POSTs to callbacks. Use it as a context; one may serve any number of deliveries at once."""

    def __init__(self, limits: CallbackLimits, resolver: AbstractResolver | None = None) -> None:
        self._limits = limits
        self._resolver = resolver
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> "CallbackClient":
        limits = self._limits
        self._session = aiohttp.ClientSession(
            connector=guarded_connector(allow_private=limits.allow_private, resolver=self._resolver),
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

    async def post(self, url: str, headers: Mapping[str, str], body: PackedBody) -> Outcome:
        """Send what `body` holds once and say what came of it. Redirects are not followed.

        With a Content-Length among `headers` it goes in one piece, else in chunks.
        """
        try:
            require_callback_url(url, allow_http=self._limits.allow_http)
            async with self._session.post(
                url,
                data=_unpacked(body),
                headers=headers,
                allow_redirects=False,
            ) as response:
                return Answered(response.status, response.headers.get("Retry-After"), await _beginning(response))
        except aiohttp.ConnectionTimeoutError:
            return NotReached(f"no connection to the callback within {self._limits.connect_seconds:g} seconds")
        except TimeoutError:
            return NotReached(f"no answer within {self._limits.total_seconds:g} seconds")
        except CallbackRefused as error:
            return NotReached(str(error))
        except (aiohttp.ClientError, OSError) as error:
            return NotReached(_why(error))


async def _unpacked(body: PackedBody) -> AsyncIterator[bytes]:
    # In pieces, so that a callback that reads slowly is waited for instead of being buffered for.
    for piece in body.pieces(_PIECE):
        yield piece


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """What the answer begins with. The status has been said: a body that stalls or breaks does not change it."""
    read = bytearray()
    try:
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
            return "the callback's name cannot be resolved"
        case aiohttp.ClientConnectorCertificateError():
            reason = error.certificate_error
            return f"the callback's certificate is not trusted: {getattr(reason, 'verify_message', reason)}"
        case aiohttp.ClientConnectorError():
            return _why_no_connection(error.os_error)
        case aiohttp.ServerDisconnectedError():
            return "the callback closed the connection without an answer"
    return f"the exchange with the callback broke: {type(error).__name__}"


def _why_no_connection(error: OSError) -> str:
    if isinstance(error, AddressRefused):
        return str(error)
    if isinstance(error, ssl.SSLError):
        return f"no TLS with the callback: {error.reason}"
    return f"no connection to the callback: {error.strerror or error}"
