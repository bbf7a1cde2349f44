"""Callbacks whose certificates an authority of the company's own vouches for."""

from pathlib import Path

import pytest
from fastapi import FastAPI, Response

from cdrelay.callbacks.bodies import PackedBody
from cdrelay.callbacks.client import CallbackClient, CallbackLimits, trusted_authorities
from cdrelay.callbacks.retry import Answered, NotReached
from cdrelay.settings import SettingError, read_settings
from cdrelay.wiring import assemble, open_foundation
from tests.support.authority import Authority, make_authority
from tests.support.server import serving

LIMITS = CallbackLimits(5, 10, allow_private=True)
BODY = PackedBody.pack(b"{}")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One of the company's own."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def listener() -> FastAPI:
    """Takes everything."""
    app = FastAPI()
    app.add_api_route("/", lambda: Response(status_code=204), methods=["POST"])
    return app


async def test_a_callback_is_trusted_by_the_authority_that_is_set(authority: Authority, listener: FastAPI) -> None:
    async with serving(listener, authority.certificate) as address:
        async with CallbackClient(LIMITS, trust=trusted_authorities(authority.ca_file)) as client:
            assert await client.post(f"{address}/", {}, BODY) == Answered(204)
        async with CallbackClient(LIMITS) as client:
            outcome = await client.post(f"{address}/", {}, BODY)
    assert isinstance(outcome, NotReached)
    assert "certificate is not trusted" in outcome.reason


async def test_the_name_is_verified_too(authority: Authority, listener: FastAPI) -> None:
    async with serving(listener, authority.certificate) as address:
        port = address.rpartition(":")[2]
        async with CallbackClient(LIMITS, trust=trusted_authorities(authority.ca_file)) as client:
            outcome = await client.post(f"https://localhost:{port}/", {}, BODY)
    assert isinstance(outcome, NotReached)
    assert "certificate is not trusted" in outcome.reason


def test_the_authorities_of_the_system_stay_trusted(authority: Authority) -> None:
    both, system = trusted_authorities(authority.ca_file).get_ca_certs(), trusted_authorities().get_ca_certs()
    assert len(both) == len(system) + 1


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_file_that_is_missing_or_holds_none_is_said_at_the_start(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    foundation = open_foundation(read_settings({}, home=tmp_path / "home", callback_ca_file=str(file)))
    try:
        with pytest.raises(SettingError, match=r"callback_ca_file: .*ca\.pem"):
            assemble(foundation, frozenset({"publisher"}))
    finally:
        foundation.close()
