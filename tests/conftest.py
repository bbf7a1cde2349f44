"""Files with slow tests come first: what is left in the end is short, and no worker waits long for the others."""

from collections import Counter

import pytest

_SLOW, _OTHER = 120.0, 0.25
"""Seconds that a slow test counts as where it has no time limit of its own, and any other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    weights = Counter[str]()
    for item in items:
        limit = item.get_closest_marker("timeout")
        slow = limit.args[0] if limit and limit.args else _SLOW
        weights[str(item.path)] += slow if item.get_closest_marker("slow") else _OTHER
    items.sort(key=lambda item: -weights[str(item.path)])
