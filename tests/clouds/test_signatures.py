"""Signatures are those that AWS's own vectors and botocore's signers tell; what is not so signed is refused, and why.

aws4_vectors.json: requests and signatures of AWS's Signature Version 4 test suite (Apache License 2.0).
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote, urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from tailrace.clouds.direct.signatures import (
    UNSIGNED,
    Expected,
    Fault,
    Keys,
    Refused,
    Request,
    Scope,
    Verified,
    content_md5,
    presign_v4,
    sign_s3,
    sign_v2,
    sign_v4,
    verify,
)

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "aws4_vectors.json").read_text(encoding="utf-8"))
SUITE = Keys(access="AKIDEXAMPLE", secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
ELB = Scope("eucalyptus", "elasticloadbalancing")
TAKEN = Expected(services=("elasticloadbalancing",), region="eucalyptus")
HOST = ("Host", "cloud.example:8773")
TOKENED = replace(SUITE, token="a/token+of==")
KEYS = st.sampled_from([SUITE, TOKENED, Keys(access="AK/with:signs", secret="sécret")])
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8)
SEGMENTS = st.lists(WORDS.filter(lambda word: word not in (".", "..")), max_size=4)
TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
HEADERS = st.dictionaries(st.sampled_from(["X-Amz-Acl", "Content-Type", "X-Amz-Meta-A", "Content-MD5"]), TEXTS)


def secret_of(access: str) -> str | None:
    return {SUITE.access: SUITE.secret, "AK/with:signs": "sécret"}.get(access)


def refused(request: Request, expected: Expected = TAKEN, now: float = AT) -> tuple[Fault, str]:
    with pytest.raises(Refused) as raised:
        verify(request, secret_of, expected, now)
    assert SUITE.secret not in str(raised.value)
    return raised.value.fault, str(raised.value)


def with_headers(request: Request, *more: dict[str, str]) -> Request:
    added = [pair for each in more for pair in each.items()]
    return replace(request, headers=[*request.headers, *added])


def without(request: Request, name: str) -> Request:
    return replace(request, headers=[pair for pair in request.headers if pair[0].lower() != name.lower()])


def changed(request: Request, name: str, value: str) -> Request:
    return with_headers(without(request, name), {name: value})


@pytest.fixture
def signed() -> Request:
    request = Request("POST", "/services/LoadBalancing", "", [HOST], b"Action=DescribeLoadBalancers")
    return with_headers(request, sign_v4(request, SUITE, ELB, AT))


# The same as others make


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_the_signatures_of_aws_own_vectors_are_made(vector: dict[str, Any]) -> None:
    path, _, query = vector["target"].partition("?")
    body = vector["body"].encode("latin-1")
    signed_names = vector["signed"].split(";")
    headers = [(a, b) for a, b in vector["headers"] if a.lower() in signed_names and a != "X-Amz-Date"]
    told = sign_v4(Request(vector["method"], path, query, headers, body), SUITE, Scope("us-east-1", "service"), AT)
    assert told["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request,"
        f" SignedHeaders={vector['signed']}, Signature={vector['signature']}"
    )


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_requests_of_aws_own_vectors_are_taken(vector: dict[str, Any]) -> None:
    path, _, query = vector["target"].partition("?")
    authorization = (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request,"
        f" SignedHeaders={vector['signed']}, Signature={vector['signature']}"
    )
    headers = [*(tuple(pair) for pair in vector["headers"]), ("Authorization", authorization)]
    request = Request(vector["method"], path, query, headers, vector["body"].encode("latin-1"))
    taken = Expected(services=("service",), region="us-east-1")
    if not (path + query).isascii():
        assert refused(request, taken)[0] == Fault.MALFORMED
    else:
        found = verify(request, secret_of, taken, AT)
        assert (found.access_key, found.version, found.at, found.signature) == (
            SUITE.access, "v4", AT, vector["signature"],
        )  # fmt: skip


def by_botocore(kind: Callable[..., Any], request: Request, keys: Keys, *rest: Any, scheme: str = "http") -> AWSRequest:
    """The request as a signer of botocore leaves it, at the time of the suite."""
    url = f"{scheme}://{request.header('host')}{request.path}" + (f"?{request.query}" if request.query else "")
    headers = {name: value for name, value in request.headers if name != "Host"}
    made = AWSRequest(request.method, url, headers, request.body)
    now = datetime.fromtimestamp(AT, UTC)
    with (
        mock.patch("botocore.auth.get_current_datetime", return_value=now.replace(tzinfo=None)),
        mock.patch("botocore.auth.formatdate", return_value=formatdate(AT, usegmt=True)),
    ):
        kind(Credentials(keys.access, keys.secret, keys.token or None), *rest).add_auth(made)
    return made


@st.composite
def requests(draw: st.DrawFn, path: str = "") -> Request:
    path = path or "/" + "/".join(quote(each, safe="-_.~") for each in draw(SEGMENTS))
    pairs = draw(st.lists(st.tuples(WORDS.filter(bool), WORDS), max_size=4))
    query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
    headers = [HOST, *draw(HEADERS).items()]
    return Request(
        draw(st.sampled_from(["GET", "PUT", "POST", "DELETE"])), path, query, headers, draw(st.binary(max_size=20))
    )


@given(requests(), KEYS)
def test_version_4_is_as_botocore_signs(request: Request, keys: Keys) -> None:
    told = by_botocore(botocore.auth.SigV4Auth, request, keys, ELB.service, ELB.region)
    made = sign_v4(request, keys, ELB, AT)
    assert {name: told.headers[name] for name in made} == made
    assert verify(with_headers(request, made), secret_of, TAKEN, AT).token == keys.token


@given(request=requests(), keys=KEYS, hashed=st.booleans())
def test_version_4_of_s3_is_as_botocore_signs(request: Request, keys: Keys, *, hashed: bool) -> None:
    scope, taken = Scope("default", "s3"), Expected(services=("s3",), unsigned=not hashed)
    with mock.patch("botocore.auth.S3SigV4Auth._should_sha256_sign_payload", return_value=hashed):
        told = by_botocore(botocore.auth.S3SigV4Auth, request, keys, scope.service, scope.region)
    made = sign_v4(request, keys, scope, AT, "" if hashed else UNSIGNED)
    assert {name: told.headers[name] for name in made} == made
    assert verify(with_headers(request, made), secret_of, taken, AT).access_key == keys.access


@given(requests(), KEYS, st.sampled_from(["s3", "elasticloadbalancing"]))
def test_presigned_urls_are_as_botocore_makes_them(request: Request, keys: Keys, service: str) -> None:
    request = replace(request, method="GET", headers=[HOST], body=b"", query="")
    kind = {"s3": botocore.auth.S3SigV4QueryAuth}.get(service, botocore.auth.SigV4QueryAuth)
    told = by_botocore(kind, request, keys, service, "eucalyptus", 900)
    scope = Scope("eucalyptus", service)
    query = presign_v4(request, keys, scope, AT, 900)
    assert sorted(urlsplit(told.url).query.split("&")) == sorted(query.split("&"))
    found = verify(replace(request, query=query), secret_of, Expected(services=(service,)), AT + 899)
    assert (found.access_key, found.token) == (keys.access, keys.token)


@given(st.dictionaries(WORDS.filter(bool), WORDS, max_size=5), KEYS, st.sampled_from(["POST", "GET"]), SEGMENTS)
def test_version_2_is_as_botocore_signs(told: dict[str, str], keys: Keys, method: str, segments: list[str]) -> None:
    path = "/" + "/".join(quote(each) for each in segments)
    made = AWSRequest(method, f"http://cloud.example:8773{path}", {}, dict(told) if method == "POST" else None)
    made.params = dict(told)
    with mock.patch("time.gmtime", return_value=datetime.fromtimestamp(AT, UTC).timetuple()):
        botocore.auth.SigV2Auth(Credentials(keys.access, keys.secret, keys.token or None)).add_auth(made)
    expected = made.data if method == "POST" and told else made.params
    request = Request(method, path, "", [HOST])
    query = sign_v2(request, told, keys, AT)
    pairs = dict(pair.split("=") for pair in query.split("&"))
    assert pairs == {quote(a, safe="-_.~"): quote(b, safe="-_.~") for a, b in expected.items()}
    whole = replace(request, body=query.encode()) if method == "POST" else replace(request, query=query)
    assert verify(whole, secret_of, TAKEN, AT) == Verified(keys.access, "v2", expected["Signature"], AT, keys.token)


@given(requests(), KEYS, st.sampled_from(["", "acl", "acl&prefix=a%20b", "uploadId=a%2Fb&partNumber=1", "x=y"]))
def test_the_old_signature_of_s3_is_as_botocore_makes_it(request: Request, keys: Keys, query: str) -> None:
    request = replace(without(request, "Content-MD5"), query=query)
    request = with_headers(request, {"Content-MD5": content_md5(request.body)})
    told = by_botocore(botocore.auth.HmacV1Auth, request, keys)
    made = sign_s3(request, keys, AT)
    assert told.headers["Authorization"] == made["Authorization"]
    found = verify(with_headers(request, made), secret_of, Expected(services=("s3",)), AT)
    assert (found.access_key, found.version, found.at, found.token) == (keys.access, "s3", AT, keys.token)


def test_version_2_is_taken_with_the_host_as_clients_write_it() -> None:
    for host, signed_as in (
        ("cloud.example:8773", "cloud.example"),
        ("Cloud.Example", "cloud.example"),
        ("A.B", "A.B"),
    ):
        signer = botocore.auth.SigV2Auth(Credentials(SUITE.access, SUITE.secret))
        made = AWSRequest("POST", f"http://{signed_as}/", {}, {"Action": "A"})
        with mock.patch("time.gmtime", return_value=datetime.fromtimestamp(AT, UTC).timetuple()):
            signer.add_auth(made)
        body = "&".join(f"{name}={quote(value, safe='')}" for name, value in made.data.items()).encode()
        assert verify(Request("POST", "/", "", [("Host", host)], body), secret_of, TAKEN, AT).version == "v2"


# What is refused, and why


def test_a_request_without_a_signature_is_told_so(signed: Request) -> None:
    assert refused(without(signed, "Authorization")) == (Fault.ABSENT, "the request is not signed")
    assert refused(Request("GET", "/", "", [HOST], b"\xff"))[0] == Fault.ABSENT
    assert refused(Request("POST", "/", "", [HOST], b"\xff"))[0] == Fault.ABSENT


def test_a_key_that_is_not_known_is_told_so(signed: Request) -> None:
    other = signed.header("authorization").replace("AKIDEXAMPLE", "AKIDOTHER")
    assert refused(changed(signed, "Authorization", other)) == (Fault.UNKNOWN_KEY, "there is no access key 'AKIDOTHER'")


def test_a_wrong_secret_is_told_so_by_each_signature() -> None:
    wrong = Keys(access=SUITE.access, secret="another secret")
    plain = Request("GET", "/", "", [HOST])
    s3 = Expected(services=("s3",))
    assert refused(with_headers(plain, sign_v4(plain, wrong, ELB, AT)))[0] == Fault.WRONG
    assert refused(replace(plain, query=presign_v4(plain, wrong, ELB, AT, 60)))[0] == Fault.WRONG
    assert refused(replace(plain, query=sign_v2(plain, {}, wrong, AT)))[0] == Fault.WRONG
    assert refused(with_headers(plain, sign_s3(plain, wrong, AT)), s3)[0] == Fault.WRONG


@given(st.data())
def test_nothing_of_a_signed_request_can_be_changed(data: st.DataObject) -> None:
    request = Request("POST", "/a/b", "c=d", [HOST, ("X-Amz-Acl", "private")], b"body")
    whole = with_headers(request, sign_v4(request, SUITE, ELB, AT))
    change = data.draw(
        st.sampled_from(
            [
                {"method": "GET"},
                {"path": "/a/c"},
                {"query": "c=e"},
                {"query": "c=d&e=f"},
                {"query": ""},
                {"body": b"bodY"},
            ]
        )
    )
    assert refused(replace(whole, **change))[0] == Fault.WRONG
    name = data.draw(st.sampled_from(["Host", "X-Amz-Acl"]))
    value = data.draw(TEXTS.filter(lambda text: text not in (HOST[1], "private")))
    assert refused(changed(whole, name, value))[0] == Fault.WRONG
    assert refused(with_headers(whole, {name: value}))[0] == Fault.WRONG
    assert refused(without(whole, name))[0] == Fault.MALFORMED
    assert refused(with_headers(whole, {"X-Amz-Grant-Read": value}))[0] == Fault.MALFORMED


@pytest.mark.parametrize(
    "change", [{"method": "POST"}, {"path": "/c"}, {"query": "Prefix=b"}, {"body": b"a=b"}, {"query_more": "&x=y"}]
)
def test_nothing_of_a_request_of_version_2_can_be_changed(change: dict[str, Any]) -> None:
    request = Request("GET", "/", "", [HOST])
    query = sign_v2(request, {"Prefix": "a"}, SUITE, AT)
    if "query" in change:
        change = {"query": query.replace("Prefix=a", change["query"])}
    if more := change.pop("query_more", ""):
        change = {"query": query + more}
    if change == {"method": "POST"}:
        change = {"method": "POST", "query": "", "body": query.encode()}
    assert refused(replace(request, **{"query": query, **change}))[0] in (Fault.WRONG, Fault.MALFORMED)


@pytest.mark.parametrize("seconds", [-900, 0, 900])
def test_within_a_quarter_of_an_hour_a_request_is_taken(signed: Request, seconds: int) -> None:
    assert verify(signed, secret_of, TAKEN, AT + seconds).at == AT


@pytest.mark.parametrize(
    ("seconds", "fault", "told"),
    [
        (901, Fault.TOO_OLD, "the request was signed 901 s ago"),
        (-901, Fault.TOO_NEW, "the request was signed 901 s from now"),
    ],
)
def test_requests_of_another_time_are_refused(signed: Request, seconds: int, fault: Fault, told: str) -> None:
    plain = Request("GET", "/", "", [HOST])
    s3 = Expected(services=("s3",))
    assert refused(signed, now=AT + seconds)[0] == fault
    assert refused(signed, now=AT + seconds)[1].startswith(told)
    assert refused(replace(plain, query=sign_v2(plain, {}, SUITE, AT)), now=AT + seconds)[0] == fault
    assert refused(with_headers(plain, sign_s3(plain, SUITE, AT)), s3, AT + seconds)[0] == fault


def test_a_presigned_url_ends_when_it_says() -> None:
    plain = Request("GET", "/", "", [HOST])
    url = replace(plain, query=presign_v4(plain, SUITE, ELB, AT, 60))
    assert verify(url, secret_of, TAKEN, AT + 60).at == AT
    assert refused(url, now=AT + 61)[0] == Fault.TOO_OLD
    assert refused(url, now=AT - 901)[0] == Fault.TOO_NEW
    for expires in ("0", "604801", "-1", "x", "", "9999999"):
        longer = replace(plain, query=url.query.replace("X-Amz-Expires=60", f"X-Amz-Expires={expires}"))
        assert refused(longer) == (Fault.MALFORMED, "X-Amz-Expires must be a number of seconds from 1 to 604800")


def test_the_scope_has_to_fit(signed: Request) -> None:
    assert refused(signed, replace(TAKEN, region="other")) == (
        Fault.SCOPE, "the signature is for the region 'eucalyptus', not other",
    )  # fmt: skip
    assert refused(signed, Expected(services=("iam", "ec2"))) == (
        Fault.SCOPE, "the signature is for the service 'elasticloadbalancing', not ec2 or iam",
    )  # fmt: skip
    assert verify(signed, secret_of, replace(TAKEN, region=""), AT).version == "v4"
    yesterday = signed.header("authorization").replace("/20150830/", "/20150829/")
    assert refused(changed(signed, "Authorization", yesterday))[0] == Fault.SCOPE


def test_the_body_has_to_be_the_one_that_is_told_of() -> None:
    s3 = Expected(services=("s3",))
    plain = Request("PUT", "/b/k", "", [HOST], b"body")
    whole = with_headers(plain, sign_v4(plain, SUITE, Scope("r", "s3"), AT))
    assert refused(replace(whole, body=b"bodY"), s3)[0] == Fault.BODY
    unsigned = with_headers(plain, sign_v4(plain, SUITE, Scope("r", "s3"), AT, UNSIGNED))
    assert refused(unsigned, s3)[0] == Fault.MALFORMED
    assert verify(unsigned, secret_of, replace(s3, unsigned=True), AT).version == "v4"
    streaming = sign_v4(plain, SUITE, Scope("r", "s3"), AT, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    assert refused(with_headers(plain, streaming), replace(s3, unsigned=True))[0] == Fault.MALFORMED
    summed = with_headers(plain, {"Content-MD5": b64encode(b"x" * 16).decode()})
    assert refused(with_headers(summed, sign_s3(summed, SUITE, AT)), s3)[0] == Fault.BODY


@pytest.mark.parametrize(
    "authorization",
    [
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/r/s/aws4_request",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=/20150830/r/s/aws4_request, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/r/s/other, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=A/1/r/s/aws4_request, SignedHeaders=host, Signature=0, Signature=0",
        "AWS AKIDEXAMPLE:signature",
        "Basic dGVzdDp0ZXN0",
        "Bearer token",
    ],
)
def test_what_is_no_signature_is_told_so(authorization: str) -> None:
    assert refused(Request("GET", "/", "", [HOST, ("Authorization", authorization)]))[0] == Fault.MALFORMED


def test_a_date_has_to_be_there_and_signed(signed: Request) -> None:
    assert refused(without(signed, "X-Amz-Date"))[0] == Fault.MALFORMED
    assert refused(changed(signed, "X-Amz-Date", "yesterday"))[0] == Fault.MALFORMED
    unsigned = signed.header("authorization").replace(";x-amz-date", "")
    assert refused(changed(signed, "Authorization", unsigned)) == (
        Fault.MALFORMED, "these headers have to be signed: x-amz-date",
    )  # fmt: skip
    assert refused(changed(signed, "Authorization", unsigned.replace("=host", "=x-amz-date")))[0] == Fault.MALFORMED


def test_a_request_is_signed_but_once(signed: Request) -> None:
    plain = Request("GET", "/", "", [HOST])
    presigned = replace(signed, query=presign_v4(plain, SUITE, ELB, AT, 60))
    assert refused(presigned)[1].startswith("the request is signed twice")
    both = replace(plain, query=sign_v2(plain, {}, SUITE, AT), body=b"Action=Other")
    assert refused(both) == (Fault.MALFORMED, "parameters stand in the query or in the body, but not in both")
    twice = replace(plain, query=sign_v2(plain, {}, SUITE, AT) + "&AWSAccessKeyId=other")
    assert refused(twice) == (Fault.MALFORMED, "the parameter 'AWSAccessKeyId' is there twice")


def test_secrets_are_not_shown() -> None:
    assert SUITE.secret not in repr(SUITE)
    assert TOKENED.token not in repr(TOKENED)


NOISE = st.text(st.characters(max_codepoint=300), max_size=30)


@given(st.builds(Request, NOISE, NOISE, NOISE, st.lists(st.tuples(NOISE, NOISE)), st.binary(max_size=40)))
def test_noise_is_refused(request: Request) -> None:
    refused(request)


@given(st.data())
def test_spoilt_signatures_are_refused(data: st.DataObject) -> None:
    day = (datetime.fromtimestamp(AT, UTC) - timedelta()).strftime("%Y%m%d")
    piece = st.sampled_from(
        ["AWS4-HMAC-SHA256 ", "Credential=", f"AKIDEXAMPLE/{day}/r/elasticloadbalancing/aws4_request", ", ", "SignedHeaders=host",
         ";x-amz-date", "Signature=", "0" * 64, "AWS ", "\xff", "=", "/", "AKIDEXAMPLE:"]
    )  # fmt: skip
    authorization = "".join(data.draw(st.lists(piece, max_size=9)))
    headers = [HOST, ("Authorization", authorization), ("X-Amz-Date", "20150830T123600Z")]
    fault, _ = refused(Request("GET", "/", data.draw(NOISE), headers, sha256(b"").digest()))
    assert fault in Fault


@pytest.mark.parametrize("part", range(5))
@pytest.mark.parametrize("told", ["%E2%82%AC", "%C3%A9", "%FF", "%00%E2%82%AC"])
def test_a_credential_holds_nothing_but_ascii(part: int, told: str) -> None:
    request = Request("GET", "/", headers=[HOST])
    query = presign_v4(request, SUITE, ELB, AT, 60)
    name, _, credential = next(each for each in query.split("&") if "Credential" in each).partition("=")
    parts = credential.split("%2F")
    parts[part] = told
    changed = query.replace(credential, "%2F".join(parts))
    with pytest.raises(Refused) as raised:
        verify(replace(request, query=changed), lambda _: SUITE.secret, replace(TAKEN, region=""), AT)
    assert (name, raised.value.fault) == ("X-Amz-Credential", Fault.MALFORMED)


def test_only_a_server_of_s3_alone_takes_what_fits_any_body() -> None:
    """Old signatures of S3, presigned ones, and bodies that are not signed."""
    keys, scope = SUITE, Scope("eucalyptus", "s3")
    bare = Request("POST", "/bucket/key", headers=[("Host", "s3.example")])
    old = with_headers(bare, sign_s3(bare, keys, AT))
    presigned = replace(bare, query=presign_v4(bare, keys, scope, AT, 60), body=b"anything")
    unsigned = replace(with_headers(bare, sign_v4(bare, keys, scope, AT, UNSIGNED)), body=b"anything")
    alone = Expected(services=("s3", "s3"), unsigned=True)
    both = replace(alone, services=("s3", "elasticloadbalancing"))
    for request, fault in ((old, Fault.MALFORMED), (presigned, Fault.WRONG), (unsigned, Fault.MALFORMED)):
        assert verify(request, secret_of, alone, AT).access_key == keys.access
        assert refused(request, both)[0] == fault
