"""Lines of CSV as named values: by a header, or in one of the orders that Asterisk writes."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from cdrelay.lake.payload import BodyUnreadable
from cdrelay.publisher.sources.mapping.asterisk_columns import is_header, named_columns
from cdrelay.publisher.sources.origin import Format
from cdrelay.publisher.sources.taking import Entry
from cdrelay.records.fields import field_for
from cdrelay.records.identity import RecordRefused


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a file are. Without a header they are as Asterisk writes them."""

    header: tuple[str, ...] | None

    @classmethod
    def read(cls, first: Sequence[str], form: Format) -> "Columns":
        """What the first line of a file tells. Raises BodyUnreadable."""
        if form == "freeswitch":
            raise BodyUnreadable("FreeSWITCH's CDRs are taken as JSON, of mod_json_cdr, and not as CSV")
        if form == "asterisk":
            return cls(tuple(first) if is_header(first) else None)
        if not any(field_for(name) for name in first):
            raise BodyUnreadable("the first line names no field of a call record")
        return cls(tuple(first))

    def named(self, row: Sequence[str]) -> dict[str, str]:
        """The values of a line by name, without the empty ones. Raises RecordRefused."""
        if self.header is None:
            named = named_columns(row)
        elif len(row) != len(self.header):
            raise RecordRefused("columns", f"are {len(row)}, and the header names {len(self.header)}")
        else:
            named = dict(zip(self.header, row, strict=True))
        return {name: value for name, value in named.items() if name and value}

    def entry(self, place: int, row: Sequence[str], raw: bytes = b"") -> Entry:
        """A line as an entry at `place`; `raw` is kept where it is refused."""
        try:
            return Entry(place, msgspec.json.encode(self.named(row)))
        except RecordRefused as error:
            return Entry(place, raw, error)
