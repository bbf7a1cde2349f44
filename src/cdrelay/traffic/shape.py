"""How busy an hour is: working days are full around ten and three, nights and weekends nearly empty."""

from math import sqrt
from random import Random

_BY_HOUR = (
    0.03, 0.02, 0.02, 0.02, 0.03, 0.05, 0.12, 0.30, 0.65, 0.90, 1.00, 1.00,
    0.75, 0.70, 0.90, 0.95, 0.80, 0.55, 0.30, 0.20, 0.14, 0.10, 0.06, 0.04,
)  # fmt: skip
"""Share of the busiest hour's rate at the start of each hour, UTC."""
_WEEKEND = 0.15
_MOSTLY_EXACT = 60.0


def factor(second: int) -> float:
    """Share of the busiest hour's rate, above 0 and up to 1, in a second counted from 1970 in UTC."""
    hour, within = divmod(second % 86_400, 3600)
    before, after = _BY_HOUR[hour], _BY_HOUR[(hour + 1) % 24]
    # 1970 began on a Thursday: two days on is Saturday.
    weekday = (second // 86_400 + 3) % 7
    return (before + (after - before) * within / 3600) * (_WEEKEND if weekday >= 5 else 1.0)


def draw_count(rng: Random, mean: float) -> int:
    """How many calls end in a second when `mean` do on average: Poisson, as independent callers make it."""
    if mean > _MOSTLY_EXACT:
        # Counting one by one costs by the count; above sixty the bell curve is as good.
        return max(0, round(rng.gauss(mean, sqrt(mean))))
    count, waited = 0, rng.expovariate(1.0)
    while waited < mean:
        count, waited = count + 1, waited + rng.expovariate(1.0)
    return count
