"""The document of the records endpoint, sent in pieces."""

import json

import pytest

from cdrelay.publisher.api.record_answers import in_pieces


@pytest.mark.parametrize("size", [1, 20, 1_000_000])
@pytest.mark.parametrize("number", [0, 1, 2, 50])
def test_the_pieces_are_one_document_whatever_their_size(size: int, number: int) -> None:
    records = [json.dumps({"n": n}).encode() for n in range(number)]
    pieces = list(in_pieces(iter(records), size))
    assert json.loads(b"".join(pieces)) == {"items": [{"n": n} for n in range(number)]}
    assert all(pieces)
