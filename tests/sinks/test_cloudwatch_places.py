"""Where records go: names of groups and streams that CloudWatch Logs takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.strict_logs_rules import GROUP, STREAM
from tailrace.errors import UsageError
from tailrace.model import Identity
from tailrace.sinks._cloudwatch_places import Place, Places

ALB = "p/AWSLogs/123456789012/elasticloadbalancing/us-east-2/2026/05/01/{}123456789012_elasticloadbalancing_us-east-2_{}.log.gz"
APP = "app.my-lb.1234567890abcdef_20220215T2340Z_172.160.001.192_20sg8hgm"
DAY = 20_719  # 2026-09-23


def of(key: str, container: str = "my-bucket", kind: str = "s3") -> Identity:
    return Identity(kind, container, key, "1")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (ALB.format("", APP), ("my-lb", "123456789012", "us-east-2", "alb")),
        (ALB.format("conn_log_", APP), ("my-lb", "123456789012", "us-east-2", "alb_connection")),
        (ALB.format("health_check_log_", APP), ("my-lb", "123456789012", "us-east-2", "alb_health")),
        (
            "x/123456789012_elasticloadbalancing_eucalyptus_web-1_20170425T1200Z_192.0.2.1_ab12cd34.log",
            ("web-1", "123456789012", "eucalyptus", "clb"),
        ),
        ("haproxy/2026/11/20/lb1.log", ("lb1", "unknown", "eu-west-1", "unknown")),
        ("haproxy.log.1.gz", ("haproxy", "unknown", "eu-west-1", "unknown")),
        ("haproxy.log-20261120.zst", ("haproxy", "unknown", "eu-west-1", "unknown")),
        ("a.b.txt", ("a.b", "unknown", "eu-west-1", "unknown")),
        (".log", (".log", "unknown", "eu-west-1", "unknown")),
        ("-", ("s3", "unknown", "eu-west-1", "unknown")),
        ("", ("s3", "unknown", "eu-west-1", "unknown")),
    ],
)
def test_what_a_key_tells(key: str, expected: tuple[str, ...]) -> None:
    for field, value in zip(("load_balancer", "account", "region", "format"), expected, strict=True):
        assert Places("g", f"{{{field}}}", "eu-west-1").place(of(key), None, None) == ("g", value)


@pytest.mark.parametrize(
    ("key", "stream"),
    [
        ("*@20261122T034900.000Z.json", "aws/lambda/shop"),
        ("app@20261122T034900.000Z.log", "app"),
        ("2026/11/22/[$LATEST]c0ffee@20261122T034900.000Z.json", "2026/11/22/[$LATEST]c0ffee"),
        ("me@host@20261122T034900.000Z.json", "me@host"),
    ],
)
def test_events_of_a_log_group_go_on_in_a_stream_that_is_the_same_for_every_window(key: str, stream: str) -> None:
    item = of(key, "/aws/lambda/shop", "cloudwatch")
    assert Places("g", "{load_balancer}", "").place(item, None, None).stream == stream


def test_date_format_and_bucket() -> None:
    places = Places("/logs/{bucket}/{format}", "{load_balancer}/{date}", "")
    key = of(ALB.format("", APP))
    assert places.place(key, DAY, None) == Place("/logs/my-bucket/alb", "my-lb/2026-09-23")
    assert places.place(key, DAY, "haproxy_tcp") == Place("/logs/my-bucket/haproxy_tcp", "my-lb/2026-09-23")
    assert places.place(key, None, None).stream == "my-lb/unknown"
    assert places.place(key, 10**7, None).stream == "my-lb/unknown"
    assert places.place(of("/var/log/x.log", "", "file"), DAY, None).group == "/logs/unknown/unknown"
    assert (places.by_day, places.by_format) == (True, True)


@pytest.mark.parametrize(
    ("group", "stream", "told"),
    [
        ("logs:alb", "s", "'logs:alb' cannot be the name of a log group: 1 to 512 of the characters"),
        ("aws/lambda", "s", "not beginning with aws/"),
        ("x" * 513, "s", "cannot be the name of a log group"),
        ("g", "a:b", "stream: 'a:b' cannot be the name of a log stream: 1 to 512 characters without : and *"),
        ("g", "*", "cannot be the name of a log stream"),
        ("g", "", "cannot be the name of a log stream"),
        ("g", "{elb}", "stream: '{elb}' names what is not there; in braces may stand {load_balancer}, {account}"),
        ("{nothing}", "s", "the log group: '{nothing}' names what is not there"),
        ("g", "{date", "names what is not there"),
    ],
)
def test_templates_that_cannot_be_are_told(group: str, stream: str, told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        Places(group, stream, "")


def test_a_group_of_a_balancer_called_aws_is_none_of_aws() -> None:
    assert Places("{bucket}/x", "s", "").place(of("k", "aws"), None, None).group == "_aws/x"
    assert Places("/aws/lb", "s", "").place(of("k"), None, None).group == "/aws/lb"


@given(st.text(max_size=600), st.text(max_size=40))
def test_names_can_always_be(key: str, container: str) -> None:
    places = Places("/{bucket}.{load_balancer}", "{load_balancer}{date}{bucket}", "r")
    place = places.place(of(key, container), DAY, None)
    assert GROUP.fullmatch(place.group)
    assert STREAM.fullmatch(place.stream)
    place.stream.encode()


def test_a_key_that_is_no_utf_8_makes_a_name_that_is() -> None:
    key = b"logs/\xff\xfe.log".decode("utf-8", "surrogateescape")
    assert Places("g", "{load_balancer}", "").place(of(key), None, None).stream == "s3"
