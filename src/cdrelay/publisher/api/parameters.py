"""The query parameters of the endpoints for records, as OpenAPI says them. They are read by the rules of `contract/`.

FastAPI does not read them, since a refusal must name the contract's rule; so it cannot know what they are either.
"""

from typing import Any

from cdrelay.contract.history import MOST_LOCATIONS, NEXT_ID, NEXT_TIME, HistoryWindow, PageSizes
from cdrelay.contract.query import LARGEST_PAGE_NUMBER, in_words
from cdrelay.contract.rules import Rules

Parameter = dict[str, Any]

_TIME = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"}
_FORM = "UTC, in the form YYYY-MM-DDTHH:MM:SS.mmmZ"
_UUID = "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
ORGANIZATION = {"type": "string", "pattern": rf"^({_UUID}|[A-Za-z0-9_-]{{48,200}}={{0,2}})$"}
_LOCATIONS = {"type": "string", "pattern": rf"^[^,]*(,[^,]*){{0,{MOST_LOCATIONS - 1}}}$"}
_NEXT = {
    NEXT_TIME: r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.([0-9]{3}|[0-9]{6})Z$",
    NEXT_ID: "^[0-9A-Fa-f-]{1,36}$",
}


def _parameter(name: str, description: str, schema: Parameter, *, required: bool = False) -> Parameter:
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}


def times(what: str, span: str, settle: str, reach: str) -> list[Parameter]:
    """`startTime` and `endTime`; `what` is the time they select by."""
    start = f"First {what}, at most {reach} ago. {_FORM}"
    end = f"Before this {what}: after startTime, {span}at least {settle} ago. {_FORM}"
    return [
        _parameter("startTime", start, _TIME, required=True),
        _parameter("endTime", end, _TIME, required=True),
    ]


def organization(*, required: bool) -> Parameter:
    """`orgId`."""
    else_ = "may be left out where the partner has just one organization"
    said = "Plain UUID, or encoded; " + ("also taken as orgID" if required else else_)
    return _parameter("orgId", said, ORGANIZATION, required=required)


def pages(sizes: PageSizes, otherwise: str) -> list[Parameter]:
    """`max` and what a Link header adds; `otherwise` says what is answered without `max`."""
    size = (
        f"Records on a page, pulled to {sizes.smallest} or {sizes.largest} when outside of them; without it {otherwise}"
    )
    further = [_parameter(name, "From a Link header", {"type": "string", "pattern": _NEXT[name]}) for name in _NEXT]
    return [_parameter("max", size, {"type": "integer"}), *further]


def of_counts(rules: Rules) -> list[Parameter]:
    """Those of `cdrcountbyorg`."""
    number = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE_NUMBER}
    span = f"at most {in_words(rules.count_span)} after it, "
    return [
        *times("Report time", span, in_words(rules.settle), in_words(rules.reach)),
        _parameter("page", f"Page of {rules.organizations_per_page} organizations, from 1", number),
    ]


def of_records(window: HistoryWindow) -> list[Parameter]:
    """Those of `cdrsbyorg`."""
    return [
        organization(required=True),
        *times("Report time", "", in_words(window.settle), in_words(window.reach)),
        *pages(window.pages, "all come at once"),
    ]


def of_history(window: HistoryWindow, what: str) -> list[Parameter]:
    """Those of `cdr_feed` and `cdr_stream`."""
    span = f"at most {in_words(window.span)} after it, "
    return [
        *times(what, span, in_words(window.settle), in_words(window.reach)),
        _parameter("locations", f"Up to {MOST_LOCATIONS} names of locations, separated by commas", _LOCATIONS),
        organization(required=False),
        *pages(window.pages, f"{window.pages.largest}"),
    ]
