"""What holds for all tests.

Files with slow tests come first: what is left in the end is short, and no worker waits long for the others.
"""

from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

# How long one example takes says how busy the machine is, and no more.
settings.register_profile("cdrelay", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cdrelay")

_SLOW, _OTHER = 120.0, 0.25
"""Seconds that a slow test counts as where it has no time limit of its own, and any other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    weights = Counter[str]()
    for item in items:
        limit = item.get_closest_marker("timeout")
        slow = limit.args[0] if limit and limit.args else _SLOW
        weights[str(item.path)] += slow if item.get_closest_marker("slow") else _OTHER
    items.sort(key=lambda item: -weights[str(item.path)])
