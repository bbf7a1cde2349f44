"""The SQL of the lake lies in .sql files as named statements; this hands them out with their pieces filled in."""

import re
from functools import cache
from importlib.resources import files

from cdrelay.lake.schema import FRAGMENTS, literals


@cache
def _statements() -> dict[str, str]:
    found = {}
    for file in sorted((files("cdrelay.lake") / "sql").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".sql"):
            for block in file.read_text("utf-8").split("-- name: ")[1:]:
                name, _, text = block.partition("\n")
                found[name.strip()] = text.strip().rstrip(";")
    return found


def statement(name: str, *, parquet: list[str] | None = None, **pieces: str) -> str:
    """The statement of that name. `parquet` are the files it reads as `{{rows}}`; the other pieces are our own SQL.

    Raises KeyError for a name or a piece that does not exist.
    """
    if parquet is not None:
        pieces["rows"] = f"read_parquet({literals(parquet)})" if parquet else f"(SELECT {FRAGMENTS['nothing']} LIMIT 0)"
    known = FRAGMENTS | pieces
    return re.sub(r"\{\{(\w+)\}\}", lambda match: known[match[1]], _statements()[name])
