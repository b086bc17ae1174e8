"""Whatever is sent, the answer is well-formed, of AWS's shape, and never a failure of the server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from loadbalancer.api.keepingshop import FRONT, KEYS, Shop, shop, told_of

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(FUZZ, max_examples=20_000)
LOG = "LoadBalancerAttributes.AccessLog."
ACTIONS = (
    "ModifyLoadBalancerAttributes",
    "DescribeLoadBalancerAttributes",
    "DescribeLoadBalancers",
    "CreateLoadBalancer",
    "",
)
NAMES = (
    "LoadBalancerName", f"{LOG}Enabled", f"{LOG}S3BucketName", f"{LOG}S3BucketPrefix", f"{LOG}EmitInterval", f"{LOG}", "LoadBalancerAttributes",
    "LoadBalancerAttributes.CrossZoneLoadBalancing.Enabled", "LoadBalancerAttributes.AdditionalAttributes.member.1.Key", "LoadBalancerArn",
    "Attributes.member.1.Key", "Attributes.member.1.Value", "Attributes.member.2.Key", "Attributes.member.01.Key", "Attributes.member.99999.Key",
    "Attributes.member", "Attributes.member.1", "LoadBalancerNames.member.1", "LoadBalancerNames.member.x", "Names.member.1", "LoadBalancerArns.member.1",
    "PageSize", "Marker", "Version", "Action", "X-Amz-Date", "X-Amz-Signature", "X-Amz-Algorithm", "AWSAccessKeyId", "Signature", "SignatureVersion",
    "SignatureMethod", "Timestamp", "Expires", "SecurityToken",
)  # fmt: skip
VALUES = (
    "web", "mail", "front", FRONT, "true", "false", "TRUE", "5", "60", "0", "-1", "5.0", "1e9", "٥", "9" * 40, "access_logs.s3.enabled",
    "access_logs.s3.bucket", "access_logs.s3.prefix", "logs", "AWSLogs", "a/b", "/", "..", "&lt;", "<x/>", "]]>", "<![CDATA[", "&#0;", "\0", "\x0b", "\r\n", "\t",
    "\ufffe", "\ud7ff", "𝔵", "%00", "%", "' OR 1=1 --", "2012-06-01", "2015-12-01", "2", "HmacSHA256", "AKIAALICE", "20261122T080000Z", "x" * 70_000, "ä" * 600, "",
)  # fmt: skip
texts = st.one_of(st.sampled_from(VALUES), st.text(max_size=40), st.text(alphabet="<>&'\"%+;=\0\n ", max_size=10))
pairs = st.lists(st.tuples(st.one_of(st.sampled_from(NAMES), st.text(max_size=12)), texts), max_size=8)
ASKED = tuple(name for name in NAMES if name[:4] in ("Load", "Attr", "Page", "Mark", "Name"))
CLEAN = tuple(value for value in VALUES if value.isprintable() and len(value) < 1000)
likely = st.dictionaries(
    st.sampled_from(ASKED), st.one_of(st.sampled_from(CLEAN), st.text(alphabet="aZ9 <>&\"'/.%+äλ𝔵\n", max_size=8)), max_size=5
).map(lambda told: list({"LoadBalancerName": "web", "LoadBalancerArn": FRONT, **told}.items()))  # fmt: skip
"""Parameters that come as far as being looked at."""
few = likely.flatmap(lambda told: st.sampled_from([told, told[2:], told[:1] + told[2:], told[1:]]))
VERSIONS = st.sampled_from(["2012-06-01", "2015-12-01"] * 4 + ["", "1"])


class NoStore:
    """A store that takes everything: what is tried here is the API."""

    def put_object(self, **told: Any) -> None:
        assert "/" not in told["Bucket"]


@pytest.fixture(scope="module")
def open_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    with shop(folder, lambda _service: NoStore()) as made:
        yield made


class Line:
    """A connection that is made anew when it was closed."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._place = (str(parts.hostname), int(parts.port or 0))

    def told(self, data: bytes) -> tuple[int, bytes] | None:
        """The first answer to some bytes; None if the connection is closed without one."""
        with socket.create_connection(self._place, timeout=20) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as file:
                first = file.readline()
                if not first:
                    return None
                assert first.startswith(b"HTTP/1.1 "), first
                headers = dict(line.split(b": ", 1) for line in iter(lambda: file.readline().rstrip(b"\r\n"), b""))
                body = file.read(int(headers[b"Content-Length"]))
        assert b"Traceback" not in body
        return int(first.split()[1]), body


def ask(api: Shop, method: str, target: str, headers: dict[str, str], body: bytes) -> int | None:
    """The status of a request; the answer is checked."""
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    answer = Line(api.url).told("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
    if answer is None:
        return None
    assert all("error" not in line for line in api.lines), api.lines[-1]
    api.lines.clear()
    return told_of(*answer).status


def signed(api: Shop, method: str, query: str, body: bytes, kind: str) -> dict[str, str]:
    """The headers of a request that is signed as it is, whatever it holds."""
    host = urlsplit(api.url).netloc
    request = AWSRequest(method, f"http://{host}/?{query}", headers={"Host": host, "Content-Type": kind}, data=body)
    SigV4Auth(Credentials(*KEYS["alice"]), "elasticloadbalancing", "eucalyptus").add_auth(request)
    return dict(request.headers.items())


FORM = "application/x-www-form-urlencoded"


def try_parameters(api: Shop, action: str, version: str, told: list[tuple[str, str]], method: str) -> None:
    body = urlencode(
        [("Action", action), ("Version", version), *told], errors="surrogatepass", quote_via=quote
    ).encode()
    query = ""
    if method == "GET":
        query, body = body.decode(), b""
    headers = signed(api, method, query, body, FORM)
    ask(api, method, f"/?{query}" if query else "/", headers, body)


parameters = given(
    action=st.sampled_from([*ACTIONS[:3] * 4, *ACTIONS]),
    version=VERSIONS,
    told=few | likely | pairs,
    method=st.sampled_from(["GET", "POST"]),
)


@FUZZ
@parameters
@example(
    ACTIONS[0],
    "2012-06-01",
    [("LoadBalancerName", "web"), (f"{LOG}Enabled", "true"), (f"{LOG}S3BucketName", "x\ud800")],
    "POST",
)
@example(
    ACTIONS[0],
    "2012-06-01",
    [("LoadBalancerName", "web"), (f"{LOG}Enabled", "true"), (f"{LOG}Enabled", "false")],
    "POST",
)
@example(ACTIONS[0], "2015-12-01", [("LoadBalancerArn", FRONT), ("Attributes.member.1", "x")], "POST")
def test_parameters_of_any_kind(
    open_shop: Shop, action: str, version: str, told: list[tuple[str, str]], method: str
) -> None:
    try_parameters(open_shop, action, version, told, method)


@pytest.mark.long
@LONG
@parameters
def test_many_more_parameters(
    open_shop: Shop, action: str, version: str, told: list[tuple[str, str]], method: str
) -> None:
    try_parameters(open_shop, action, version, told, method)


log_values = st.one_of(st.sampled_from(CLEAN), st.text(alphabet="aZ9 <>&\"'/.%+äλ𝔵\n\r\t", max_size=12))


@FUZZ
@given(
    enabled=st.sampled_from(["true", "false", "False", "1"]),
    told=st.fixed_dictionaries({}, optional={"S3BucketName": log_values, "S3BucketPrefix": log_values, "EmitInterval": st.sampled_from(["5", "60", "6", "x", ""])}),
)  # fmt: skip
def test_what_is_taken_of_a_log_is_told_as_it_was_taken(open_shop: Shop, enabled: str, told: dict[str, str]) -> None:
    values = {"Enabled": enabled, **told}
    parameters = {"LoadBalancerName": "web", **{f"{LOG}{key}": value for key, value in values.items()}}
    body = urlencode({"Action": ACTIONS[0], "Version": "2012-06-01", **parameters}, quote_via=quote).encode()
    status = ask(open_shop, "POST", "/", signed(open_shop, "POST", "", body, FORM), body)
    if status != 200:
        assert status in (400, 409)
        return
    answer = open_shop.client().describe_load_balancer_attributes(LoadBalancerName="web")
    log = answer["LoadBalancerAttributes"]["AccessLog"]
    assert log["Enabled"] == (enabled.lower() == "true")
    for key, value in told.items():
        assert str(log[key]) == value


@FUZZ
@given(body=st.one_of(st.binary(max_size=200), st.sampled_from([b"Action=%", b"Action=%ff", b"Action=%C3%28", b"a" * 65536, b"&" * 5000, b"a&" * 2000])),
       kind=st.sampled_from([FORM, f"{FORM}; charset=utf-16", "application/json", "text/xml", "", "multipart/form-data; boundary=x"]))  # fmt: skip
def test_bodies_of_any_kind(open_shop: Shop, body: bytes, kind: str) -> None:
    status = ask(open_shop, "POST", "/", signed(open_shop, "POST", "", body, kind), body)
    assert status is not None
    assert status >= 400


@FUZZ
@given(query=st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=60), safe=st.booleans())
def test_queries_of_any_kind(open_shop: Shop, query: str, *, safe: bool) -> None:
    told = quote(query) if safe else query
    status = ask(open_shop, "GET", f"/?Action=DescribeLoadBalancers&{told}", {"Host": "here"}, b"")
    assert status is not None
    assert status >= 400


@FUZZ
@given(authorization=st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=80), stamp=st.sampled_from(["20261122T080000Z", "00000000T000000Z", "99991231T235959Z", "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359", "x", ""]))  # fmt: skip
@example(
    "AWS4-HMAC-SHA256 Credential=AKIAALICE/20261122/e/elasticloadbalancing/aws4_request, SignedHeaders=host;x-amz-date, Signature=0",
    "99991231T235959Z",
)
@example(
    "AWS4-HMAC-SHA256 Credential=AKIAALICE/20261122/e/elasticloadbalancing/aws4_request, SignedHeaders=host;date, Signature=0",
    "Mon, 01 Jan 0001 00:00:00 +2359",
)
@example("AWS4-HMAC-SHA256 Credential=/////, SignedHeaders=, Signature=", "")
def test_signatures_of_any_kind(open_shop: Shop, authorization: str, stamp: str) -> None:
    for name in ("X-Amz-Date", "Date"):
        headers = {"Host": "here", "Authorization": authorization, name: stamp}
        status = ask(open_shop, "GET", "/?Action=DescribeLoadBalancers&Version=2012-06-01", headers, b"")
        assert status is not None
        assert status >= 400


@FUZZ
@given(st.lists(st.tuples(st.sampled_from(["AWSAccessKeyId", "Signature", "SignatureVersion", "SignatureMethod", "Timestamp", "Expires", "X-Amz-Algorithm",
                                           "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"]),
                          st.one_of(st.sampled_from([*VALUES, "AWS4-HMAC-SHA256", "host", "AKIAALICE/20261122/e/elasticloadbalancing/aws4_request",
                                                     "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"]), st.text(max_size=10))), max_size=7))  # fmt: skip
def test_signing_parameters_of_any_kind(open_shop: Shop, told: list[tuple[str, str]]) -> None:
    query = urlencode([("Action", "DescribeLoadBalancers"), ("Version", "2012-06-01"), *told], errors="surrogatepass")
    status = ask(open_shop, "GET", f"/?{query}", {"Host": "here"}, b"")
    assert status is not None
    assert status >= 400


@FUZZ
@given(data=st.one_of(st.binary(max_size=300), st.lists(st.sampled_from([b"GET", b" ", b"/", b"HTTP/1.1", b"\r\n", b"\n", b"Host:", b"x", b":", b"\0", b"Content-Length:", b"5", b"%", b"\xff", b"POST", b"\r\n\r\n"]), max_size=30).map(b"".join)))  # fmt: skip
def test_bytes_of_any_kind(open_shop: Shop, data: bytes) -> None:
    answer = Line(open_shop.url).told(data)
    if answer is not None:
        assert told_of(*answer).status >= 400


@FUZZ
@given(cut=st.integers(0, 700))
def test_half_of_a_good_request(open_shop: Shop, cut: int) -> None:
    body = urlencode({"Action": "DescribeLoadBalancers", "Version": "2012-06-01"}).encode()
    headers = {**signed(open_shop, "POST", "", body, FORM), "Content-Length": str(len(body))}
    whole = (
        "POST / HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    ).encode() + body
    answer = Line(open_shop.url).told(whole[:cut])
    if cut >= len(whole):
        assert answer is not None
        assert told_of(*answer).status == 200
    else:
        assert answer is None
