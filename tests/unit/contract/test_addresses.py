import pytest

from cdrelay.contract.addresses import AddressRefused, checked_address, checked_base, next_page, redirected_base

BASE = "https://analytics.webexapis.com"
EU = "https://analytics-calling-eu.webexapis.com"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (BASE, BASE),
        (f"{BASE}/", BASE),
        (f"{BASE}/v1/partners/", BASE),
        ("https://Analytics.WebexAPIs.com/v1", BASE),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:8000/v1", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://feed.example.net/cdr/v1", "https://feed.example.net/cdr"),
    ],
)
def test_api_addresses_are_kept_without_the_path_of_the_endpoints(given: str, kept: str) -> None:
    assert checked_base(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "",
        "analytics.webexapis.com",
        "ftp://analytics.webexapis.com",
        "http://analytics.webexapis.com",
        "http://127.0.0.1.example.net",
        "https://user:word@analytics.webexapis.com",
        f"{BASE}/v1?token=x",
        "https://host:notaport",
        "https://host:0",
        "https://host:00/v1",
        "https://host:65536",
        "http://[::1]:0",
        "http://[::1",
    ],
)
def test_addresses_that_would_expose_the_token_or_make_no_sense_are_refused(given: str) -> None:
    with pytest.raises(AddressRefused):
        checked_base(given)


@pytest.mark.parametrize(
    "message",
    [
        "This region does not hold the data. Please use analytics-calling-eu.webexapis.com",
        "Please use analytics-calling-eu.webexapis.com.",
        'Wrong region, use the correct URL: "https://analytics-calling-eu.webexapis.com/v1/cdr_feed"',
        "URL: https://analytics-calling-eu.webexapis.com",
        "analytics.webexapis.com is wrong. Please use Analytics-Calling-EU.webexapis.com",
    ],
)
def test_the_host_of_the_right_region_is_found_in_either_wording(message: str) -> None:
    assert redirected_base(message, BASE) == EU


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Please use another region",
        "Please use evil.example.com",
        "Please use webexapis.com.evil.example",
        "Please use evilwebexapis.com",
        "Please use analytics.webexapis.com",
        "Please use https://analytics-calling-eu.webexapis.com:8443/",
    ],
)
def test_no_other_host_is_taken_from_a_message(message: str) -> None:
    assert redirected_base(message, BASE) is None


def test_a_host_behind_a_user_part_is_not_taken_for_the_one_before_it() -> None:
    found = redirected_base("Please use https://analytics-calling-eu.webexapis.com@evil.example", BASE)
    assert found in {None, EU}


def test_the_source_s_own_host_may_send_to_another_port_of_its_own() -> None:
    assert redirected_base("Please use 127.0.0.1:9001", "http://127.0.0.1:9000") == "http://127.0.0.1:9001"


ASKED = f"{BASE}/v1/partners/cdrsbyorg?orgId=a"


@pytest.mark.parametrize(
    ("link", "following"),
    [
        (None, None),
        ("", None),
        (f'<{ASKED}&cursor=2>; rel="next"', f"{ASKED}&cursor=2"),
        (f"<{ASKED}&cursor=2>; rel=next", f"{ASKED}&cursor=2"),
        (f'<<{ASKED}&cursor=2>>; rel="next"', f"{ASKED}&cursor=2"),
        (f'<{ASKED}&cursor=2>;rel=next"', f"{ASKED}&cursor=2"),
        (f'<{ASKED}&cursor=0>; rel="prev", <{ASKED}&cursor=2>; rel="next"', f"{ASKED}&cursor=2"),
        ('</v1/more?cursor=2>; rel="next"', f"{BASE}/v1/more?cursor=2"),
        (f'<{EU}/v1/more>; rel="next"', f"{EU}/v1/more"),
        (f'<{ASKED}>; rel="prev"', None),
    ],
)
def test_the_next_page_is_read_from_the_link_header(link: str | None, following: str | None) -> None:
    assert next_page(link, ASKED) == following


@pytest.mark.parametrize(
    "link",
    [
        '<https://evil.example/x>; rel="next"',
        '<http://analytics.webexapis.com/x>; rel="next"',
        '<//evil.example>; rel="next"',
        '<https://user:secret@analytics.webexapis.com/x>; rel="next"',
        '<https://[::1/x>; rel="next"',
    ],
)
def test_a_next_page_elsewhere_is_not_followed(link: str) -> None:
    with pytest.raises(AddressRefused):
        next_page(link, ASKED)


@pytest.mark.parametrize(
    "given",
    ["https://webexapis.com/v1/access_token", "http://127.0.0.1:8000/v1/authorize?of=1", "http://localhost/v1/x"],
)
def test_addresses_that_secrets_are_sent_to_are_kept_as_they_are(given: str) -> None:
    assert checked_address(given, "token-url") == given


@pytest.mark.parametrize(
    "given",
    [
        "",
        "webexapis.com",
        "http://webexapis.com/v1",
        "ftp://webexapis.com",
        "https://a:b@webexapis.com",
        "https://h/#f",
        "https://h:0/v1",
    ],
)
def test_others_are_refused_with_what_they_are_of(given: str) -> None:
    with pytest.raises(AddressRefused, match="token-url"):
        checked_address(given, "token-url")
