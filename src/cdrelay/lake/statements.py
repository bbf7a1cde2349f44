"""The SQL of the lake lies in .sql files as named statements; this hands them out with their pieces filled in."""

import re
from functools import cache
from importlib.resources import files

from cdrelay.lake.schema import DOCUMENTED, FRAGMENTS, Columns, literals

_KEY = re.compile(r"[.]k(\d+)[.]parquet$")


@cache
def _statements() -> dict[str, str]:
    found = {}
    for file in sorted((files("cdrelay.lake") / "sql").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".sql"):
            for block in file.read_text("utf-8").split("-- name: ")[1:]:
                name, _, text = block.partition("\n")
                found[name.strip()] = text.strip().rstrip(";")
    return found


def key_of(path: str) -> int | None:
    """The number of the key that a file is encrypted with, as its name says; None for a plain one."""
    match = _KEY.search(path)
    return int(match[1]) if match else None


def _rows(parquet: list[str], columns: Columns, located: bool) -> str:
    """What reads these files: plain ones, those of each key, and those from before a key was given a column."""
    if not parquet:
        return f"(SELECT {columns.fragments['nothing']}, '' AS filename LIMIT 0)"
    options = (", filename = true" if located else "") + (", union_by_name = true" if columns.promoted else "")
    by_key: dict[int | None, list[str]] = {}
    for path in parquet:
        by_key.setdefault(key_of(path), []).append(path)
    reading = [_reading(literals(paths) + options, key) for key, paths in by_key.items()]
    if columns.promoted:
        reading.append(f"(SELECT {columns.fragments['nothing']} LIMIT 0)")
    return reading[0] if len(reading) == 1 else f"({' UNION ALL BY NAME '.join(f'FROM {one}' for one in reading)})"


def _reading(files: str, key: int | None) -> str:
    if key is None:
        return f"read_parquet({files})"
    # OFFSET keeps conditions out of the reader: the engine (2.0.0) fails with "Computed AES tag differs" where it
    # applies one while it decrypts.
    return f"(FROM read_parquet({files}, encryption_config = {{footer_key: 'k{key}'}}) OFFSET 0)"


def statement(name: str, *, parquet: list[str] | None = None, columns: Columns | None = None, **pieces: str) -> str:
    """The statement of that name. `parquet` are the files it reads; the other pieces are our own SQL.

    It reads them as `{{rows}}`, or as `{{located_rows}}`, where the column `filename` says in which file a row lies.

    `columns` are those of the table (`RecordTable.columns`). Without them a statement can read documented columns by
    their names, and nothing else: one that carries whole rows must not lose what was promoted.
    Raises KeyError for a name or a piece that does not exist.
    """
    if parquet is not None:
        pieces["rows"] = _rows(parquet, columns or DOCUMENTED, located=False)
        pieces["located_rows"] = _rows(parquet, columns or DOCUMENTED, located=True)
    known = FRAGMENTS | (columns.fragments if columns else {}) | pieces
    return re.sub(r"\{\{(\w+)\}\}", lambda match: known[match[1]], _statements()[name])
