"""Addresses and answers as the kit reads and shows them."""

import pytest

from cdrelay.conformance.exchange import Answer, raw_request, read_url, shown


@pytest.mark.parametrize("text", ["", "listener", "ftp://host/x", "http://", "https:///x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no http or https address"):
        read_url(text)


def test_an_address_is_shown_without_what_may_be_secret() -> None:
    assert shown(read_url("https://user:word@host:8443/a/b?key=secret#x")) == "https://host:8443/a/b"


def test_a_raw_request_tells_the_length_of_the_whole_body() -> None:
    head, _, body = raw_request(read_url("http://host:81/a b?c=d"), {"X": "y"}, b"12345").partition(b"\r\n\r\n")

    assert head.split(b"\r\n") == [b"POST /a%20b?c=d HTTP/1.1", b"Host: host:81", b"X: y", b"Content-Length: 5"]
    assert body == b"12345"


def test_an_answer_tells_its_status_and_what_it_says_when_it_refuses() -> None:
    assert str(Answer(204, 0.12)) == "answered 204 after 0.12 s"
    assert str(Answer(400, 0.5, body=b'{"message":"no such thing"}')) == "answered 400 after 0.50 s: no such thing"
    assert str(Answer(None, 15, problem="no answer within 15 s")) == "no answer within 15 s"
    assert [Answer(status, 0).taken for status in (None, 199, 200, 299, 301, 500)] == [False, False, True, True] + [
        False
    ] * 2
