"""The numbers of the contract in one value, so that compressed time and tests run the same code."""

import math
from dataclasses import dataclass, replace
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RequestRate:
    """How often a token may ask one endpoint."""

    requests: int = 0
    """In `period`; 0 is no limit. For the partner endpoints none is published (FACTS 2.3)."""
    period: timedelta = timedelta(minutes=1)


NO_LIMIT = RequestRate()


@dataclass(frozen=True, slots=True)
class Rules:
    """The contract's numbers, with the seed's values as defaults."""

    tick: timedelta = timedelta(minutes=5)
    """One delivery every so often, on wall-clock multiples (seed; FACTS 1.1)."""
    settle: timedelta = timedelta(minutes=5)
    """How long after its end a call rests before it is delivered or can be asked for (seed)."""
    reach: timedelta = timedelta(hours=48)
    """How long after its end a call can be asked for and is still delivered (seed)."""
    count_span: timedelta = timedelta(minutes=60)
    """The longest period one question for counts may cover (seed); also the size of a ledger window."""
    organizations_per_page: int = 200
    """Organizations on one page of counts (seed)."""
    records_per_post: int = 5_000
    """Most records in one delivery; more become several parts (FACTS 1.3: the page size of the sibling APIs)."""

    def compressed(self, factor: float) -> "Rules":
        """The same contract with every duration divided by `factor`: 60 makes 5 minutes 5 seconds.

        Raises ValueError unless the durations stay whole multiples of one millisecond, the unit of the wire.
        """
        if not 0 < factor < math.inf:
            raise ValueError("the factor of compressed time must be a positive number")
        try:
            scaled = {name: getattr(self, name) / factor for name in ("tick", "settle", "reach", "count_span")}
        except OverflowError:
            raise ValueError(f"a factor of {factor:g} leaves durations that are too long") from None
        if any(value % timedelta(milliseconds=1) or not value for value in scaled.values()):
            raise ValueError(f"a factor of {factor:g} leaves durations that are no whole milliseconds")
        return replace(self, **scaled)
