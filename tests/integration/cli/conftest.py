import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """As it was: the entry of the commands sends it to the stderr of its run, which is closed afterwards."""
    former, handlers = structlog.get_config(), list(logging.root.handlers)
    yield
    structlog.configure(**former)
    logging.root.handlers[:] = handlers
