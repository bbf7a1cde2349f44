"""The OpenAPI document of all roles, for readers: what `/openapi.json` says with the default settings."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cdrelay.settings import read_settings
from cdrelay.wiring import assemble, open_foundation


@cache
def openapi_page() -> str:
    """As JSON text. The app is put together on a home folder that is thrown away."""
    with TemporaryDirectory() as folder:
        foundation = open_foundation(read_settings({}, home=Path(folder)))
        try:
            document = assemble(foundation, frozenset({"publisher", "collector", "hub"})).app.openapi()
        finally:
            foundation.close()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
