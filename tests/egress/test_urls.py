import pytest
from hypothesis import given
from hypothesis import strategies as st

from sautikitd.egress.urls import UrlFault, check_url


@pytest.mark.parametrize(
    "url",
    [
        "https://example.co.ke/hook",
        "https://example.com:8443/a?b=c#d",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
    ],
)
def test_ordinary_public_urls_are_good(url: str) -> None:
    assert check_url(url, live=True, allow_private=False) is None


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("ftp://example.com/", UrlFault.SCHEME),
        ("file:///etc/passwd", UrlFault.SCHEME),
        ("wss://example.com/", UrlFault.SCHEME),
        ("example.com/hook", UrlFault.SCHEME),
        ("", UrlFault.SCHEME),
        ("http://example.com/", UrlFault.INSECURE),
        ("https://me:pass@example.com/", UrlFault.CREDENTIALS),
        ("https://example.com@127.0.0.1/", UrlFault.CREDENTIALS),
        ("https:///path", UrlFault.HOST),
        ("https://127.0.0.1/", UrlFault.HOST),
        ("https://2130706433/", UrlFault.HOST),
        ("https://0x7f000001/", UrlFault.HOST),
        ("https://0177.0.0.1/", UrlFault.HOST),
        ("https://127.1/", UrlFault.HOST),
        ("https://127.0.0.1./", UrlFault.HOST),
        ("https://[::ffff:7f00:1]/", UrlFault.HOST),
        ("https://[::1]/", UrlFault.HOST),
        ("https://localhost/", UrlFault.HOST),
        ("https://LOCALHOST./", UrlFault.HOST),
        ("https://a.localhost/", UrlFault.HOST),
        ("https://a..b/", UrlFault.HOST),
        ("https://ex%61mple.com/", UrlFault.HOST),
        ("https://example.com:22/", UrlFault.PORT),
        ("https://example.com:5060/", UrlFault.PORT),
        ("https://example.com:0/", UrlFault.PORT),
        ("https://example.com:99999/", UrlFault.MALFORMED),
        ("https://example.com/a b", UrlFault.MALFORMED),
        ("https://example.com\\@127.0.0.1/", UrlFault.MALFORMED),
        ("https://example.com/\r\nHost: x", UrlFault.MALFORMED),
        ("https://[::1", UrlFault.MALFORMED),
        ("https://example.com/" + "a" * 9000, UrlFault.MALFORMED),
    ],
)
def test_a_bad_url_is_refused_with_its_fault(url: str, fault: UrlFault) -> None:
    problem = check_url(url, live=True, allow_private=False)
    assert problem is not None
    assert problem.fault is fault


def test_test_mode_takes_plain_http() -> None:
    assert check_url("http://example.com/", live=False, allow_private=False) is None


@pytest.mark.parametrize("url", ["http://localhost:9000/", "http://127.0.0.1:80/", "http://10.0.0.2:81/"])
def test_development_relaxes_https_hosts_and_ports(url: str) -> None:
    assert check_url(url, live=True, allow_private=True) is None


def test_stream_urls_are_websocket_urls() -> None:
    assert check_url("wss://example.com/s", live=True, allow_private=False, websocket=True) is None
    assert check_url("ws://example.com/s", live=True, allow_private=False, websocket=True) is not None
    assert check_url("https://example.com/s", live=True, allow_private=False, websocket=True) is not None


@given(st.text())
def test_no_text_makes_the_check_fail(text: str) -> None:
    check_url("https://" + text, live=True, allow_private=False)
