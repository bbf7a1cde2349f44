"""One HTTP exchange with the side that is checked. Whatever happens in it is an answer, never an exception."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from cdrelay.conformance.checks import CannotRun
from cdrelay.contract.error_bodies import error_message
from cdrelay.errors import UNREADABLE

_MESSAGE_LENGTH = 120
_ADDRESS = re.compile(r"https?://\S+")
MOST_BYTES = 256 * 2**20
"""An hour's records of a large organization fit; a side that answers without an end does not fill the memory."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, or that nothing did."""

    status: int | None
    """The HTTP status; None when there was no answer."""
    seconds: float
    """From the first byte sent to the answer."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    problem: str = ""
    """Why there was no answer."""

    @property
    def taken(self) -> bool:
        """Whether it says 2xx: delivered (FACTS 1.5)."""
        return self.status is not None and 200 <= self.status < 300

    def json(self) -> Any:
        """What the body means as JSON; None when it is none."""
        try:
            return msgspec.json.decode(self.body)
        except UNREADABLE:
            return None

    def __str__(self) -> str:
        if self.status is None:
            return self.problem
        said = "" if self.taken else error_message(self.body)[:_MESSAGE_LENGTH]
        return f"answered {self.status} after {self.seconds:.2f} s" + (f": {said}" if said else "")


def open_session() -> aiohttp.ClientSession:
    """A session that remembers nothing between requests.

    Not even connections: a side that refuses early closes them, and the next POST on one would fail for no fault.
    """
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(force_close=True))


def read_url(text: str) -> URL:
    """The address of what is checked. Raises ValueError when it is no http or https URL."""
    try:
        url = URL(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no http or https address: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError(f"{text!r} is no http or https address")
    if not url.port:
        raise ValueError(f"{text!r} has port 0, to which nobody listens; a port is 1 to 65535")
    return url


def shown(url: URL) -> str:
    """An address without what may be secret in it: user, password, query."""
    return str(url.with_user(None).with_query(None).with_fragment(None))


async def exchange(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    *,
    seconds: float,
    headers: Mapping[str, str],
    body: AsyncIterator[bytes] | None = None,
) -> Answer:
    """Send and read the whole answer, of at most 256 MiB, within `seconds`. Redirects are not followed."""
    began = perf_counter()
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with session.request(
            method, url, data=body, headers=headers, allow_redirects=False, timeout=timeout
        ) as response:
            content = await _content(response)
            if content is not None:
                return Answer(response.status, perf_counter() - began, response.headers.copy(), content)
            problem = f"the answer is larger than {MOST_BYTES} bytes"
    except TimeoutError:
        problem = f"no answer within {seconds:g} s"
    except (aiohttp.ClientError, OSError) as error:
        problem = f"no answer, {type(error).__name__}: {_reason(error)}"
    return Answer(None, perf_counter() - began, problem=problem)


async def _content(response: aiohttp.ClientResponse) -> bytes | None:
    """The body; None when it is larger than is taken."""
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > MOST_BYTES:
            return None
    return bytes(content)


def _reason(error: Exception) -> str:
    """What went wrong, without the address: that may hold a secret, and reports are kept."""
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else getattr(error, "strerror", None)
    return _ADDRESS.sub("the address", text or str(error))


async def reach(url: URL, seconds: float) -> None:
    """See that someone listens there. Raises CannotRun."""
    try:
        async with asyncio.timeout(seconds):
            _, writer = await _connect(url)
            await _close(writer)
    except TimeoutError:
        raise CannotRun(f"no connection to {url.host} port {url.port} within {seconds:g} seconds") from None
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that no name can be
        why = _reason(error)
        raise CannotRun(f"no connection to {url.host} port {url.port}: {why}; is it running there?") from error


async def send_and_hang_up(url: URL, request: bytes, seconds: float) -> None:
    """Write bytes to a connection of its own and close it without reading; a side that closes first is no error."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(seconds):
            _, writer = await _connect(url)
            writer.write(request)
            with suppress(OSError):
                await writer.drain()
            await _close(writer)


def raw_request(url: URL, headers: Mapping[str, str], body: bytes) -> bytes:
    """A POST as the bytes of HTTP/1.1, with the length of the whole body in its head."""
    lines = [f"POST {url.raw_path_qs} HTTP/1.1", f"Host: {url.host_port_subcomponent}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


async def _connect(url: URL) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(url.host, url.port, ssl=url.scheme == "https" or None)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
