"""One page of counts."""

import pytest

from cdrelay.collector.counts import read_counts
from cdrelay.contract.organization_ids import encoded_organization_id

ORG = "47f0d0c2-f05a-44cc-870d-7a3daf859c6c"


def test_counts_are_read_with_either_form_of_id_and_numbers_as_text() -> None:
    body = f'{{"cdr_counts": [{{"orgId": "{encoded_organization_id(ORG)}", "count": "3", "more": 1}}]}}'
    assert read_counts(body.encode()) == [(ORG, 3)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b"[]",
        b'{"cdr_counts": [{"orgId": "x", "count": 1}]}',
        b'{"cdr_counts": [{"count": 1}]}',
        b'{"cdr_counts": [{"orgId": "47f0d0c2-f05a-44cc-870d-7a3daf859c6c", "count": -1}]}',
        b'{"x": ' + b"[" * 100_000,
    ],
)
def test_nonsense_is_no_page_of_counts(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_counts(body)
