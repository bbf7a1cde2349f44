"""Spreading: one window of 100,000 records, cut and built for 1, 100 and 10,000 partners.

The window is read in one pass, however many partners there are: what grows is one body and one row for each. The cost
at 10,000 partners, each of whom has a file made durable, is set against that of one partner.
"""

from pathlib import Path

from bench.measure import Measure, stopwatch
from bench.publishing import open_filled

RECORDS = 100_000
PARTNERS = (1, 100, 10_000)


def run(scratch: Path) -> list[Measure]:
    """A tick at each number of partners."""
    seconds = {}
    for partners in PARTNERS:
        foundation, parts = open_filled(scratch / str(partners), RECORDS, partners, "https://127.0.0.1:1/")
        with stopwatch() as elapsed:
            report = parts.ticker.tick_once()
            seconds[partners] = elapsed()
        assert report.failures == 0
        assert sum(one.records for one in parts.outbox.latest(RECORDS)) == RECORDS
        foundation.close()
    figures = ", ".join(f"{seconds[partners]:.2f} s for {partners:,}" for partners in PARTNERS)
    return [
        Measure(
            f"a window of {RECORDS:,} records for 10,000 partners as against one",
            f"{figures} partners",
            seconds[PARTNERS[-1]] / seconds[1],
            10,
            "at most",
        )
    ]
