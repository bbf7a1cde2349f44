"""When there is an alarm, and what it says. Pure: facts and the moment are passed in.

A source that stopped delivering has one alarm, `source-silent`; `window-missing` is about windows between those that
came. Neither is raised while payloads wait for their load for long, because nothing is known of what is in them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from cdrelay.collector.alarms.facts import ComparedHour, Incomplete, KnownSource
from cdrelay.collector.alarms.kinds import Cause
from cdrelay.collector.comparison import due_until
from cdrelay.collector.drift import DriftRow
from cdrelay.collector.manifests import MissingWindow
from cdrelay.collector.source_settings import in_words
from cdrelay.collector.words import count, duration, ends, moment, size, span
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period, ceil_to, floor_to

LATE_TICKS = 3
"""So many ticks a window may be late: the provider tries again when a delivery fails."""
SILENT_TICKS = 6
"""So many ticks (half an hour of the contract) without a delivery are silence."""
WAITING_TICKS = 2
"""So many ticks a payload may wait for its load."""
PULL_TICKS = 12
"""So many ticks a source may go without being pulled to its end."""
FAILURES = 2
"""So often in a row asking for an hour may fail, and once less is no alarm."""
NEAR_EDGE = 8
"""An eighth of the reach: 6 of 48 hours."""
LOST_REACHES = 3.5
"""For how many reaches, a week of the contract, there is an alarm about what was lost."""
REFRESH_DAYS = timedelta(days=21)
TOKEN_DAYS = timedelta(days=2)
RESERVES = 4
"""The disk is nearly full when less is free than so many times the reserve."""
DRIFT_SHOWN = timedelta(days=1)
_USUAL_GAPS = 2
_NAMED = 5


def window_missing(
    source: KnownSource,
    missing: Sequence[MissingWindow],
    hours: Mapping[datetime, ComparedHour],
    now: datetime,
    rules: Rules,
) -> list[Cause]:
    """Windows that are late, but for those of hours that were compared since, and in which nothing is missing.

    Those after which nothing was delivered are silence.
    """
    late = due_until(now, rules) - LATE_TICKS * rules.tick
    overdue = [one.window for one in missing if one.window.end <= late and not _silence(one, source, rules)]
    gone = [window for window in overdue if not _made_good(window, hours, rules)]
    if not gone:
        return []
    what = f"{count(len(gone), 'window')} of {source.name} did not arrive, or not whole: between {span(gone)}."
    return [Cause("window-missing", source.name, what)]


def _silence(missing: MissingWindow, source: KnownSource, rules: Rules) -> bool:
    """Whether nothing was delivered any more when the window after it was due."""
    return source.delivered_at is None or source.delivered_at < missing.window.end + rules.settle + rules.tick


def _made_good(window: Period, hours: Mapping[datetime, ComparedHour], rules: Rules) -> bool:
    hour = hours.get(floor_to(window.start, rules.count_span))
    if hour is None or hour.compared_at is None or hour.incomplete:
        return False
    return hour.compared_at >= window.end + rules.settle + rules.tick


def source_silent(source: KnownSource, missing: Sequence[MissingWindow], now: datetime, rules: Rules) -> list[Cause]:
    """A source that is not heard from, though there was something to hear, or is longer than it usually is."""
    if source.kind != "webhook":
        return _not_pulled(source, now, rules)
    last = source.delivered_at
    if now - (last or source.created_at) < SILENT_TICKS * rules.tick:
        return []
    if last is None:
        return _never_heard(source)
    if source.counted_since:
        why = f"The provider counts {count(source.counted_since, 'record')} since then."
    elif any(_silence(one, source, rules) for one in missing):
        why = "Every window used to be delivered, also an empty one."
    elif source.usual_gap is not None and now - last > _USUAL_GAPS * source.usual_gap:
        why = f"The longest time between two deliveries in the week before was {duration(source.usual_gap)}."
    else:
        return []
    return [Cause("source-silent", source.name, f"{source.name} has delivered nothing since {moment(last)}. {why}")]


def _never_heard(source: KnownSource) -> list[Cause]:
    if not source.counted_since:
        return []
    counted = f"{count(source.counted_since, 'record')} since {moment(source.created_at)}"
    what = f"No delivery of {source.name} is known. The provider counts {counted}."
    return [Cause("source-silent", source.name, what)]


def _not_pulled(source: KnownSource, now: datetime, rules: Rules) -> list[Cause]:
    since = source.pulled_at or source.created_at
    if now - since < PULL_TICKS * rules.tick:
        return []
    why = f" Lastly: {source.pull_problem}" if source.pull_problem else ""
    return [Cause("source-silent", source.name, f"{source.name} was not read to its end since {moment(since)}.{why}")]


def repair_failed(
    source: str, short: Incomplete | None, hours: Mapping[datetime, ComparedHour], now: datetime, rules: Rules
) -> list[Cause]:
    """What is missing although fetching was tried, and hours that the provider could not be asked about.

    `hours` are those that begin in `asked_lately`. An hour that could not be asked about until it left the reach counts
    until another one can: the provider is as it was, and only the next hour has not failed as often yet.
    """
    said = []
    if short is not None:
        said.append(f"{source}: {_missing(short)} are still missing after they were fetched: {_starts(short)}.")
    # What was asked later was asked before the clock was set back.
    hours = {start: hour for start, hour in hours.items() if hour.tried_at is None or hour.tried_at <= now}
    moments = (hour.compared_at for hour in hours.values() if hour.compared_at is not None)
    compared = max((at for at in moments if at <= now), default=None)
    reach = near_edge(now, rules).start
    failed = {
        start: hour
        for start, hour in hours.items()
        if hour.failures >= FAILURES and (start >= reach or not _asked_since(hour, compared))
    }
    if failed:
        newest = failed[max(failed)]
        lastly = f" Lastly: {newest.problem}" if newest.problem else ""
        since = "" if compared is None or _asked_since(newest, compared) else f" since {moment(compared)}"
        nothing = f" Nothing was compared{since}." if since or compared is None else ""
        said.append(
            f"{source}: asking for counts has failed again and again for {count(len(failed), 'hour')},"
            f" the first from {moment(min(failed))}.{nothing}{lastly}"
        )
    return [Cause("repair-failed", source, " ".join(said))] if said else []


def _asked_since(hour: ComparedHour, compared: datetime | None) -> bool:
    """Whether any hour was compared after that one was tried in vain."""
    return compared is not None and (hour.tried_at is None or compared >= hour.tried_at)


def records_near_edge(
    source: KnownSource,
    short: Incomplete | None,
    hours: Mapping[datetime, ComparedHour],
    now: datetime,
    rules: Rules,
) -> list[Cause]:
    """What is missing in hours that leave the reach soon, and such hours that were never compared.

    `short` is of the hours that begin in `near_edge`; so are `hours`, and others.
    """
    said = []
    if short is not None:
        said.append(f"{source.name}: {_missing(short)} are missing and will soon be out of reach: {_starts(short)}.")
    if source.askable:
        never = [start for start in _hours_of(near_edge(now, rules), rules) if _never_compared(start, source, hours)]
        if never:
            hours_never = f"{count(len(never), 'hour')} from {moment(never[0])}"
            said.append(
                f"{source.name}: {hours_never} were never compared with the provider's counts and will soon be out of"
                " reach."
            )
    return [Cause("records-near-edge", source.name, " ".join(said))] if said else []


def near_edge(now: datetime, rules: Rules) -> Period:
    """Where windows start that leave the reach within 6 hours of the contract, or are just leaving it."""
    edge = now - rules.reach
    return Period(floor_to(edge, rules.count_span), edge + rules.reach / NEAR_EDGE)


def asked_lately(now: datetime, rules: Rules) -> Period:
    """Where hours begin that are asked about, or were until an hour ago."""
    return Period(near_edge(now, rules).start - rules.count_span, now)


def _hours_of(period: Period, rules: Rules) -> list[datetime]:
    start, found = ceil_to(period.start, rules.count_span), []
    while start < period.end:
        found.append(start)
        start += rules.count_span
    return found


def _never_compared(start: datetime, source: KnownSource, hours: Mapping[datetime, ComparedHour]) -> bool:
    hour = hours.get(start)
    return start >= source.created_at and (hour is None or hour.compared_at is None)


def records_lost(source: str, lost: Incomplete | None) -> list[Cause]:
    """What left the reach incomplete; `lost` is of `lately_lost`."""
    if lost is None:
        return []
    what = f"{source}: {_missing(lost)} left the provider's reach and are missing: {_starts(lost)}."
    return [Cause("records-lost", source, what)]


def pull_gap(source: KnownSource, now: datetime, rules: Rules) -> list[Cause]:
    """What could not be pulled any more. Nothing counts what it held, so it is told for a week and no longer."""
    if source.gap is None or source.gap_found_at is None or source.gap_found_at <= now - LOST_REACHES * rules.reach:
        return []
    when = f"from {moment(source.gap.start)} to {moment(source.gap.end)}"
    what = f"Records of {source.name} {when} may be missing: its provider does not give them any more."
    return [Cause("pull-gap", source.name, what)]


def lately_lost(now: datetime, rules: Rules) -> Period:
    """Where windows start of which there is an alarm that they are lost: they left the reach within a week."""
    return Period(now - (1 + LOST_REACHES) * rules.reach, now)


def to_be_repaired(now: datetime, rules: Rules) -> Period:
    """Where windows start that were complete long enough for a repair: still in reach, and over for two ticks."""
    until = due_until(now, rules) - 2 * rules.tick - rules.count_span
    return Period(now - rules.reach, max(until, now - rules.reach + rules.tick))


def token_expiring(source: KnownSource, now: datetime, rules: Rules) -> list[Cause]:
    """Tokens that nobody can refresh any more soon, or that cannot be refreshed already, or that never were there."""
    name, said = source.name, []
    if source.tokenless and now - source.created_at >= SILENT_TICKS * rules.tick:
        said.append(f"there is no token for the provider of {name}, so that nothing is compared and nothing fetched")
    if source.token_problem:
        said.append(f"the tokens of {name} cannot be refreshed: {source.token_problem}")
    if source.refreshable and source.refresh_expires_at and source.refresh_expires_at <= now + REFRESH_DAYS:
        said.append(f"the refresh token of {name} {ends(source.refresh_expires_at, now)}")
    if not source.refreshable and source.token_expires_at and source.token_expires_at <= now + TOKEN_DAYS:
        said.append(f"the access token of {name} {ends(source.token_expires_at, now)}, and there is none to refresh it")
    what = "; ".join(said)
    return [Cause("token-expiring", name, f"{what[0].upper()}{what[1:]}.")] if said else []


def source_unreadable(name: str, unreadable: Sequence[str]) -> list[Cause]:
    """`unreadable` are the secrets and tokens of a source that the key that is there does not open."""
    if not unreadable:
        return []
    closed = ", ".join(in_words(unreadable))
    follows = "Its provider is not asked for anything."
    if {"secret", "previous_secret"} & set(unreadable):
        follows = "Its deliveries are refused with 503, and its provider is not asked for anything."
    what = f"The key that is there does not open what is kept of {name}: its {closed}. {follows}"
    return [Cause("source-unreadable", name, what)]


def disk_full(free: int | None, reserve: int) -> list[Cause]:
    """`free` is None when payloads cannot be taken any more; bytes."""
    if free is None:
        return [Cause("disk-full", "", "No payload can be taken: the disk is full, or the spool cannot be written.")]
    if free < RESERVES * reserve:
        what = f"{size(free)} are free on the disk of the spool; below {size(reserve)} no payload is taken."
        return [Cause("disk-full", "", what)]
    return []


def spool_grows(oldest: datetime | None, now: datetime, rules: Rules) -> list[Cause]:
    """`oldest` is when the payload came that has waited longest."""
    if oldest is None or now - oldest < WAITING_TICKS * rules.tick:
        return []
    return [Cause("spool-grows", "", f"Payloads wait for their load since {moment(oldest)}.")]


def schema_drift(rows: Sequence[DriftRow], now: datetime) -> list[Cause]:
    """What is not as documented and was first seen within the last day, by source."""
    fresh = [row for row in rows if row.first_seen > now - DRIFT_SHOWN]
    causes = []
    for source in sorted({row.source for row in fresh}):
        found = sorted((row for row in fresh if row.source == source), key=lambda row: row.first_seen, reverse=True)
        named = "; ".join(row.what[:120] for row in found[:_NAMED])
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        what = f"Records of {source} are not as documented: {named}{more}. They are stored whole."
        causes.append(Cause("schema-drift", source, what, newest=found[0].first_seen))
    return causes


def upkeep_failed(failing: tuple[datetime, str] | None, now: datetime, rules: Rules) -> list[Cause]:
    """`failing` is since when it failed each time, and why lastly; once is no alarm, an hour of the contract is."""
    if failing is None or now - failing[0] < rules.count_span:
        return []
    what = f"The upkeep of the lake has failed each time since {moment(failing[0])}, lastly with {failing[1]}."
    return [Cause("upkeep-failed", "", what)]


def _missing(windows: Incomplete) -> str:
    return (
        f"{count(windows.records, 'record')} in {count(windows.windows, 'hour')}"
        f" of {count(windows.organizations, 'organization')}"
    )


def _starts(windows: Incomplete) -> str:
    return f"hours from {moment(windows.oldest)} to {moment(windows.newest)}"
