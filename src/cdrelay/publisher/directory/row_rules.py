"""What a field of an entry must be, in our words: those of the library that looks at it are about its own types."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from cdrelay.publisher.access.values import EMAIL_PATTERN
from cdrelay.publisher.directory.partners import LONGEST_NAME, NAME_PATTERN, REGION_PATTERN

_PATTERNS = {
    NAME_PATTERN: f"must have 1 to {LONGEST_NAME} characters that can be seen, on one line",
    REGION_PATTERN: "must be empty, or 1 to 16 of a-z, 0-9 and -, such as eu",
    EMAIL_PATTERN: "must be an e-mail address, such as alina@example.com",
}
_RULES = {
    "missing": "must be given",
    "extra_forbidden": "there is no such field",
    "string_type": "must be text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_unicode": "must be text in UTF-8",
    "literal_error": "must be {expected}",
    "list_type": "must be a list",
    "too_long": "must have at most {max_length} entries",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number",
    "int_from_float": "must be a whole number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "model_type": "must be an object with fields",
    "json_invalid": "must be JSON: {error}",
}
_ELSE = "is not as the description of the interface says"


def first_problem(error: ValidationError) -> tuple[str, str]:
    """The field and the rule of the first thing that is wrong, without the value, which may be personal."""
    first = error.errors(include_url=False, include_input=False)[0]
    return ".".join(map(str, first["loc"])) or "the row", _rule(first["type"], first["msg"], first.get("ctx", {}))


def _rule(kind: str, said: str, about: Mapping[str, Any]) -> str:
    if kind == "value_error":
        # One of our own readers said it.
        return said.removeprefix("Value error, ")
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(about["pattern"], _ELSE)
    return _RULES.get(kind, _ELSE).format(**about)
