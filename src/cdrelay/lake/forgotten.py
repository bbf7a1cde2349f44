"""Persons whose data was erased, known by keyed hashes alone, so that the same records cannot bring it back.

Applied to what is in a lake when a person is erased, and to every batch that is loaded from then on: a replay, a repair
or a newer version of an old record brings the person's data again. What ended after the erasure is new and stays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import astuple

from cdrelay.lake.prepare import Batch, Block
from cdrelay.records.fields import Field
from cdrelay.records.identity import Plausible
from cdrelay.records.personal import KNOWN_BY, erased, erased_json, forms_of
from cdrelay.records.wire import CallRecord, decode_object, encode_object, read_record, write_record

_REMEMBERED = 200_000
"""Values whose hashes are remembered."""
_NOBODY: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ForgottenPerson:
    """One erasure."""

    org_uuid: str | None
    """Of whose records; None: of all."""
    before: datetime
    """Records with a Report time before it are concerned."""
    hashes: frozenset[str]
    """Of the forms (`records.personal.forms_of`) of all that the person is known by."""


class Forgotten:
    """Some erasures. Safe to use from several threads."""

    def __init__(
        self, persons: Sequence[ForgottenPerson] = (), keyed_hash: Callable[[str], str] = lambda text: ""
    ) -> None:
        self.persons = persons
        self._hash = keyed_hash
        self._by_hash: dict[str, set[int]] = {}
        for number, person in enumerate(persons):
            for one in person.hashes:
                self._by_hash.setdefault(one, set()).add(number)
        self._remembered: dict[str, frozenset[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_hash)

    def known(self, text: str) -> frozenset[int]:
        """Which persons a value is of, by their numbers."""
        found = self._remembered.get(text)
        if found is None:
            found = self._look_up(text)
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[text] = found
        return found

    def _look_up(self, text: str) -> frozenset[int]:
        found = [self._by_hash[one] for form in forms_of(text) if (one := self._hash(form)) in self._by_hash]
        return frozenset().union(*found) if found else _NOBODY

    def tells(self, text: str) -> bool:
        """Whether a value is of any of them, whatever the record is."""
        return bool(self.known(text))

    def erase(self, record: CallRecord) -> CallRecord | None:
        """The record without what it holds of those whose erasures concern it; None when it holds nothing."""
        org_uuid, report_time = record.values.get("org_uuid"), record.values.get("report_time")
        left = None
        for number, person in enumerate(self.persons):
            # What has no readable time or organization is not spared by them.
            elsewhere = person.org_uuid is not None and isinstance(org_uuid, str) and org_uuid != person.org_uuid
            later = isinstance(report_time, datetime) and report_time >= person.before
            if not elsewhere and not later:
                left = erased(left or record, self._knows(number)) or left
        return left

    def _knows(self, number: int) -> Callable[[str], bool]:
        return lambda text: number in self.known(text)

    def erase_json(self, raw: bytes | msgspec.Raw) -> bytes:
        """The same of a JSON text; as it came when it holds nothing. Nothing is left of what cannot be read."""
        return erased_json(raw, self.erase, self.tells) if self else bytes(raw)

    def apply(self, batch: Batch, promoted: Sequence[Field], plausible: Plausible) -> None:
        """Erase the persons from a batch before it is loaded into a table with these columns beside the documented."""
        if not self:
            return
        decoder = _telling(promoted)
        touched = sum(self._apply_to(block, decoder, plausible) for block in batch.blocks)
        if touched:
            batch.made_ready()

    def _apply_to(self, block: Block, decoder: msgspec.json.Decoder[Any], plausible: Plausible) -> int:
        touched = 0
        for row, line in enumerate(block.lines):
            extra = block.extra.get(row)
            if extra is None and not any(self.known(text) for text in astuple(decoder.decode(line)) if text):
                continue
            wire = decode_object(line) | (decode_object(extra.encode()) if extra else {})
            left = self.erase(read_record(wire))
            if left is not None:
                block.replace(row, encode_object(write_record(left)), plausible)
                touched += 1
        return touched


def _telling(promoted: Sequence[Field]) -> msgspec.json.Decoder[Any]:
    """Reads the personal fields of a line; the rest is passed over at the speed of the parser."""
    fields = [
        (field.column, str | None, msgspec.field(name=field.name, default=None)) for field in (*KNOWN_BY, *promoted)
    ]
    return msgspec.json.Decoder(msgspec.defstruct("_Telling", fields, gc=False))
