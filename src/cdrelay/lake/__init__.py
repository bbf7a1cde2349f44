"""Where records are stored: the spool and its loader, the Delta table, and all questions to it.

All of DuckDB and delta-rs is in here; both halves store through it.
"""
