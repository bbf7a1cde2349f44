"""A run: so many rounds in which things go wrong, a quiet time, and then the question what holds."""

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdrelay.contract.windows import ceil_to
from tests.chaos.checking import Held, Violations, check_ledger, check_records, read_held, read_ledger
from tests.chaos.plan import ENOUGH_ROUNDS, KILLS, Fault, never_happened, plan_round
from tests.chaos.watching import Course, Watch, courses, growth, longest_life
from tests.chaos.world import SOURCE, Size, World, running_world

_STALL_ROUNDS = 25
"""A payload that one process has left waiting for so many hangs; see `lake/worker` for the cause that is known."""
_WAITING = 8
_QUIET_SECONDS = 120.0
_PATIENCE_SECONDS = 45.0
_RECONCILIATIONS, _RECONCILIATION_SECONDS = 6, 600.0
_REPORTED = ("short", "repaired", "fetched", "lost", "problem")
"""What a reconciliation says that found anything to do."""


@dataclass(slots=True)
class Outcome:
    """What a run has shown."""

    seed: int
    rounds: int
    compress: float
    own_disk: bool
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    starts: int = 0
    failed_starts: int = 0
    ended_by_itself: int = 0
    stalls: list[int] = field(default_factory=list)
    """Rounds in which a load was found to hang."""
    windows_in_part: int = 0
    """Windows that lost a part while others of theirs came."""
    records: int = 0
    acknowledged: int = 0
    refreshes: int = 0
    """Times that the collector had new tokens."""
    reconciliations: list[dict[str, object]] = field(default_factory=list)
    """What those of the quiet time found to do; the last one nothing, as a rule."""
    hours: Counter[str] = field(default_factory=Counter)
    """Hours of organizations by what the ledger says of them: state and proof."""
    violations: Violations = field(default_factory=Violations)
    growth: list[str] = field(default_factory=list)
    courses: dict[str, Course] = field(default_factory=dict)
    """Of memory, files and control database; empty when the run was too short to say."""
    memory_by_round: list[int] = field(default_factory=list)
    """Of the collector's longest life, in MiB."""

    @property
    def missing(self) -> list[str]:
        """Kinds of trouble that did not happen."""
        return never_happened(self.faults)

    @property
    def holds(self) -> bool:
        """Whether everything that must hold does; that every kind happened, in a run long enough for it."""
        unproved = self.rounds >= ENOUGH_ROUNDS and self.missing
        return not (self.violations or self.growth or self.ended_by_itself or unproved)


async def run(
    folder: Path, seed: int, rounds: int, size: Size, progress: Callable[[int], None] = lambda number: None
) -> Outcome:
    """One run in an empty folder. Raises AssertionError when the world itself does not work."""
    began = time.monotonic()
    async with running_world(folder, seed, size) as world:
        outcome = Outcome(seed, rounds, size.compress, world.disk.own)
        watch = Watch(world.collector.home)
        await _all_rounds(world, outcome, watch, progress)
        await _quieten(world, outcome)
        outcome.faults = sum(
            (one.struck for one in (world.calls, world.deliveries, world.provider, world.machine)), Counter[str]()
        )
        outcome.windows_in_part = world.deliveries.windows_in_part
        outcome.kills = sum(world.machine.struck[kind] for kind in KILLS)
        outcome.starts, outcome.failed_starts = world.machine.starts, world.machine.failed_starts
        outcome.ended_by_itself = world.machine.ended_by_itself
        await _judge(world, outcome, watch)
    outcome.seconds = time.monotonic() - began
    return outcome


async def _all_rounds(world: World, outcome: Outcome, watch: Watch, progress: Callable[[int], None]) -> None:
    tick, start = world.rules.tick, datetime.now(UTC)
    striking: list[asyncio.Task[None]] = []
    first, first_since = ("", 0), 0
    for number in range(outcome.rounds):
        plan = plan_round(outcome.seed, number, outcome.rounds)
        _queue(world.deliveries.faults, plan.deliveries)
        _queue(world.provider.faults, plan.questions)
        striking += [asyncio.create_task(world.machine.strike(fault)) for fault in plan.machine]
        end = start + tick
        await asyncio.sleep((end - datetime.now(UTC)).total_seconds())
        end = max(end, datetime.now(UTC))
        await world.calls.hand_in(world.publisher.address, world.intake_key, number, start, end, burst=plan.burst)
        start = end
        await world.machine.ensure_up()
        await asyncio.to_thread(_look, world, watch, number)
        # Of a process that was killed nobody knows whether it would have gone on.
        waiting = (min(_spooled(world), default=""), world.machine.pid)
        if waiting != first:
            first, first_since = waiting, number
        if first[0] and number - first_since >= _STALL_ROUNDS:
            outcome.stalls.append(number)
            first_since = number
            await world.machine.restart()
        progress(number + 1)
    # A fault that goes wrong itself is an error of the harness, and must not pass for peace.
    await asyncio.gather(*striking)


def _look(world: World, watch: Watch, number: int) -> None:
    publisher = world.publisher.process
    watch.look(number, world.machine.pid, publisher.pid if publisher is not None else None, world.deliveries.taken)


def _queue(waiting: deque[tuple[str, int, float]], faults: Sequence[Fault]) -> None:
    """Let faults strike from now on; those that found nothing to strike are forgotten when there are many."""
    waiting.extend((one.kind, one.times, one.detail) for one in faults)
    while len(waiting) > _WAITING:
        waiting.popleft()


async def _quieten(world: World, outcome: Outcome) -> None:
    """No more trouble: let all deliveries come, the last hour end and be due, and what is due be compared."""
    world.provider.settle()
    await world.deliveries.settle()
    await world.machine.ensure_up()
    rules, now = world.rules, datetime.now(UTC)
    due = ceil_to(now, rules.count_span) + rules.settle + rules.tick + rules.tick / 5 + timedelta(seconds=1)
    await _until(lambda: _pending(world) == 0, "all deliveries are made")
    await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
    if not await _comes_to_hold(lambda: not _spooled(world), _PATIENCE_SECONDS):
        outcome.stalls.append(outcome.rounds)
        await world.machine.restart()
    await _until(lambda: not _spooled(world), "all is loaded")
    idle = 0
    for _ in range(_RECONCILIATIONS):
        said = await asyncio.to_thread(
            world.collector.run, "reconcile", SOURCE, "--json", status=None, seconds=_RECONCILIATION_SECONDS
        )
        # It says nothing when it fails as a whole; what for is in its log and among the incidents.
        report = json.loads(said)[0] if said else dict.fromkeys(_REPORTED, "failed")
        outcome.reconciliations.append({name: report[name] for name in _REPORTED})
        # Twice: what the server's own run fetches meanwhile changes hours that were compared already.
        idle = 0 if any(report[name] for name in _REPORTED) else idle + 1
        if idle == 2:
            break
    await _until(lambda: not _spooled(world), "what was fetched is loaded")


def _spooled(world: World) -> list[str]:
    """The payloads that wait; the name of the first sorts first."""
    return [path.name for path in (world.collector.home / "collector" / "spool").glob("*.payload")]


def _pending(world: World) -> int:
    status = world.publisher.status().get("publisher") or {}
    return int(status.get("deliveries", {}).get("pending", 1))


async def _until(holds: Callable[[], bool], what: str) -> None:
    if not await _comes_to_hold(holds, _QUIET_SECONDS):
        raise AssertionError(f"not within {_QUIET_SECONDS:g} s of quiet: {what}")


async def _comes_to_hold(holds: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not await asyncio.to_thread(holds):
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.3)
    return True


async def _judge(world: World, outcome: Outcome, watch: Watch) -> None:
    """Stop both, so that nothing changes any more, and compare."""
    await asyncio.to_thread(_look, world, watch, outcome.rounds)
    for one in (world.collector, world.publisher):
        await asyncio.to_thread(one.stop)
    given = await asyncio.to_thread(read_held, world.publisher.home, "publisher")
    stored = await asyncio.to_thread(read_held, world.collector.home, "collector")
    rows = await asyncio.to_thread(read_ledger, world.collector.home)
    outcome.violations = check_records(given, stored, world.deliveries.acknowledged)
    outcome.violations.ledger = check_ledger(rows, given, world.rules.count_span)
    outcome.violations.lost += _not_held(given, world)
    outcome.records, outcome.acknowledged = len(stored.records), len(world.deliveries.acknowledged)
    outcome.refreshes = world.provider.refreshes
    outcome.hours = Counter(f"{row.state} by {row.proof}" for row in rows)
    outcome.growth = growth(watch.samples, outcome.faults["record spoiled"])
    outcome.courses = courses(watch.samples)
    outcome.memory_by_round = [int(size) // 2**20 for size in longest_life(watch.samples)]


def _not_held(given: Held, world: World) -> list[tuple[str, str]]:
    """What was handed in and acknowledged, and the publisher does not hold: the comparison would not miss it."""
    truth = given.by_key
    return [key for key in world.calls.acknowledged if key not in truth]
