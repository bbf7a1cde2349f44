"""The signature is over the bytes as they came (TRAPS 14); vectors of FACTS 1.4."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdrelay.contract.signature import Verifier, sign, sign_sha256, verify

BODY, SECRET = b'{"items":[]}', "example-secret"
SIGNATURE = "e74814f66b6a7aebb5429ebdb1558138d788dc20"


@pytest.mark.parametrize(
    ("secret", "body", "signature"),
    [
        ("myBongoSecret", b'{"a":1,"b":2,"c":{"d":3}}', "01e0cb6a53731b9615b483335d77d97023410c72"),
        (SECRET, BODY, SIGNATURE),
    ],
)
def test_the_published_vectors_come_out(secret: str, body: bytes, signature: str) -> None:
    assert sign(secret, body) == signature


def test_the_sha256_vector_comes_out_and_is_verified() -> None:
    signature = "d66aaa5acd50e0e3746f431e3acbc6b72abe11efe057f6c30f3506849dc89d84"
    assert sign_sha256(SECRET, BODY) == signature
    assert verify([SECRET], BODY, signature, "sha256")
    assert not verify([SECRET], BODY, signature)
    assert not verify([SECRET], BODY, SIGNATURE, "sha256")
    assert not verify([SECRET], BODY, None, "sha256")


def test_what_is_signed_is_verified() -> None:
    assert verify([SECRET], BODY, SIGNATURE)


@pytest.mark.parametrize("signature", [SIGNATURE.upper(), f" {SIGNATURE} "])
def test_upper_case_and_blanks_around_it_are_the_same_number(signature: str) -> None:
    assert verify([SECRET], BODY, signature)


@pytest.mark.parametrize("body", [BODY + b"\n", b'{"items": []}', b'{"items":[]', b""])
def test_other_bytes_of_the_same_meaning_are_not_verified(body: bytes) -> None:
    assert not verify([SECRET], body, SIGNATURE)


@pytest.mark.parametrize(
    "signature", [None, "", SIGNATURE[:-1], SIGNATURE + "0", "sha1=" + SIGNATURE, "0" * 40, "é" * 40, "\ud800"]
)
def test_a_missing_or_different_signature_is_not_accepted(signature: str | None) -> None:
    assert not verify([SECRET], BODY, signature)


@pytest.mark.parametrize("used", [0, 1])
def test_both_secrets_of_a_rotation_are_valid(used: int) -> None:
    secrets = ["the new one", "the old one"]
    assert verify(secrets, BODY, sign(secrets[used], BODY))


def test_a_secret_that_was_rotated_away_is_not_valid() -> None:
    assert not verify(["the new one", "the old one"], BODY, sign("the oldest one", BODY))


@pytest.mark.parametrize("signature", [None, "", "anything"])
def test_without_a_secret_nothing_is_verified(signature: str | None) -> None:
    assert verify([], BODY, signature)


@given(st.lists(st.binary(max_size=40)), st.text(min_size=1, max_size=20))
def test_a_body_in_pieces_has_the_signature_of_the_whole(pieces: list[bytes], secret: str) -> None:
    verifier = Verifier([secret])
    for piece in pieces:
        verifier.update(memoryview(piece))
    assert verifier.accepts(hmac.new(secret.encode(), b"".join(pieces), "sha1").hexdigest())
