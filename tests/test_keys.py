"""What the key of a log in S3 tells; the keys are those of the vendor's user guides."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from parsing import SAMPLES
from tailrace.keys import parse_key

ROOT = "prefix/AWSLogs/123456789012/elasticloadbalancing/us-east-2/2026/05/01"
ALB = "123456789012_elasticloadbalancing_us-east-2_app.my-loadbalancer.1234567890abcdef_20220215T2340Z_172.160.001.192_20sg8hgm"


def test_all_that_a_key_tells() -> None:
    key = parse_key(f"{ROOT}/{ALB}.log.gz")
    assert key is not None
    assert (key.format, key.account, key.region) == ("alb", "123456789012", "us-east-2")
    assert (key.load_balancer, key.resource) == ("my-loadbalancer", "app/my-loadbalancer/1234567890abcdef")
    assert key.end == datetime(2022, 2, 15, 23, 40, tzinfo=UTC)
    assert key.node == "172.160.001.192"


@pytest.mark.parametrize(
    ("name", "format_name", "balancer"),
    [
        (f"{ALB}.log.gz", "alb", "my-loadbalancer"),
        (f"{ALB}.log", "alb", "my-loadbalancer"),
        (f"conn_log.{ALB}.log.gz", "alb_connection", "my-loadbalancer"),
        (f"conn_log_{ALB}.log.gz", "alb_connection", "my-loadbalancer"),
        (f"health_check_log_{ALB}.log.gz", "alb_health", "my-loadbalancer"),
        (
            "123456789012_elasticloadbalancing_us-east-2_net.web.1234567890abcdef_20260501T0000Z_20sg8hgm.log.gz",
            "nlb",
            "web",
        ),
        ("123456789012_elasticloadbalancing_us-west-2_my-lb_20180430T1200Z_192.0.2.1_5abc.log", "clb", "my-lb"),
        # As Eucalyptus writes them, whose region is no region, and into folders of dates without zeros.
        (
            "000123456789_elasticloadbalancing_eucalyptus_my-elb-1_20170405T1200Z_10.0.0.7_a1b2c3d4.log",
            "clb",
            "my-elb-1",
        ),
        # Names that look like something else.
        ("123456789012_elasticloadbalancing_us-west-2_app_20180430T1200Z_192.0.2.1_5abc.log", "clb", "app"),
        (
            "123456789012_elasticloadbalancing_us-west-2_elasticloadbalancing_20180430T1200Z_192.0.2.1_5abc.log",
            "clb",
            "elasticloadbalancing",
        ),
        (f"{ALB.replace('us-east-2', 'us-gov-west-1')}.log.gz", "alb", "my-loadbalancer"),
        (f"{ALB.replace('172.160.001.192', '2001:db8::1')}.log.gz", "alb", "my-loadbalancer"),
    ],
)
def test_the_kind_of_log(name: str, format_name: str, balancer: str) -> None:
    organisation = f"AWSLogs/o-a1b2c3d4e5/123456789012/elasticloadbalancing/eu-west-1/2026/05/01/{name}"
    for key in (
        name,
        f"{ROOT}/{name}",
        f"AWSLogs/1/elasticloadbalancing/eucalyptus/2017/4/5/{name}",
        organisation,
        f"copied/by/hand/{name}",
    ):
        told = parse_key(key)
        assert told is not None
        assert (told.format, told.load_balancer) == (format_name, balancer)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "access.log",
        "AWSLogs/123456789012/ELBAccessLogTestFile",
        f"{ALB}.log.gz.tmp",
        f"{ALB}.txt",
        ALB.replace("123456789012", "12345") + ".log.gz",
        f"other_log_{ALB}.log.gz",
        ALB.replace("app.", "gwy.") + ".log.gz",
        "conn_log_123456789012_elasticloadbalancing_us-east-2_net.web.1234567890abcdef_20260501T0000Z_20sg8hgm.log.gz",
        f"{ALB}.log.gz/",
    ],
)
def test_what_is_no_log_of_a_load_balancer(name: str) -> None:
    assert parse_key(name) is None


def test_a_time_that_cannot_be_is_none() -> None:
    told = parse_key(ALB.replace("0215T2340", "9915T2340") + ".log")
    assert told is not None
    assert told.end is None


def test_every_sample_is_known_by_its_key() -> None:
    keys = (SAMPLES / "s3" / "AWSLogs").rglob("*.log*")
    found = sorted(told.format for path in keys if (told := parse_key(str(path))))
    assert found == ["alb", "alb_connection", "alb_health", "clb", "nlb"]
