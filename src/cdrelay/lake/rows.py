"""Rows out of the engine, some at a time, and records of them as wire JSON."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from cdrelay.records.wire import decode_object, encode_object, with_extra

_ROWS_AT_ONCE = 2048


def rows_of(
    engine: duckdb.DuckDBPyConnection,
    text: str,
    parameters: Mapping[str, Any],
    tables: Mapping[str, pa.Table] | None = None,
) -> Iterator[tuple[Any, ...]]:
    """The rows of a statement, on a cursor of their own; `tables` are there by name while it runs."""
    with _cursor(engine, tables) as cursor:
        cursor.execute(text, dict(parameters))
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            yield from rows


def records_of(
    engine: duckdb.DuckDBPyConnection,
    text: str,
    parameters: Mapping[str, Any],
    tables: Mapping[str, pa.Table] | None = None,
) -> Iterator[list[tuple[Any, ...]]]:
    """The same, some at a time, of a statement that ends with what `{{wire}}` gives: that becomes one value, the record
    as the JSON text of the wire. Raises what the engine raises.
    """
    for keys, texts in columns_of(engine, text, parameters, tables):
        yield list(zip(*(key.to_pylist() for key in keys), each_of(texts), strict=True))


def columns_of(
    engine: duckdb.DuckDBPyConnection,
    text: str,
    parameters: Mapping[str, Any],
    tables: Mapping[str, pa.Table] | None = None,
) -> Iterator[tuple[list[pa.Array], pa.Array]]:
    """The same as columns: those before the record, and the records as large binaries.

    They come as Arrow, because making strings of the texts and bytes of these would cost as much as all else that is
    done with them.
    """
    with _cursor(engine, tables) as cursor, _arrow_errors_as_the_engines():
        for batch in cursor.sql(text, params=dict(parameters)).to_arrow_reader(_ROWS_AT_ONCE):
            *keys, texts, extras, promoted = batch.columns
            yield keys, _records(texts, extras, promoted)


@contextmanager
def _cursor(
    engine: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table] | None
) -> Iterator[duckdb.DuckDBPyConnection]:
    cursor = engine.cursor()
    try:
        for name, table in (tables or {}).items():
            cursor.register(name, table)
        yield cursor
    finally:
        cursor.close()


@contextmanager
def _arrow_errors_as_the_engines() -> Iterator[None]:
    """What fails while a result is handed on comes out of Arrow, as text."""
    try:
        yield
    except OSError as error:
        if "Out of Memory" in str(error):
            raise duckdb.OutOfMemoryException(str(error)) from error
        raise


def _records(texts: pa.Array, extras: pa.Array, promoted: pa.Array) -> pa.Array:
    if extras.null_count == promoted.null_count == len(texts):
        return texts.view(pa.large_binary())
    beside = zip(texts.to_pylist(), extras.to_pylist(), promoted.to_pylist(), strict=True)
    return pa.array([as_wire(text, extra, values) for text, extra, values in beside], pa.large_binary())


def places_of(texts: pa.Array) -> tuple[list[int], memoryview]:
    """Where each of some large binaries starts in the bytes of all, and where the last ends, and these bytes.

    None of them is null.
    """
    _, offsets, data = texts.buffers()
    places = memoryview(offsets).cast("q")[texts.offset : texts.offset + len(texts) + 1]
    return places.tolist(), memoryview(data)


def each_of(texts: pa.Array) -> Iterator[bytes]:
    """Some large binaries, one after the other; none of them is null."""
    places, data = places_of(texts)
    return (data[start:end].tobytes() for start, end in pairwise(places))


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
