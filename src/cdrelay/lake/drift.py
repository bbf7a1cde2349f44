"""How a record differs from the documents: keys that nobody documented, new values of enumerations, misfits.

It is counted where records are read, before anyone knows which of them are new, and goes into the database with the
receipt of the payload. So a payload is counted once, however often it is loaded. One thing is found later, in what is
written only: values in text whose type the engine finds out to be wrong. A kill between commit and receipt loses those.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from cdrelay.records.fields import BY_COLUMN, FIELDS, Field, field_for
from cdrelay.records.values import is_gap

Difference = Literal["key", "value", "misfit"]
"""key: nobody documented it; value: not one of the documented; misfit: not of the field's type."""

LONGEST = 200
"""Characters of a key or value that are kept."""
WITHHELD = "(withheld: it looks like no name of a value)"
"""Stands for a value that may be a person's: a field that holds what belongs into another one."""

# Names of values are words. A phone number has digits in a row, an address an @.
_WORDS = re.compile(r"[A-Za-z][A-Za-z _/.()-]*(?:\d{1,3}[A-Za-z _/.()-]*){0,2}", re.ASCII)
_NOT_PRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


class Sighting(NamedTuple):
    """One way in which a record differs."""

    kind: Difference
    field: str
    value: str = ""


ENUMERATIONS: tuple[Field, ...] = tuple(field for field in FIELDS if field.values)
_KNOWN = {
    field.column: frozenset((*field.values, *("" if field.na_is_value else ("", "NA", "na")))) for field in ENUMERATIONS
}


def in_extra(keys: Iterable[str], promoted: Set[str]) -> Iterator[Sighting]:
    """The keys of what stands beside the columns: unknown ones, and those whose value did not fit a column."""
    for key in keys:
        field = field_for(key)
        if field is not None:
            yield Sighting("misfit", field.name)
        else:
            yield Sighting("misfit" if key in promoted else "key", _NOT_PRINTABLE.sub("�", key[:LONGEST]))


def in_values(values: Mapping[str, Any]) -> Iterator[Sighting]:
    """New values among the typed ones, by column."""
    for column, known in _KNOWN.items():
        value = values.get(column)
        if value is not None and value not in known:
            yield _new(BY_COLUMN[column], value)


def in_structs(records: Iterable[Any]) -> Counter[Sighting]:
    """The same of many records at once, which have an attribute of text for each column."""
    records, found = list(records), Counter[Sighting]()
    for column, known in _KNOWN.items():
        field = BY_COLUMN[column]
        for value, number in Counter(map(attrgetter(column), records)).items():
            if value not in known and not is_gap(field, value):
                found[_new(field, value)] += number
    return found


def _new(field: Field, value: str) -> Sighting:
    return Sighting("value", field.name, value[:LONGEST] if _WORDS.fullmatch(value[:LONGEST]) else WITHHELD)
