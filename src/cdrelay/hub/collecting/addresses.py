"""Where each of these pages is. Pure."""

from urllib.parse import quote

ALARMS_PATH = "/alarms"
SOURCES_PATH = "/sources"
QUARANTINE_PATH = "/quarantine"


def payload_address(payload: str) -> str:
    """What is in quarantine of one payload."""
    return f"{QUARANTINE_PATH}/{quote(payload, safe='')}"


def quarantine_page(number: int) -> str:
    """One page of the list, from 1."""
    return QUARANTINE_PATH if number == 1 else f"{QUARANTINE_PATH}?page={number}"


def sources_page(number: int) -> str:
    """One page of the sources, from 1."""
    return SOURCES_PATH if number == 1 else f"{SOURCES_PATH}?page={number}"


def alarms_address(kind: str) -> str:
    """Those of one kind among the alarms that stand."""
    return f"{ALARMS_PATH}#{kind}"
