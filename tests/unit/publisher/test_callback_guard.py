"""Which URLs and addresses deliveries may go to."""

import pytest

from cdrelay.callbacks.guard import CallbackRefused, require_callback_url, why_not

REFUSED = {
    "127.0.0.1": "is loopback",
    "127.255.255.254": "is loopback",
    "::1": "is loopback",
    "0.0.0.0": "is unspecified",  # noqa: S104
    "::": "is unspecified",
    "10.0.0.1": "is private",
    "172.16.0.1": "is private",
    "192.168.1.1": "is private",
    "fd00::1": "is private",
    "169.254.169.254": "is link-local",
    "fe80::1": "is link-local",
    "fe80::1%eth0": "is link-local",
    "224.0.0.1": "is multicast",
    "224.0.1.1": "is multicast",
    "ff02::1": "is multicast",
    "ff0e::1": "is multicast",
    "100.64.0.1": "is not of the public internet",
    "192.0.2.1": "is private",
    "198.18.0.1": "is private",
    "240.0.0.1": "is private",
    "255.255.255.255": "is private",
    "fec0::1": "is not of the public internet",
    "64:ff9b:1::1": "is ",
    "5f00::1": "is reserved",
    "2001:db8::1": "is private",
    "::ffff:127.0.0.1": "is loopback",
    "::ffff:169.254.169.254": "is link-local",
    "::ffff:10.0.0.1": "is private",
    "::127.0.0.1": "is reserved",
    "64:ff9b::a9fe:a9fe": "is link-local",
    "64:ff9b::7f00:1": "is loopback",
    "2002:7f00:1::": "is loopback",
    "2002:a9fe:a9fe::1": "is link-local",
    "not an address": "is no IP address",
}


@pytest.mark.parametrize(("address", "words"), REFUSED.items())
def test_addresses_that_are_not_of_the_public_internet_are_refused(address: str, words: str) -> None:
    assert words in str(why_not(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "172.32.0.1"]
)
def test_addresses_of_the_public_internet_are_taken(address: str) -> None:
    assert why_not(address) is None


@pytest.mark.parametrize(
    "url", ["https://callback.example", "https://callback.example:8443/a?b=c", "https://8.8.8.8/", "https://[::1]/"]
)
def test_https_urls_are_taken(url: str) -> None:
    require_callback_url(url, allow_http=False)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "callback.example",
        "http://callback.example/",
        "ftp://callback.example/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://.callback.example/",
        "https://callback..example/",
        f"https://{'a' * 64}.example/",
        "https://user:pass@callback.example/",
        "https://user@callback.example/",
        "https://callback.example:99999/",
        "https://callback.example:0/",
        "https://callback.example:00/",
        "https://callback.example:-1/",
        "https://[::1]:0/",
        "https://callback.example:port/",
        "https://[::1/",
        "https://callback.example/a b",
        "https://callback.example/\r\nX-Injected: 1",
        "https://cällback.example/",
        "https://callback.example/" + "x" * 2_000,
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(CallbackRefused):
        require_callback_url(url, allow_http=False)


def test_http_is_taken_when_it_is_allowed() -> None:
    require_callback_url("http://callback.example/", allow_http=True)
