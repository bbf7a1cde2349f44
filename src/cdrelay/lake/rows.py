"""Rows out of the engine, some at a time, and records of them as wire JSON."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from cdrelay.records.wire import decode_object, encode_object, with_extra

_ROWS_AT_ONCE = 2048


def chunks_of(
    engine: duckdb.DuckDBPyConnection,
    text: str,
    parameters: Mapping[str, Any],
    tables: Mapping[str, pa.Table] | None = None,
) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a statement, some at a time, on a cursor of their own; `tables` are there by name while it runs."""
    cursor = engine.cursor()
    try:
        for name, table in (tables or {}).items():
            cursor.register(name, table)
        cursor.execute(text, dict(parameters))
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            yield rows
    finally:
        cursor.close()


def rows_of(
    engine: duckdb.DuckDBPyConnection,
    text: str,
    parameters: Mapping[str, Any],
    tables: Mapping[str, pa.Table] | None = None,
) -> Iterator[tuple[Any, ...]]:
    """The same, one by one."""
    return chain.from_iterable(chunks_of(engine, text, parameters, tables))


def as_wire(text: str, extra: str | None, promoted: str | None) -> bytes:
    """The JSON text of the wire from what `{{wire}}` gives.

    The documented fields as JSON, what fitted no column, and the values of promoted columns by key.
    """
    if extra is None and promoted is None:
        return text.encode()
    beside: dict[str, Any] = {}
    if promoted is not None:
        beside = {key: value for key, value in msgspec.json.decode(promoted).items() if value is not None}
    if extra is not None:
        beside |= decode_object(extra.encode())
    return encode_object(with_extra(msgspec.json.decode(text), beside))
