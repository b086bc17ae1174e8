"""What URLs and TLS files may be, and what is told of those that may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.certificates import Authority
from tailrace.errors import UsageError
from tailrace.transport import Connection, Endpoint, Tls, endpoint_of

SCHEMES = {"http": 80, "tcp": 0}


@pytest.mark.parametrize(
    ("url", "endpoint", "written"),
    [
        ("http://a", Endpoint("http", "a", 80), "http://a:80"),
        ("HTTP://A.example:8080/x/y", Endpoint("http", "a.example", 8080, "/x/y"), "http://a.example:8080"),
        ("tcp://[2001:db8::1]:5000", Endpoint("tcp", "2001:db8::1", 5000), "tcp://[2001:db8::1]:5000"),
        ("http://bücher.example", Endpoint("http", "xn--bcher-kva.example", 80), "http://xn--bcher-kva.example:80"),
    ],
)
def test_urls(url: str, endpoint: Endpoint, written: str) -> None:
    assert endpoint_of(url, SCHEMES) == endpoint
    assert str(endpoint) == written


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "not ''"),
        ("a:5000", "not 'a:5000'"),
        ("udp://a:5000", "expected http://HOST:PORT or tcp://HOST:PORT; not 'udp://a:5000'"),
        ("http://", "not 'http://'"),
        ("tcp://a", r"name the port, as in tcp://a:5000"),
        ("http://a:99999", "no URL"),
        ("http://[::1", "no URL"),
        ("http://a..b", "no URL"),
        ("http://a/?token=x", r"with \? or # behind it"),
        ("http://us:hidden@a", "give them as settings"),
        ("us:hidden@a:80", "give them as settings"),
        ("http://us:hid/den@a", "give them as settings"),
    ],
)
def test_what_is_no_url_is_told_without_its_secrets(url: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as error:
        endpoint_of(url, SCHEMES)
    assert "hid" not in str(error.value)
    assert "token=x" not in str(error.value)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    pair = Authority(tmp_path).pair("pair", password=b"hidden")
    other = Authority(tmp_path, "other").pair("other")
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    cases = [
        (Tls(ca="/nonexistent/ca.pem"), "/nonexistent/ca.pem: No such file"),
        (Tls(ca=str(junk)), "not in PEM"),
        (Tls(certificate=str(junk)), "junk.pem: .*not in PEM"),
        (Tls(certificate=str(pair.certificate), key=str(pair.key)), "needs a password"),
        (Tls(certificate=str(pair.certificate), key=str(other.key)), "does not fit together"),
        (Tls(key=str(pair.key)), "without its certificate"),
    ]
    for tls, told in cases:
        with pytest.raises(UsageError, match=told):
            Connection("https://a", tls)


def test_tls_for_a_server_without_it() -> None:
    with pytest.raises(
        UsageError, match="settings of TLS are given for a server without it; write its URL with https://"
    ):
        Connection("http://a", Tls(verify=False))
