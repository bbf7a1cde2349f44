import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdrelay.contract.organization_ids import encoded_organization_id, organization_uuid

UUID = "5c0f1b52-6c1e-4c6a-9d43-0b7f2f1d9a10"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ENCODED = _base64(f"ciscospark://us/ORGANIZATION/{UUID}")


@pytest.mark.parametrize(
    "text",
    [
        UUID,
        UUID.upper(),
        f" {UUID}\n",
        ENCODED,
        ENCODED.rstrip("="),
        f"{ENCODED} ",
        _base64(f"ciscospark://eu-central-1_k/ORGANIZATION/{UUID.upper()}"),
        _base64(UUID),
        _base64(UUID).rstrip("="),
    ],
)
def test_every_form_names_the_same_organization(text: str) -> None:
    assert organization_uuid(text) == UUID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Y",
        UUID.replace("-", ""),
        UUID[:-1],
        f"{{{UUID}}}",
        _base64("ciscospark://us/ORGANIZATION/"),
        _base64(f"{UUID}/PEOPLE"),
        _base64("no organization"),
        ENCODED[:-6],
        "é" * 36,
        "٣" * 8 + UUID[8:],
        "\ud800",
        "x" * 100_000,
    ],
)
def test_other_texts_name_none(text: str) -> None:
    with pytest.raises(ValueError, match="neither a UUID nor an encoded organization id") as refusal:
        organization_uuid(text)
    assert len(str(refusal.value)) < 800


def test_the_encoded_form_has_87_characters_and_no_padding() -> None:
    assert (len(encoded_organization_id(UUID)), encoded_organization_id(UUID)) == (87, ENCODED.rstrip("="))


@given(st.uuids().map(str))
def test_an_encoded_id_is_decoded_to_itself(uuid: str) -> None:
    assert organization_uuid(encoded_organization_id(uuid)) == uuid
