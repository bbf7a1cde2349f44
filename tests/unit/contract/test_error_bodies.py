"""The shapes of errors that clients know (FACTS 3.5), and those that a proxy sends (TRAPS 24)."""

import msgspec
import pytest

from cdrelay.contract.error_bodies import error_body, error_message, is_error_body, tracking_id

TEXT = "endTime: must be later than startTime"


@pytest.mark.parametrize(
    "body",
    [
        {"message": TEXT, "errors": [{"description": "other", "errorCode": 7}], "trackingId": "ROUTER_1"},
        {"errorCode": 400, "message": TEXT, "trackingId": "ROUTER_1"},
        {"code": 400, "message": TEXT, "trackingId": "GTWY_1"},
        {"errors": [{"description": TEXT}]},
        error_body(400, TEXT, "CDRELAY_1"),
    ],
)
def test_the_message_is_found_in_every_shape(body: object) -> None:
    assert error_message(msgspec.json.encode(body)) == TEXT


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>\n<h1>502 Bad  Gateway</h1>\n</html>", "<html> <h1>502 Bad Gateway</h1> </html>"),
        (b"Too many requests\r\n", "Too many requests"),
        (b"", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"message": "\xff"}', '{"message": "\ufffd"}'),
        (b"[1]", "[1]"),
        (b"{}", ""),
        (b'{"message": null, "errors": []}', ""),
        (b'{"errors": ["text"]}', ""),
        (b'{"errors": "text", "message": 7}', "7"),
    ],
)
def test_anything_else_is_put_on_one_line(body: bytes, message: str) -> None:
    assert error_message(body) == message


def test_a_long_body_is_cut() -> None:
    assert error_message(b"x" * 10_000) == "x" * 300


def test_a_body_of_brackets_without_end_does_no_harm() -> None:
    assert error_message(b"[" * 100_000) == "[" * 300


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"message": "\xff", "code": 1}', b"\xff", b""])
def test_what_cannot_be_read_is_no_error_of_the_api(body: bytes) -> None:
    assert not is_error_body(body)


def test_an_error_is_written_as_the_union_of_the_shapes() -> None:
    assert error_body(404, TEXT, "CDRELAY_1") == {
        "errorCode": 404,
        "message": TEXT,
        "errors": [{"description": TEXT}],
        "trackingId": "CDRELAY_1",
    }


def test_a_tracking_id_names_its_maker() -> None:
    assert tracking_id("5c0f") == "CDRELAY_5c0f"
