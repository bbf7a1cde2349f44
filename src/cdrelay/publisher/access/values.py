"""What may be an e-mail address and a name of those who get access, and a label of what gives it. Pure."""

import re
import string

from cdrelay.publisher.errors import AdministratorRefused, EntryRefused, PublisherError

EMAIL_PATTERN = r"^[^\s@\x00-\x1f\x7f-\x9f\ufeff]{1,64}@[^\s@\x00-\x1f\x7f-\x9f\ufeff]{1,189}$"
LONGEST_LABEL = 100
_LONGEST_NAME = 200
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def folded(email: str) -> str:
    """In one case, by ASCII alone: the small form of the Kelvin sign is an ASCII letter, too."""
    return email.strip().translate(_SMALL)


def fit_email(email: str) -> str:
    """As it is stored. Raises AdministratorRefused."""
    fitted = folded(email)
    if not re.match(EMAIL_PATTERN, fitted):
        raise AdministratorRefused("email: must be an e-mail address, such as ada@example.com")
    return fitted


def fit_name(name: str, refusal: type[PublisherError]) -> str:
    """As it is stored. Raises `refusal`."""
    fitted = name.strip()
    if not fitted or len(fitted) > _LONGEST_NAME or not fitted.isprintable():
        raise refusal(f"name: must have 1 to {_LONGEST_NAME} printable characters")
    return fitted


def fit_label(label: str) -> str:
    """As it is stored; it may be empty. Raises EntryRefused."""
    fitted = label.strip()
    if len(fitted) > LONGEST_LABEL or not fitted.isprintable():
        raise EntryRefused("label", f"must have at most {LONGEST_LABEL} printable characters")
    return fitted
