"""Whose a request is: signed by botocore and by boto 2; wrong, old, used again, or changed on its way."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from loadbalancer.api.keepingshop import KEYS, Later, Shop, asked, client_at, sent, shop, told_of
from tailrace.clouds.direct.signatures import Keys, Request, Scope, presign_v4, sign_s3, sign_v4
from tailrace.loadbalancer.api.database import Database

DESCRIBE = {"Action": "DescribeLoadBalancerAttributes", "LoadBalancerName": "web"}
DISABLE = {"Action": "ModifyLoadBalancerAttributes", "LoadBalancerName": "web", "LoadBalancerAttributes__AccessLog__Enabled": "false"}  # fmt: skip
FORM = "application/x-www-form-urlencoded"
WAYS = [("v4", "POST"), ("v4", "GET"), ("v2", "POST"), ("v2", "GET")]


@pytest.fixture
def clock() -> Later:
    return Later()


@pytest.fixture
def timed(tmp_path: Path, store: str, clock: Later) -> Iterator[Shop]:
    with shop(tmp_path, store, clock=clock) as made:
        yield made


@pytest.mark.parametrize(("version", "method"), WAYS)
def test_a_right_signature_is_taken_and_a_wrong_one_refused(api: Shop, version: str, method: str) -> None:
    how = {"version": version, "method": method}
    assert sent(asked(api.url, **how, **DESCRIBE)).status == 200
    for path in ("services/LoadBalancing", "a%20b/"):
        assert sent(asked(api.url + path, **how, **DESCRIBE)).status == 200
    told = sent(asked(api.url, secret="another secret", **how, **DESCRIBE))
    assert (told.status, told.code) == (403, "SignatureDoesNotMatch")
    assert told.message.startswith("The request signature we calculated does not match")
    for user, (key, secret) in {"nobody": ("AKIANOBODY", "x")}.items():
        KEYS[user] = (key, secret)
        try:
            told = sent(asked(api.url, user, **how, **DESCRIBE))
        finally:
            del KEYS[user]
        assert (told.status, told.code) == (403, "InvalidClientTokenId")


@pytest.mark.parametrize("config", [{}, {"signature_version": "v2"}])
def test_boto3_is_taken_with_both_signatures(api: Shop, config: dict[str, Any]) -> None:
    elb = api.client("alice", **config)
    off = {"AccessLog": {"Enabled": False, "S3BucketPrefix": "a b+c/ä&<"}}
    elb.modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=off)
    assert api.lines[0]["signature"] == config.get("signature_version", "v4")
    assert [each["LoadBalancerName"] for each in elb.describe_load_balancers()["LoadBalancerDescriptions"]] == ["mail", "web"]  # fmt: skip


BOTO_2 = """
import json, sys
from boto.ec2.elb import ELBConnection
from boto.regioninfo import RegionInfo
key, secret, host, port = sys.argv[1:]
region = RegionInfo(name="eucalyptus", endpoint=host)
elb = ELBConnection(key, secret, is_secure=False, port=int(port), region=region, path="/services/LoadBalancing")
log = elb.get_lb_attribute("web", "accessLog")
before = log.enabled
log.s3_bucket_prefix, log.emit_interval, log.s3_bucket_name = "p", 5, "logs"
done = elb.modify_lb_attribute("web", "accessLog", log)
log = elb.get_lb_attribute("web", "accessLog")
names = [each.name for each in elb.get_all_load_balancers()]
json.dump([names, before, done, log.enabled, log.s3_bucket_name, log.s3_bucket_prefix, log.emit_interval], sys.stdout)
"""


@pytest.mark.skipif(not importlib.util.find_spec("boto"), reason="boto 2 does not run with this Python")
def test_boto_2_is_taken(api: Shop) -> None:
    place = api.url.split("/")[2].split(":")
    told = subprocess.run([sys.executable, "-W", "ignore", "-c", BOTO_2, *KEYS["alice"], *place], check=True, capture_output=True, text=True)  # fmt: skip
    assert json.loads(told.stdout) == [["mail", "web"], False, True, False, "logs", "p", 5]


def test_without_a_signature_nothing_is_told(api: Shop) -> None:
    for request in (AWSRequest("GET", api.url), AWSRequest("GET", f"{api.url}?Action=DescribeLoadBalancers&Version=2012-06-01")):  # fmt: skip
        told = sent(request)
        assert (told.status, told.code) == (403, "MissingAuthenticationToken")


@pytest.mark.parametrize(("version", "method"), WAYS)
@pytest.mark.parametrize(("ahead", "code"), [(14 * 60, ""), (20 * 60, "RequestExpired"), (-14 * 60, ""), (-20 * 60, "RequestExpired")])  # fmt: skip
def test_a_request_of_another_time_is_refused(
    timed: Shop, clock: Later, ahead: int, code: str, version: str, method: str
) -> None:
    request = asked(timed.url, version=version, method=method, **DESCRIBE)
    clock.ahead = ahead
    told = sent(request)
    assert (told.status, told.code) == ((400, code) if code else (200, ""))


@pytest.mark.parametrize(("version", "method"), WAYS)
def test_a_change_is_made_once_by_each_signature(timed: Shop, clock: Later, version: str, method: str) -> None:
    request = asked(timed.url, version=version, method=method, **DISABLE)
    assert sent(request).status == 200
    told = sent(request)
    assert (told.status, told.code) == (400, "Throttling")  # clients then sign anew
    for ahead in (10, 14 * 60):
        clock.ahead = ahead
        told = sent(request)
        assert (told.status, told.code) == (400, "RequestExpired")
        assert "was used before" in told.message
    clock.ahead = 0
    assert sent(asked(timed.url, version=version, method=method, **DISABLE, LoadBalancerAttributes__AccessLog__EmitInterval="5")).status == 200  # fmt: skip
    describe = asked(timed.url, version=version, method=method, **DESCRIBE)
    assert [sent(describe).status for _ in range(3)] == [200] * 3


def test_used_signatures_outlast_the_server(tmp_path: Path, store: str, clock: Later) -> None:
    with shop(tmp_path, store, clock=clock) as made:
        request = asked(made.url, **DISABLE)
        assert sent(request).status == 200
        place = made.url.split("/")[2]
    clock.ahead = 10
    with shop(tmp_path, store, clock=clock, settings={"listen": place}):
        assert "was used before" in sent(request).message


def test_used_signatures_are_forgotten_when_they_are_too_old_anyway(tmp_path: Path) -> None:
    with closing(Database.open(tmp_path / "lb.sqlite")) as database:
        assert [database.use(b"a", at, at - 1860) for at in (0, 10, 1860, 1861, 1862)] == [None, 0, 0, None, 1861]


def test_boto3_asks_again_by_itself_when_it_asks_for_the_same_twice_in_a_second(api: Shop) -> None:
    elb = client_at(api.url, retries={"total_max_attempts": 6, "mode": "standard"})
    for _ in range(3):
        elb.modify_load_balancer_attributes(
            LoadBalancerName="web", LoadBalancerAttributes={"AccessLog": {"Enabled": False}}
        )


@pytest.mark.parametrize(
    "change",
    [
        lambda request: setattr(request, "data", request.data.replace("web", "mail")),
        lambda request: setattr(request, "url", f"{request.url}?LoadBalancerName=mail"),
        lambda request: setattr(request, "url", f"{request.url}elsewhere"),
        lambda request: (
            request.headers.replace_header("X-Amz-Date", request.headers["X-Amz-Date"][:-3] + "00Z")
            if not request.headers["X-Amz-Date"].endswith("00Z")
            else request.headers.replace_header("X-Amz-Date", request.headers["X-Amz-Date"][:-3] + "01Z")
        ),
        lambda request: request.headers.replace_header(
            "Authorization", request.headers["Authorization"].replace("AKIAALICE", "AKIABOB")
        ),
        lambda request: request.headers.replace_header("Authorization", request.headers["Authorization"][:-1] + "g"),
        lambda request: request.headers.replace_header("Authorization", request.headers["Authorization"].upper()),
        lambda request: request.headers.replace_header(
            "Authorization", request.headers["Authorization"].replace("eucalyptus", "other")
        ),
        lambda request: request.headers.replace_header(
            "Authorization", request.headers["Authorization"].replace("elasticloadbalancing", "s3")
        ),
        lambda request: request.headers.__setitem__("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"),
        lambda request: request.headers.__setitem__("X-Amz-Security-Token", "token"),
    ],
)
def test_what_was_changed_on_its_way_is_refused(api: Shop, change: Any) -> None:
    request = asked(api.url, **DISABLE)
    change(request)
    told = sent(request)
    assert told.status in (400, 403)
    assert told.code in ("SignatureDoesNotMatch", "IncompleteSignature", "MalformedQueryString")
    assert api.client("alice").describe_load_balancer_attributes(LoadBalancerName="web")


def test_a_presigned_query_counts_for_fifteen_minutes_whatever_it_says(timed: Shop, clock: Later) -> None:
    url = f"{timed.url}?Action=DescribeLoadBalancers&Version=2012-06-01"
    request = AWSRequest("GET", url)
    SigV4QueryAuth(Credentials(*KEYS["alice"]), "elasticloadbalancing", "eucalyptus", expires=86400).add_auth(request)
    assert sent(request).status == 200
    clock.ahead = 16 * 60
    assert sent(request).code == "RequestExpired"


def to(api: Shop, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, str]:
    """Status and code of what is answered to a request with these headers, Host among them."""
    connection = HTTPConnection(api.url.split("/")[2], timeout=10)
    with closing(connection):
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        told = told_of(answer.status, answer.read())
    return told.status, told.code


ALICES = Keys(access=KEYS["alice"][0], secret=KEYS["alice"][1])
DESCRIBED = urlencode({"Action": "DescribeLoadBalancers", "Version": "2012-06-01"})
CHANGED = urlencode({each.replace("__", "."): value for each, value in {**DISABLE, "Version": "2012-06-01"}.items()})


@pytest.mark.parametrize("told", [DESCRIBED, CHANGED])
@pytest.mark.parametrize("host", ["s3.cloud.example", "S3.cloud.example", "s3", "elasticloadbalancing.cloud.example"])
def test_what_was_signed_as_s3_did_once_is_no_signature_here(api: Shop, host: str, told: str) -> None:
    """A tenant lists his buckets; who sees that request puts parameters of ours after it, which S3 does not sign."""
    signed = sign_s3(Request("GET", "/", headers=(("Host", host),)), ALICES, time.time())
    assert to(api, "GET", f"/?{told}", {"Host": host, **signed}) == (400, "IncompleteSignature")


@pytest.mark.parametrize("told", [DESCRIBED, CHANGED])
@pytest.mark.parametrize("host", ["s3.cloud.example", "S3.cloud.example", "elb.cloud.example"])
def test_what_was_presigned_for_s3_carries_no_form_here(api: Shop, host: str, told: str) -> None:
    """S3 does not sign the body of what is presigned: who is given such a URL could ask for anything."""
    bare = Request("POST", "/bucket/key", headers=(("Host", host),))
    query = presign_v4(bare, ALICES, Scope("eucalyptus", "s3"), time.time(), 600)
    form = {"Host": host, "Content-Type": FORM}
    assert to(api, "POST", f"/bucket/key?{query}", form, told.encode()) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    ("host", "service", "taken"),
    [
        ("elb.cloud.example", "elb", True),
        ("loadbalancing.cloud.example:8773", "loadbalancing", True),
        ("127.0.0.1", "127", True),
        ("other.cloud.example", "elasticloadbalancing", True),
        *((f"{each}.cloud.example", each, False) for each in ("s3", "ec2", "iam", "sts", "sqs", "monitoring", "any")),
    ],
)
def test_a_host_that_names_another_service_does_not_make_us_that(
    api: Shop, host: str, service: str, taken: object
) -> None:
    asked_for = Request("POST", "/", headers=(("Host", host), ("Content-Type", FORM)), body=DESCRIBED.encode())
    headers = {**dict(asked_for.headers), **sign_v4(asked_for, ALICES, Scope("eucalyptus", service), time.time())}
    answer = to(api, "POST", "/", headers, asked_for.body)
    assert answer == ((200, "") if taken else (403, "SignatureDoesNotMatch"))


def test_keys_with_a_token_are_not_known_here(api: Shop) -> None:
    credentials = Credentials(*KEYS["alice"], token="a token")
    from botocore.auth import SigV4Auth  # noqa: PLC0415

    request = AWSRequest("GET", f"{api.url}?Action=DescribeLoadBalancers&Version=2012-06-01")
    SigV4Auth(credentials, "elasticloadbalancing", "eucalyptus").add_auth(request)
    assert sent(request).code == "InvalidClientTokenId"
