"""How far a moment is from another, as a person says it. Pure."""

from datetime import datetime, timedelta

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def relative(moment: datetime, now: datetime) -> str:
    """`in 4 hours 53 minutes`, `36 minutes ago`, `now`. Rounded down: what is left is never said to be more."""
    away = abs(moment - now)
    if away < timedelta(seconds=1):
        return "now"
    words = _in_words(away)
    return f"in {words}" if moment > now else f"{words} ago"


def _in_words(span: timedelta) -> str:
    if span < _MINUTE:
        return _counted(span.seconds, "second")
    if span < _HOUR:
        return _counted(span // _MINUTE, "minute")
    if span < 2 * _DAY:
        minutes = span % _HOUR // _MINUTE
        return _counted(span // _HOUR, "hour") + (f" {_counted(minutes, 'minute')}" if minutes else "")
    return _counted(span // _DAY, "day")


def _counted(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
