"""The names of Asterisk's CDR: in the orders of its CSV files, and as others than `CDR()` call them."""

import re
from collections.abc import Iterable, Sequence

from cdrelay.records.identity import RecordRefused

_BASE = (
    *("accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata"),
    *("start", "answer", "end", "duration", "billsec", "disposition", "amaflags"),
)
_NEWER = ("peeraccount", "linkedid", "sequence")
# Each of these sets of columns can be switched on by itself: loguniqueid, loguserfield, newcdrcolumns.
_ORDERS = {
    len(columns): columns
    for columns in (
        _BASE,
        (*_BASE, "uniqueid"),
        (*_BASE, "uniqueid", "userfield"),
        (*_BASE, *_NEWER),
        (*_BASE, "uniqueid", *_NEWER),
        (*_BASE, "uniqueid", "userfield", *_NEWER),
    )
}

# The order of the sample of cdr_custom.conf.
_CUSTOM = (*_BASE[4:5], *_BASE[1:4], *_BASE[5:], "accountcode", "uniqueid", "userfield", "sequence")

_OTHER_NAMES = {
    "source": "src",
    "destination": "dst",
    "destinationcontext": "dcontext",
    "callerid": "clid",
    "destinationchannel": "dstchannel",
    "lastapplication": "lastapp",
    "starttime": "start",
    "calldate": "start",
    "answertime": "answer",
    "endtime": "end",
    "billableseconds": "billsec",
}
"""The names of AMI's event `Cdr`, and `calldate` of the databases."""

SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_UNIQUE_ID = re.compile(r"(?:.*-)?\d{9,11}\.\d+", re.ASCII)


def named_columns(row: Sequence[str]) -> dict[str, str]:
    """A line without a header by the names of its columns: `cdr_csv`'s, or those of the sample of `cdr_custom`.

    Where the two numbers of seconds stand tells which. One column more than the plain sixteen is the unique id or the
    user field; the form tells which. Raises RecordRefused for a line of neither.
    """
    columns = _ORDERS.get(len(row))
    if columns is not None and _durations_at(row, columns):
        named = dict(zip(columns, row, strict=True))
        if "uniqueid" in named and "userfield" not in named and not _UNIQUE_ID.fullmatch(named["uniqueid"]):
            named["userfield"] = named.pop("uniqueid")
        return named
    if len(_CUSTOM) - 1 <= len(row) <= len(_CUSTOM) and _durations_at(row, _CUSTOM):
        return dict(zip(_CUSTOM, row, strict=False))
    raise RecordRefused("columns", "are in the order neither of cdr_csv nor of the sample of cdr_custom; name them")


def _durations_at(row: Sequence[str], columns: Sequence[str]) -> bool:
    """Whether there are seconds in both places where these columns have them, and none in the next."""
    place = columns.index("duration")
    return [SECONDS.fullmatch(cell) is not None for cell in row[place : place + 3]] == [True, True, False]


def is_header(row: Iterable[str]) -> bool:
    """Whether a line names columns, as `cdr_custom` files may."""
    names = {plain_name(cell) for cell in row}
    return {"channel", "disposition"} <= names and bool(names & {"start", "end"})


def plain_name(name: str) -> str:
    """The name that `CDR()` has for what is called so, in lower case."""
    folded = "".join(sign for sign in name.lower() if sign.isalnum() or sign == "_")
    return _OTHER_NAMES.get(folded, folded)
