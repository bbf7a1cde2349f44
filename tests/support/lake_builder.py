"""A lake with its spool, loader and quarantine in a folder, and small records to put into it."""

import gzip
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

import duckdb

from cdrelay.clock import Clock
from cdrelay.contract.windows import EPOCH, Period
from cdrelay.lake.cut import Cut
from cdrelay.lake.encryption import LakeKeys
from cdrelay.lake.engine import EngineLimits, open_engine
from cdrelay.lake.load import NO_DUTIES, Duties, Loader, LoadLimits
from cdrelay.lake.log_repair import Payloads
from cdrelay.lake.quarantine import Quarantine
from cdrelay.lake.receipts import Drained, Receipt
from cdrelay.lake.selection import Claim, Claims
from cdrelay.lake.spool import Channel, Envelope, Spool
from cdrelay.lake.statements import statement
from cdrelay.lake.store import Lake
from cdrelay.lake.table import READERS, RecordTable
from cdrelay.records.values import write_timestamp

ORG = "11111111-2222-4333-8444-555555555555"
OTHER_ORG = "99999999-2222-4333-8444-555555555555"
NO_LIMITS = LoadLimits()
SMALL = EngineLimits(memory_megabytes=256, threads=1)

Wire = Mapping[str, Any] | bytes
"""A record as an object, or the JSON text of one, which may be broken."""


def report_id(name: object) -> str:
    """The Report ID of the record that a test calls so."""
    return str(uuid5(NAMESPACE_OID, str(name)))


def record(name: object, ended: datetime, org: str = ORG, **more: Any) -> dict[str, Any]:
    """A record as it is on the wire; `more` are further keys."""
    moment = write_timestamp(ended)
    return {"Report ID": report_id(name), "Org UUID": org, "Report time": moment, "Release time": moment} | more


def document(records: Sequence[Wire]) -> bytes:
    """The usual body of a payload."""
    texts = [each if isinstance(each, bytes) else json.dumps(each, ensure_ascii=False).encode() for each in records]
    return b'{"items":[' + b",".join(texts) + b"]}"


class LakeBuilder:
    """The parts of one half's store. Several builders may share a folder, as several processes do."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        limits: LoadLimits = NO_LIMITS,
        keep_receipts: Callable[[Sequence[Receipt]], None] | None = None,
        duties: Duties = NO_DUTIES,
        keys: LakeKeys | None = None,
        readers: timedelta = READERS,
    ) -> None:
        self.folder = folder
        self.clock = clock
        self.limits = limits
        self._numbers = itertools.count(1)
        self.spool = Spool(folder / "spool")
        self.table = RecordTable(folder / "lake", keys, Payloads(self.spool.folder, lambda last_load: []), readers)
        self.engine: duckdb.DuckDBPyConnection = open_engine(SMALL, folder / "scratch")
        if keys is not None:
            keys.serve(self.engine)
        self.quarantine = Quarantine(folder / "quarantine")
        self.lake = Lake(self.table, self.engine)
        self.receipts: list[Receipt] = []
        """What was kept, when nothing else was told to keep it."""
        self.loader = Loader(
            self.spool,
            self.table,
            self.engine,
            self.quarantine,
            clock,
            limits,
            keep_receipts or self.receipts.extend,
            duties,
        )

    def close(self) -> None:
        """Let go of the engine."""
        self.engine.close()

    def put(self, *records: Wire, channel: Channel = "webhook") -> str:
        """Spool a payload of these records; its id."""
        return self.put_body(document(records), channel=channel)

    def put_lines(self, body: bytes) -> str:
        """Spool a body of one record a line; its id."""
        return self.put_body(body, lines=True)

    def put_gzip(self, body: bytes) -> str:
        """Spool a body that is compressed on its way; its id."""
        return self.put_body(gzip.compress(body), content_encoding="gzip")

    def put_body(self, body: bytes, **about: Any) -> str:
        """Spool a body as it is; `about` are fields of its envelope."""
        name = f"{next(self._numbers):06d}-{uuid4().hex[:8]}"
        given: dict[str, Any] = {
            "id": name,
            "source": "test",
            "channel": "webhook",
            "received": self.clock.now(),
        } | about
        self.spool.put(Envelope(**given), body)
        return name

    def load(self, *records: Wire) -> Drained:
        """Spool a payload of these records and drain."""
        self.put(*records)
        return self.loader.drain()

    def rows(self) -> list[dict[str, Any]]:
        """Every row with every column, ordered by identity; a record that is there twice is two rows."""
        files = self.table.absolute(self.table.snapshot().files)
        if not files:
            return []
        cursor = self.engine.cursor()
        try:
            rows = statement("rows_as_they_are", parquet=files, columns=self.table.columns)
            cursor.execute(f"{rows} ORDER BY org_uuid, report_id, report_time")
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        finally:
            cursor.close()

    def contents(self) -> list[dict[str, Any]]:
        """The rows without what differs from load to load: load number, payload, time and way of receipt."""
        own = {"load_seq", "source", "channel", "payload", "received"}
        return [{name: value for name, value in row.items() if name not in own} for row in self.rows()]

    def read(self, period: Period, org: str = ORG) -> list[dict[str, Any]]:
        """What the records API would give of an organization, by Report time."""
        records = [json.loads(text) for text in self.lake.read_organization(org, period)]
        return sorted(records, key=lambda one: (one["Report time"], one["Report ID"]))

    def everything(self) -> list[bytes]:
        """The JSON texts of the wire of all organizations, sorted."""
        always = Period(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
        organizations = sorted(self.lake.count_by_organization(always))
        return [text for org in organizations for text in sorted(self.lake.read_organization(org, always))]

    def aside(self) -> list[dict[str, Any]]:
        """What is in quarantine."""
        return [asdict(one) for one in self.quarantine.list(10_000)]


def read_window(lake: Lake, before: Cut | None, now: Cut, organizations: Sequence[str]) -> list[bytes]:
    """What of some organizations is due between two cuts, as wire JSON, by Report time and Report ID."""
    claims = [Claim(0, org, "", False, EPOCH, datetime(9999, 1, 1, tzinfo=UTC)) for org in organizations]
    lots = lake.window(before, now).records(Claims(claims, by_holder=False))
    texts = [text for lot in lots for text in lot.records()]
    return sorted(texts, key=lambda text: [json.loads(text)[name] for name in ("Report time", "Report ID")])
