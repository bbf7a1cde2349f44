"""A collector with a ledger of many organizations, their records, manifests and comparisons, for pages and commands."""

import json
import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import insert

from cdrelay.contract.manifest import digest_of
from cdrelay.control.database import Database
from cdrelay.control.tables import ledger, manifests, reconciliations, sources
from cdrelay.lake.load import Loader
from cdrelay.lake.spool import Channel, Envelope, Spool
from cdrelay.records.values import write_timestamp

HOUR = timedelta(hours=1)
REFUSED = "the provider answered 403: the token lacks a right"


def org(number: int) -> str:
    """The UUID of an organization."""
    return str(uuid5(NAMESPACE_OID, f"organization {number}"))


def records_of(org_uuid: str, start: datetime, count: int, length: timedelta = HOUR) -> list[dict[str, Any]]:
    """So many of an organization, spread over the time from `start` on."""
    found = []
    for number in range(count):
        moment = write_timestamp(start + length * number / count)
        name = str(uuid5(NAMESPACE_OID, f"{org_uuid} {start} {number}"))
        found.append({"Report ID": name, "Org UUID": org_uuid, "Report time": moment, "Release time": moment})
    return found


class LedgerBuilder:
    """Fills the tables of a collector's ledger, as reconciliation and loading would."""

    def __init__(self, database: Database, spool: Spool, loader: Loader) -> None:
        self._database = database
        self._spool = spool
        self._loader = loader

    def source(self, name: str, now: datetime) -> None:
        """Make a source."""
        with self._database.write() as connection:
            connection.execute(insert(sources).values(name=name, created_at=now))

    def deliver(self, name: str, records: Sequence[dict[str, Any]], received: datetime, channel: Channel = "webhook",
                source: str = "webex") -> None:  # fmt: skip
        """A payload of these records, in the lake at the end."""
        self._spool.put(
            Envelope(id=name, source=source, channel=channel, received=received),
            json.dumps({"items": records}).encode(),
        )
        self._loader.drain()

    def rows(self, rows: Iterable[dict[str, Any]]) -> None:
        """Rows of the ledger; what is not said is a matched hour of ten records, proved by counts."""
        usual = {
            "source": "webex", "expected": 10, "stored": 10, "state": "matched", "fetched": 0, "proof": "counts",
            "ways": "", "reason": None, "completed_at": None, "recheck_at": None,
        }  # fmt: skip
        full = [
            usual
            | {
                "window_end": one["window_start"] + one.get("length", HOUR),
                "checked_at": one["window_start"] + 2 * HOUR,
            }
            | {name: value for name, value in one.items() if name != "length"}
            for one in rows
        ]
        with self._database.write() as connection:
            connection.execute(insert(ledger), full)

    def run(self, started: datetime, *, source: str = "webex", short: int = 0, problem: str | None = None) -> None:
        """A reconciliation."""
        with self._database.write() as connection:
            connection.execute(
                insert(reconciliations).values(
                    source=source,
                    started_at=started,
                    finished_at=started + timedelta(seconds=41),
                    requests=57,
                    windows=1_200,
                    short=short,
                    repaired=3,
                    problem=problem,
                    cause="schedule",
                )
            )

    def manifest(self, start: datetime, records: Sequence[dict[str, Any]], payload: str, *, state: str = "verified",
                 part: int = 1, parts: int = 1, tick: timedelta = timedelta(minutes=5)) -> None:  # fmt: skip
        """What a delivery said of itself."""
        with self._database.write() as connection:
            connection.execute(
                insert(manifests).values(
                    source="webex",
                    window_start=start,
                    window_end=start + tick,
                    part=part,
                    parts=parts,
                    payload=payload,
                    records=len(records),
                    digest=digest_of(one["Report ID"] for one in records),
                    state=state,
                    received_at=start + 2 * tick,
                )
            )


def fill(builder: LedgerBuilder, now: datetime, organizations: int, hours: int, seed: int = 7) -> None:
    """Hours of many organizations up to `now`, most of them well; the first ones have something of everything."""
    chance, last = random.Random(seed), now.replace(minute=0, second=0, microsecond=0)
    rows = []
    for number in range(organizations):
        busy = chance.randint(1, 400)
        for ago in range(hours, -1, -1):
            start = last - ago * HOUR
            count = 0 if start.hour < 5 or chance.random() < 0.05 else chance.randint(1, busy)
            row: dict[str, Any] = {"org_uuid": org(number), "window_start": start, "expected": count, "stored": count}
            if (kept := _state(row, number, ago, chance)) is not None:
                rows.append(kept)
    builder.rows(rows)


def _state(row: dict[str, Any], number: int, ago: int, chance: random.Random) -> dict[str, Any] | None:
    """What the ledger says of an hour so long ago; None: nothing."""
    if ago == 0:
        return row | {"state": "open", "proof": "none"}
    special = {
        0: (range(40, 44), {"state": "short", "expected": row["expected"] + 7, "reason": REFUSED}),
        1: (range(47, 50), {"state": "lost", "expected": row["expected"] + 3, "reason": "nobody gave them in time"}),
        2: (range(20, 27), None),
    }
    hours, said = special.get(number, (range(0), None))
    if ago in hours:
        return None if said is None else row | said
    return row | _usual(row, chance)


def _usual(row: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    throw, start = chance.random(), row["window_start"]
    if throw < 0.01:
        return {"state": "repaired", "fetched": 3, "ways": "repair", "completed_at": start + 3 * HOUR}
    if throw < 0.013:
        return {"state": "surplus", "stored": row["stored"] + 1}
    return {"proof": "ids" if throw > 0.5 else "counts", "completed_at": start + 2 * HOUR}
