"""What is wrong with an entry of the directory is said in our words, whatever is wrong."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from cdrelay.publisher.directory.row_rules import first_problem
from cdrelay.publisher.directory.rows import ROWS
from cdrelay.publisher.directory_api import models

ORG = "41e2a389-fd3e-5b1c-b6ba-53ba7d840c96"
WRONG: list[Any] = [
    None,
    "",
    " ",
    "x" * 1_000,
    "a\nb",
    "\x00",
    7,
    7.5,
    -1,
    10**30,
    True,
    [],
    {},
    [None],
    ["x"],
    "ü",
    "2026",
]
_THERE = [one for one in vars(models).values() if isinstance(one, type) and issubclass(one, BaseModel)]
_ASKED = [one for one in _THERE if one.__module__ == models.__name__ and "Answer" not in one.__name__]
MODELS = [*ROWS.values(), *_ASKED]


def problem(model: type[BaseModel], given: object) -> tuple[str, str] | None:
    try:
        model.model_validate(given)
    except ValidationError as error:
        return first_problem(error)
    return None


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_nobody_is_told_in_the_words_of_the_library(model: type[BaseModel]) -> None:
    names = [info.alias or name for name, info in model.model_fields.items()]
    tried = [{name: value} for name in names for value in WRONG] + [{"nobody knows it": 1}, {}, [], "text", 7]
    said = {told for given in tried if (told := problem(model, given)) is not None}
    for name, rule in said:
        assert rule.startswith(("must ", "there is no ", "'")), (name, rule)
        assert "{" not in rule
    bodies = ["", "{", "[]", "7", json.dumps({names[0]: "\ud800"})] if names else []
    for body in bodies:
        with pytest.raises(ValidationError) as raised:
            model.model_validate_json(body.encode("utf-8", "surrogatepass"))
        assert first_problem(raised.value)[1].startswith("must ")


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("relations", {}, ("partnerId", "must be given")),
        ("partners", {"name": "One", "nam": "Two"}, ("nam", "there is no such field")),
        ("relations", {"partnerId": "p", "orgId": ORG, "kind": "x"}, ("kind", "must be 'managed' or 'subscription'")),
        ("relations", {"partnerId": "", "orgId": ORG}, ("partnerId", "must have at least 1 characters")),
        ("partners", {"name": ""}, ("name", "must have 1 to 200 characters that can be seen, on one line")),
        ("organizations", {"orgId": 7}, ("orgId", f"must be a UUID, such as {ORG}")),
        ("partners", [], ("the row", "must be an object with fields")),
    ],
)  # fmt: skip
def test_the_field_and_its_rule_are_named(kind: str, given: object, said: tuple[str, str]) -> None:
    assert problem(ROWS[kind], given) == said  # type: ignore[index]
