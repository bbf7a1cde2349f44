"""Checking a body while it comes: what is said of it is what looking at the whole would say, or nothing."""

import json
import random

import pytest

from cdrelay.lake import listing
from cdrelay.lake.listing import Listing
from cdrelay.lake.payload import BodyUnreadable, split

RECORDS = [{"Report ID": str(number), "User": 'Zoë "{ }" [{ }] \\'} for number in range(40)]
TEXT = json.dumps(RECORDS).encode()


def listed(body: bytes, size: int) -> int | None:
    """What is said of a body that comes in portions of a few pieces of that size."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    found = Listing()
    for start in range(0, len(pieces), 3):
        found.take(pieces[start : start + 3])
    return found.end()


def whole(body: bytes) -> int | None:
    """What looking at all of it says; None: it is no list of records."""
    try:
        return len(split(body, lines=False))
    except BodyUnreadable:
        return None


SHAPES = [
    TEXT,
    b'{"items":%b}' % TEXT,
    b'{"data":{"items":%b}}' % TEXT,
    b'{"id":"1","resource":"cdr","data":%b,"created":null,"tags":["a"]}\n' % TEXT,
    json.dumps({"items": RECORDS}, indent=2, ensure_ascii=False).encode(),
    json.dumps({"items": RECORDS}, separators=(",", ":")).encode(),
]


@pytest.mark.parametrize("size", [7, 61, 500, 4_096, 100_000])
@pytest.mark.parametrize("body", SHAPES)
def test_each_shape_is_counted_in_whatever_pieces_it_comes(body: bytes, size: int) -> None:
    assert listed(body, size) == 40


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"items":[]}',
        b'{"items":[1,2]}',
        b'{"items":[],"other":[{"a":1},{"b":2}]}',
        b'{"records":[{"a":1}]}',
        b'{"items":[{"a":1},{"b":2}',
        b'{"items":[{"a":1},{"b":2}]} more',
        b'{"items":[{"a":1},{"b":2},]}',
        b'{"items":[{"a":1},{"b":"\\ud83d"}]}',
        b'{"items":[{"a":[{"b":1},{"c":2}]},{"d":3}]}',
        b'{"x":"[{}]","items":[null]}',
        b'{"items":[{"a":"},{"},{"b":2}]}',
        b"<html>[{},{}]</html>",
        b"[{" * 1_000,
        b"[{}]" * 1_000,
        b"\x28\xb5\x2f\xfd" * 100_000,
    ],
)
@pytest.mark.parametrize("size", [3, 1_000_000])
def test_nothing_is_said_that_looking_at_the_whole_would_not_say(body: bytes, size: int) -> None:
    assert listed(body, size) in {None, whole(body)}


def test_a_broken_body_is_never_called_whole() -> None:
    dice = random.Random(4)  # breaks things, no secret
    told = 0
    for _ in range(3_000):
        body = bytearray(dice.choice(SHAPES)[-dice.randrange(200, 2_000) :] if dice.random() < 0.2 else SHAPES[1])
        for _ in range(dice.choice([0, 1, 1, 2])):
            place = dice.randrange(len(body))
            body[place : place + dice.choice([0, 1, 1, 5])] = dice.choice([b"", b'"', b"}", b"]", b"},{", b"[", b"\\"])
        found = listed(bytes(body), dice.choice([50, 1_000, 10_000]))
        if found is not None:
            told += 1
            assert found == whole(bytes(body))
    assert told > 500


def test_little_of_a_body_is_held_and_a_record_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_MOST_HELD", 10_000)
    body = b'{"items":[%b]}' % b",".join([b'{"User":"%b"}' % (b"x" * 100)] * 2_000)
    assert listed(body, 1_000) == 2_000
    found = Listing()
    found.take([b'{"items":[{"a":"'])
    for _ in range(11):
        found.take([b"x" * 1_000])
    assert found.given_up
    assert found.end() is None
