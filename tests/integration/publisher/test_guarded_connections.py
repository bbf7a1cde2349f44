"""Where no delivery goes, shown with real connections."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cdrelay.callbacks.bodies import PackedBody
from cdrelay.callbacks.client import CallbackClient, CallbackLimits
from cdrelay.callbacks.retry import Answered, NotReached
from tests.support.callback import Answer, Callback

BODY = PackedBody.pack(b"{}")
GUARDED = CallbackLimits(5, 10, allow_http=True, allow_private=False)
OPEN = CallbackLimits(5, 10, allow_http=True, allow_private=True)


class Resolves(AbstractResolver):
    """Names to the addresses a test gives, one a look-up, the last for ever."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = list(addresses)
        self.lookups = 0

    async def resolve(self, host: str, port: int = 0, family: int = AF_INET) -> list[ResolveResult]:
        """The next address."""
        self.lookups += 1
        address = self._addresses.pop(0) if len(self._addresses) > 1 else self._addresses[0]
        return [ResolveResult(hostname=host, host=address, port=port, family=AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_loopback_is_refused_as_an_address_and_as_a_name(host: str) -> None:
    async with Callback() as callback, CallbackClient(GUARDED) as client:
        outcome = await client.post(f"http://{host}:{callback.port}/", {}, BODY)
        assert callback.requests == []
    assert isinstance(outcome, NotReached)
    assert "is loopback" in outcome.reason


async def test_loopback_in_another_spelling_is_refused() -> None:
    async with Callback() as callback, CallbackClient(GUARDED) as client:
        for host in ("2130706433", "127.1", "0x7f.0.0.1", "0.0.0.0"):  # noqa: S104
            outcome = await client.post(f"http://{host}:{callback.port}/", {}, BODY)
            assert isinstance(outcome, NotReached), host
        assert callback.requests == []


async def test_the_metadata_address_is_refused_behind_a_name() -> None:
    async with CallbackClient(GUARDED, Resolves("169.254.169.254")) as client:
        outcome = await client.post("http://metadata.example/", {}, BODY)
    assert outcome == NotReached("the callback's address 169.254.169.254 is link-local")


async def test_a_name_that_turns_private_at_the_second_look_up_is_refused_then() -> None:
    async with Callback() as callback:
        resolver = Resolves("127.0.0.1")
        async with CallbackClient(OPEN, resolver) as client:
            for _ in range(2):
                assert isinstance(await client.post(f"http://name.example:{callback.port}/", {}, BODY), Answered)
        assert resolver.lookups == 2  # nothing is remembered from the first
        # 192.0.2.1 is refused too, being for documentation: the point is that each look-up is judged by itself.
        rebinding = Resolves("192.0.2.1", "127.0.0.1")
        async with CallbackClient(GUARDED, rebinding) as client:
            reasons = [await client.post(f"http://name.example:{callback.port}/", {}, BODY) for _ in range(2)]
        assert "127.0.0.1 is loopback" in str(reasons[1])
        assert len(callback.requests) == 2


async def test_http_is_refused_when_sent_though_it_was_allowed_when_set() -> None:
    async with Callback() as callback, CallbackClient(CallbackLimits(5, 10, allow_private=True)) as client:
        outcome = await client.post(callback.url, {}, BODY)
        assert callback.requests == []
    assert isinstance(outcome, NotReached)
    assert "https://" in outcome.reason


async def test_a_name_that_does_not_resolve_is_a_failure_to_be_tried_again() -> None:
    class Fails(Resolves):
        async def resolve(self, host: str, port: int = 0, family: int = AF_INET) -> list[ResolveResult]:
            raise OSError(None, "no such name")

    async with CallbackClient(GUARDED, Fails("")) as client:
        outcome = await client.post("https://nowhere.example/", {}, BODY)
    assert outcome == NotReached("the callback's name cannot be resolved")


async def test_a_name_that_no_look_up_takes_is_an_outcome() -> None:
    class Encodes(Resolves):
        async def resolve(self, host: str, port: int = 0, family: int = AF_INET) -> list[ResolveResult]:
            f"{host}..".encode("idna")  # as the system's look-up does, before it asks anybody
            return []

    async with CallbackClient(GUARDED, Encodes("")) as client:
        outcome = await client.post("https://callback.example/", {}, BODY)
    assert outcome == NotReached("the callback URL names no host that can be")


async def test_an_answer_that_stalls_after_its_status_is_an_answer() -> None:
    async def stalls(request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(status=202)
        response.content_length = 1_000
        await response.prepare(request)
        await response.write(b"so far")
        await request.content.wait_eof()
        await stopped.wait()
        return response

    stopped = asyncio.Event()
    application = web.Application()
    application.router.add_post("/", stalls)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with CallbackClient(CallbackLimits(5, 0.3, allow_http=True, allow_private=True)) as client:
        outcome = await client.post(f"http://127.0.0.1:{runner.addresses[0][1]}/", {}, BODY)
    stopped.set()
    await runner.cleanup()
    assert outcome == Answered(202, None, "so far")


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """TLS with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = Path(tmp_path_factory.mktemp("tls")) / "both.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


async def test_a_certificate_that_nobody_vouches_for_is_refused(self_signed: ssl.SSLContext) -> None:
    application = web.Application()
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self_signed).start()
    async with CallbackClient(OPEN) as client:
        outcome = await client.post(f"https://127.0.0.1:{runner.addresses[0][1]}/", {}, BODY)
    await runner.cleanup()
    assert isinstance(outcome, NotReached)
    assert "certificate is not trusted" in outcome.reason


async def test_cookies_of_one_answer_are_not_sent_with_the_next_request() -> None:
    answer = Answer(headers={"Set-Cookie": "session=1"})
    async with Callback(otherwise=answer) as callback, CallbackClient(OPEN) as client:
        for _ in range(2):
            await client.post(callback.url, {}, BODY)
    assert all("Cookie" not in request.headers for request in callback.requests)
