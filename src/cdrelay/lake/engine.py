"""DuckDB as this project runs it: in memory, bounded, in UTC, without the network."""

from dataclasses import dataclass
from pathlib import Path

import duckdb


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What one engine may use."""

    memory_megabytes: int = 384
    threads: int = 2


def open_engine(limits: EngineLimits, scratch: Path) -> duckdb.DuckDBPyConnection:
    """An engine of its own; take a cursor for each query. What does not fit its memory goes to `scratch`."""
    scratch.mkdir(parents=True, exist_ok=True)
    engine = duckdb.connect(
        ":memory:",
        config={
            "threads": limits.threads,
            "memory_limit": f"{limits.memory_megabytes}MB",
            "temp_directory": str(scratch),
            # Order is asked for where it matters; keeping it elsewhere costs memory.
            "preserve_insertion_order": False,
            # A lot of large records is more than 2 GB of text.
            "arrow_large_buffer_size": True,
            # Nothing is downloaded at run time: what is needed is built in.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    engine.execute("SET GLOBAL TimeZone = 'UTC'")
    # Footers are not remembered (parquet_metadata_cache), though files never change: each takes 0.1 MB of the engine's
    # memory, also when its file is long gone, until nothing is left for loads. Reading one takes 0.3 ms.
    return engine
