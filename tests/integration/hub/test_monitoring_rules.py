"""The rules for Prometheus among the examples speak of metrics and pages that there are."""

import re
from pathlib import Path

from tests.integration.hub.conftest import Served

DOCS = Path(__file__).parents[3] / "docs"
RULES = (DOCS / "examples" / "prometheus-rules.yml").read_text()


async def test_every_metric_and_state_is_there(served: Served) -> None:
    assert served.running.publisher is not None
    served.running.publisher.ticker.tick_once()
    text = (await served.get("/metrics")).text
    there = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))

    asked = set(re.findall(r"cdrelay_[a-z_]+", RULES))

    assert asked - there == set()
    assert len(asked) >= 8
    for labelled in re.findall(r"cdrelay_[a-z_]+{[^}]+}", RULES):
        assert f"{labelled} " in text


def test_every_page_is_there() -> None:
    pages = set(re.findall(r"page: ([a-zA-Z-]+\.md)", RULES))

    assert len(pages) >= 6
    assert [page for page in pages if not (DOCS / "operations" / page).is_file()] == []
