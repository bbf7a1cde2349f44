"""What the tests of synthetic calls start from."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from cdrelay.traffic.lines import Switchboard
from cdrelay.traffic.mix import KINDS
from cdrelay.traffic.organizations import Organization, build_organizations

END = 1_772_460_221_223  # 2026-03-02T14:03:41.223Z
CallMaker = Callable[[str, int], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def organization() -> Organization:
    """The largest of a few, so that it has every kind of service."""
    return max(build_organizations(7, 20), key=lambda each: len(each.users))


@pytest.fixture(scope="session")
def make_call(organization: Organization) -> CallMaker:
    """Makes the call of a kind for a seed and returns its records, read."""
    board = Switchboard(organization)
    makers = {kind.name: kind.make for kind in KINDS}

    def make(kind: str, seed: int) -> list[dict[str, Any]]:
        return [json.loads(record) for record in makers[kind](board, END, Random(seed))]

    return make
