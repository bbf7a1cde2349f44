"""Words of others on a page that needs no sign-in, such as why a provider refused: they may name a person. Pure."""

import re

WITHHELD = "(withheld)"

_ADDRESS = r"[^\s@<>\"'`(),;:]+@[^\s@<>\"'`(),;:]+"
_WITH_PLUS = r"\+\d[\d ().-]{4,}\d"
# Not within an id; what is shorter may be a count, and what is longer is no number that can be called.
_DIGITS = r"(?<![\w.,-])\d{9,15}(?![\w.,-])"
_PERSONAL = re.compile(f"{_ADDRESS}|{_WITH_PLUS}|{_DIGITS}", re.ASCII)


def impersonal(text: str) -> str:
    """The same with `WITHHELD` for what looks like an e-mail or SIP address, or a phone number. It knows no names."""
    return _PERSONAL.sub(WITHHELD, text)
