"""Our own TLS and reverse proxies, over real connections."""

import asyncio
import os
import ssl
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI, Request

from cdrelay.serving import Front, OwnTls, TlsUnusable
from cdrelay.settings import SettingError, read_settings
from tests.support.process import Cdrelay
from tests.support.server import serving
from tests.support.tls import write_certificate


def app() -> FastAPI:
    """Says who asks and how."""
    made = FastAPI()

    @made.get("/who")
    async def who(request: Request) -> dict[str, str | None]:
        return {"host": request.client and request.client.host, "scheme": request.url.scheme}

    return made


async def who(address: str, context: ssl.SSLContext | None = None, **headers: str) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{address}/who", headers=named, ssl=context or True) as response,
    ):
        return dict(await response.json())


def trusting(certificate: Path, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificate)
    if version is not None:
        context.minimum_version = context.maximum_version = version
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_with_a_tls_of_our_days_is_served(tmp_path: Path, version: ssl.TLSVersion) -> None:
    certificate = write_certificate(tmp_path)
    async with serving(app(), certificate) as address:
        assert (await who(address, trusting(certificate, version)))["scheme"] == "https"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_an_older_tls_and_plain_http_are_refused(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path)
    async with serving(app(), certificate) as address:
        with pytest.raises(aiohttp.ClientConnectorError):
            await who(address, trusting(certificate, ssl.TLSVersion.TLSv1_1))
        with pytest.raises(aiohttp.ClientError):
            await who(address.replace("https", "http"))


async def test_a_handshake_that_does_not_come_is_given_up_as_a_head_is(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path)
    async with serving(app(), certificate, Front(head_seconds=0.3)) as address:
        host, _, port = address.removeprefix("https://").partition(":")
        for first_bytes in (b"", b"\x16\x03\x01\x02\x00\x01"):  # nothing, and how a ClientHello begins
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(first_bytes)
            async with asyncio.timeout(10):
                assert await reader.read() == b""
            writer.close()
        assert (await who(address, trusting(certificate)))["scheme"] == "https"


def files(folder: Path) -> dict[str, Path]:
    """A certificate and its key, apart, and others that do not fit."""
    folder.mkdir(exist_ok=True)
    both = write_certificate(folder).read_text()
    key_end = both.index("-----BEGIN CERTIFICATE")
    found = {name: folder / f"{name}.pem" for name in ("key", "certificate", "other_key", "locked_key", "empty")}
    found["key"].write_text(both[:key_end])
    found["certificate"].write_text(both[key_end:])
    other = ec.generate_private_key(ec.SECP256R1())
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    found["other_key"].write_bytes(other.private_bytes(*form, serialization.NoEncryption()))
    found["locked_key"].write_bytes(other.private_bytes(*form, serialization.BestAvailableEncryption(b"secret")))
    found["empty"].write_bytes(b"")
    return found | {"missing": folder / "missing.pem"}


def test_certificate_and_key_may_be_apart(tmp_path: Path) -> None:
    found = files(tmp_path)
    assert OwnTls(found["certificate"], found["key"]).expires_at.year > 2100


@pytest.mark.parametrize(
    ("certificate", "key", "what"),
    [
        ("missing", "key", "tls_certificate_file: .*missing.pem cannot be read: No such file"),
        ("empty", "key", "tls_certificate_file: .*empty.pem holds no certificate in PEM"),
        ("key", "key", "tls_certificate_file: .*key.pem holds no certificate in PEM"),
        ("certificate", "missing", "tls_key_file: .*missing.pem cannot be read: No such file"),
        ("certificate", "certificate", "tls_key_file: .*certificate.pem holds no private key in PEM"),
        ("certificate", "locked_key", "tls_key_file: the private key in .*locked_key.pem has a password"),
        ("certificate", "other_key", "tls_key_file: .*other_key.pem is not the key of .*certificate.pem"),
    ],
)
def test_what_is_wrong_with_the_files_is_said(tmp_path: Path, certificate: str, key: str, what: str) -> None:
    found = files(tmp_path)
    with pytest.raises(TlsUnusable, match=what):
        OwnTls(found[certificate], found[key])


def rewritten(file: Path, content: bytes) -> None:
    """Write it a while after it was written before: a disk's clock is coarse."""
    later = file.stat().st_mtime + 10
    file.write_bytes(content)
    os.utime(file, (later, later))


async def test_a_renewed_certificate_is_taken_up_while_the_server_runs(tmp_path: Path) -> None:
    file = write_certificate(tmp_path)
    tls = OwnTls(file, file)
    async with serving(app(), front=Front(tls)) as address:
        old = trusting(file)
        await who(address, old)
        assert not tls.renew()
        rewritten(file, b"half written")
        assert not tls.renew()
        await who(address, old)
        rewritten(file, write_certificate(tmp_path, days=10_000).read_bytes())
        looked = asyncio.Event()
        naps = iter([looked.clear, looked.set])

        async def sleep(_seconds: float) -> None:
            next(naps)()
            if looked.is_set():
                await asyncio.sleep(3_600)

        watching = asyncio.create_task(tls.watch(sleep))
        await looked.wait()
        watching.cancel()
        assert tls.expires_at == datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=10_000)
        await who(address, trusting(file))
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await who(address, old)


def test_a_process_with_its_own_tls_serves_https(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path)
    cdrelay = Cdrelay(tmp_path / "home")
    with (cdrelay.home / "settings.toml").open("a") as settings:
        settings.write(f'tls_certificate_file = "{certificate}"\n')
    cdrelay.address = cdrelay.address.replace("http:", "https:")
    context = trusting(certificate)
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
    urllib.request.install_opener(opener)
    try:
        cdrelay.start("serve", "--roles", "collector")
        assert cdrelay.get("/healthz") is not None
    finally:
        urllib.request.install_opener(urllib.request.build_opener())
        cdrelay.stop()


def test_a_process_with_a_wrong_key_says_so_and_does_not_start(tmp_path: Path) -> None:
    found, cdrelay = files(tmp_path / "pem"), Cdrelay(tmp_path / "home")
    with (cdrelay.home / "settings.toml").open("a") as settings:
        settings.write(f'tls_certificate_file = "{found["certificate"]}"\ntls_key_file = "{found["other_key"]}"\n')
    assert cdrelay.run("serve", status=1) == ""


# --- reverse proxies ---


async def test_a_trusted_proxy_is_believed_for_whom_it_speaks() -> None:
    async with serving(app(), front=Front(trusted_proxies="10.0.0.0/8, 127.0.0.1")) as address:
        told = await who(address, X_Forwarded_For="203.0.113.7", X_Forwarded_Proto="https")
        forged = await who(address, X_Forwarded_For="198.51.100.1, 203.0.113.7, 10.1.2.3")
    assert told == {"host": "203.0.113.7", "scheme": "https"}
    assert forged["host"] == "203.0.113.7"  # what the client itself put in front is not believed


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8"])
async def test_nobody_else_is(trusted: str) -> None:
    async with serving(app(), front=Front(trusted_proxies=trusted)) as address:
        told = await who(address, X_Forwarded_For="203.0.113.7", X_Forwarded_Proto="https")
    assert told == {"host": "127.0.0.1", "scheme": "http"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("TRUSTED_PROXIES", "*"), ("TRUSTED_PROXIES", "proxy"), ("TLS_KEY_FILE", "k"), ("ANSWER_WHEN", "x")],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingError, match=r"trusted_proxies|tls_certificate_file|answer_when"):
        read_settings({"CDRELAY_HOME": str(tmp_path), f"CDRELAY_{name}": value})
