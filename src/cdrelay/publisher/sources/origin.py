"""What is known of a source beside its records: its name, what it gives, whose calls they are, its time zone."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from io import StringIO
from typing import Literal
from zoneinfo import ZoneInfo

from cdrelay.contract.organization_ids import organization_uuid
from cdrelay.publisher.errors import RecordSourceRefused

Format = Literal["record", "freeswitch", "asterisk"]
"""What a source gives: our records, FreeSWITCH's CDRs or Asterisk's."""
FORMATS: tuple[Format, ...] = ("record", "freeswitch", "asterisk")

UTC_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class OrgRule:
    """Whose call it is when a field of the platform's CDR has that value, to the letter."""

    field: str
    value: str
    org_uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A source as its records need to know it."""

    name: str
    """Takes part in derived Report IDs, and is the `source` of the records in the lake."""
    format: Format = "record"
    org_uuid: str | None = None
    """Whose calls they are, where neither the record nor a rule says it."""
    rules: tuple[OrgRule, ...] = ()
    zone: tzinfo = UTC_ZONE
    """Of times that say none."""

    def organization(self, fields: Mapping[str, str], said: str = "") -> str | None:
        """Whose call it is: what the CDR itself says, else the first rule that fits, else the source's own.

        None when nothing tells; then the record is refused for its Org UUID.
        """
        if said:
            return said
        for rule in self.rules:
            if fields.get(rule.field) == rule.value:
                return rule.org_uuid
        return self.org_uuid


def read_org_rules(text: str) -> tuple[OrgRule, ...]:
    """The rules in a CSV file: `field,value,org` a line, such as `accountcode,acme,<UUID>`; the first that fits counts.

    Empty lines and lines that begin with # are passed over. Raises RecordSourceRefused naming the line.
    """
    rules = []
    lines = csv.reader(StringIO(text.lstrip("\ufeff")))
    for row in lines:
        if not row or row[0].lstrip().startswith("#") or row == ["field", "value", "org"]:
            continue
        if len(row) != 3 or not row[0].strip():
            raise RecordSourceRefused(f"the org map, line {lines.line_num}: a rule is field,value,org")
        try:
            org_uuid = organization_uuid(row[2].strip())
        except ValueError as error:
            raise RecordSourceRefused(f"the org map, line {lines.line_num}: {error}") from error
        rules.append(OrgRule(row[0].strip(), row[1].strip(), org_uuid))
    return tuple(rules)
