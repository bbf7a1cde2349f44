"""PKCE, with the example of RFC 7636, appendix B."""

import pytest

from cdrelay.contract.pkce import is_pkce_text, s256_challenge

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


def test_the_example_of_the_standard() -> None:
    assert s256_challenge(VERIFIER) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize("text", ["a" * 43, "a" * 128, "-._~" * 11])
def test_what_has_the_form(text: str) -> None:
    assert is_pkce_text(text)


@pytest.mark.parametrize("text", ["", "a" * 42, "a" * 129, "a" * 42 + "=", "a" * 42 + "ä", "a" * 43 + "\n"])
def test_what_has_not(text: str) -> None:
    assert not is_pkce_text(text)
