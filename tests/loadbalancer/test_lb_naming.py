"""Names of buckets and objects: exactly AWS's, exactly the recipe's, or the user's; never two objects of one name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forming import WEB
from tailrace.accesslogging import AccessLogging
from tailrace.errors import UsageError
from tailrace.keys import parse_key, time_of
from tailrace.loadbalancer.model import Balancer, Slot
from tailrace.loadbalancer.naming import identifier, naming
from tailrace.quantities import Duration

AT = datetime(2014, 2, 15, 23, 40, tzinfo=UTC).timestamp()
SLOT = Slot(AT - 300, AT)
RANDOM = "20sg8hgm"
NEXT = datetime(2014, 3, 5, 0, 0, tzinfo=UTC).timestamp()


class Suffixed:
    """As much of a form as names need."""

    content_type = ""

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix

    def write(self, lines: Any, out: Any, slot: Any) -> Any:
        raise NotImplementedError


LOG, PACKED = Suffixed(".log"), Suffixed(".log.gz")


def key(balancer: Balancer = WEB, slot: Slot = SLOT, like: Suffixed = LOG, **of: Any) -> str:
    """The name of an object under these settings."""
    return naming(AccessLogging(**{"bucket": "logs", **of}), balancer, like, "aws").key(balancer, slot, RANDOM)


def bucket(balancer: Balancer = WEB, store: Any = "eucalyptus", **of: Any) -> str:
    """The bucket under these settings."""
    return naming(AccessLogging(**of), balancer, LOG, store).bucket(balancer)


def test_the_names_of_a_classic_load_balancer_are_those_of_the_users_guide() -> None:
    assert key(Balancer(name="my-loadbalancer", account="123456789012", region="us-west-2", address="172.160.001.192"), prefix="my-app") == (
        "my-app/AWSLogs/123456789012/elasticloadbalancing/us-west-2/2014/02/15/"
        "123456789012_elasticloadbalancing_us-west-2_my-loadbalancer_20140215T2340Z_172.160.001.192_20sg8hgm.log"
    )  # fmt: skip


def test_the_names_of_an_application_load_balancer_are_those_of_the_users_guide() -> None:
    lb = Balancer(
        name="my-loadbalancer",
        id="1234567890abcdef",
        account="123456789012",
        region="us-east-2",
        address="172.160.001.192",
    )
    assert key(lb, like=PACKED, type="application", prefix="/prefix/") == (
        "prefix/AWSLogs/123456789012/elasticloadbalancing/us-east-2/2014/02/15/"
        "123456789012_elasticloadbalancing_us-east-2_app.my-loadbalancer.1234567890abcdef_20140215T2340Z_172.160.001.192_20sg8hgm.log.gz"
    )


def test_the_recipes_names_are_exactly_the_recipes() -> None:
    of = {"layout": "eucalyptus", "bucket": "eucalyptus"}
    assert bucket(**of) == bucket(layout="eucalyptus") == "access_logs-web_203.0.113.9_1a2b3c4d"
    made = naming(AccessLogging(**of), WEB, LOG, "eucalyptus")  # type: ignore[arg-type]
    end = datetime(2014, 12, 11, 5, 13, 54, tzinfo=UTC).timestamp()
    assert made.key(WEB, Slot(end - 300, end), RANDOM) == "elb-access-11122014-051354.log"


def test_the_recipes_names_never_meet_in_a_bucket_of_several_machines() -> None:
    assert key(layout="eucalyptus", bucket="logs") == "web/1a2b3c4d/elb-access-15022014-234000.log"
    assert key(layout="eucalyptus", bucket="logs-{instance}", prefix="p") == "p/elb-access-15022014-234000.log"
    without = Balancer(name="web", account="1", region="r", address="192.0.2.1")
    assert key(without, layout="eucalyptus", bucket="logs") == "web/192.0.2.1/elb-access-15022014-234000.log"


def test_haproxys_own_lines_are_under_no_name_of_aws() -> None:
    name = key(form="haproxy")
    assert name.rpartition("/")[2].startswith("haproxy_log_123456789012_elasticloadbalancing_eucalyptus_web_")
    told = parse_key(name)
    assert told is not None
    assert (told.format, told.load_balancer) == ("", "web")


def test_a_template_has_its_parts_and_the_time_of_the_end() -> None:
    template = "{account}/{region}/{lb}/%Y-%m-%d/%H%M%S-{address}-{instance}-{random}%%.log"
    assert key(layout=template, prefix="p") == (
        "p/123456789012/eucalyptus/web/2014-02-15/234000-203.0.113.9-1a2b3c4d-20sg8hgm%.log"
    )
    assert key(layout="{lb}/{random}.log", like=PACKED) == "web/20sg8hgm.log.gz"
    assert key(layout="{lb}/{random}.gz", like=PACKED) == "web/20sg8hgm.gz"
    percent = Balancer(name="50%H", account="1", region="r", address="192.0.2.1")
    assert key(percent, layout="{lb}/{random}.log") == "50%H/20sg8hgm.log"


def test_a_bucket_may_be_a_template() -> None:
    assert bucket(bucket="logs-{account}-{lb}", store="aws") == "logs-123456789012-web"
    with pytest.raises(
        UsageError,
        match=r"lb.bucket 'logs-\{instance\}': the instance of the load balancer is not known; set lb.instance",
    ):
        bucket(Balancer(name="web", account="1", region="r", address="192.0.2.1"), bucket="logs-{instance}")


def test_the_load_balancing_api_goes_before_the_settings() -> None:
    given = AccessLogging(bucket="mine", prefix="x")
    made = naming(given, WEB, LOG, "aws", told=("theirs", "their/prefix"))
    assert made.bucket(WEB) == "theirs"
    assert made.key(WEB, SLOT, RANDOM).startswith("their/prefix/AWSLogs/")
    assert naming(given, WEB, LOG, "aws", told=("Theirs_of_old", "")).bucket(WEB) == "Theirs_of_old"  # which exists
    assert naming(AccessLogging(bucket="My_logs"), WEB, LOG, "aws", told=("My_logs", "")).bucket(WEB) == "My_logs"


@pytest.mark.parametrize("layout", ["aws", "eucalyptus", "{instance}/{random}"])
def test_a_bucket_that_the_api_tells_is_taken_literally(layout: str) -> None:
    given = AccessLogging(bucket="eucalyptus", layout=layout)
    assert naming(given, WEB, LOG, "eucalyptus", told=("eucalyptus", "")).bucket(WEB) == "eucalyptus"
    for told in ("logs-{account}", "{", "a}b"):
        with pytest.raises(UsageError) as refused:
            naming(given, WEB, LOG, "eucalyptus", told=(told, ""))
        assert f"bucket {told!r}: " in str(refused.value)
    with pytest.raises(UsageError, match="the load balancing API tells no bucket"):
        naming(given, WEB, LOG, "eucalyptus", told=("", ""))


@pytest.mark.parametrize(
    ("part", "setting"),
    [("lb", "lb.name"), ("account", "lb.account"), ("region", r"region or \[clouds.NAME\] region"), ("instance", "lb.instance")],
)  # fmt: skip
def test_a_part_that_is_not_known_is_told_with_the_setting_that_exists(part: str, setting: str) -> None:
    with pytest.raises(UsageError, match=f"the {part} of the load balancer is not known; set {setting}$"):
        bucket(Balancer(name="", account="", region="", address=""), bucket=f"logs-{{{part}}}")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "lb.bucket is not set; name the bucket, or the load balancing API that tells it: lb.attributes_url"),
    ({"bucket": "b-{when}"}, r"lb.bucket 'b-\{when\}' cannot be read \(there is no \{when\}\); its parts are \{lb\} \{account\}"),
    ({"bucket": "b-{random}"}, r"there is no \{random\}"),
    ({"bucket": "b-{lb"}, r"lb.bucket 'b-\{lb' cannot be read"),
    ({"bucket": "My_Logs"}, "bucket 'My_Logs': AWS takes no name that holds 'M': .*; a legal one is 'my-logs'"),
    ({"bucket": "eucalyptus"}, "bucket 'access_logs-web_203.0.113.9_1a2b3c4d': .* a legal one is 'access-logs-web-203.0.113.9-1a2b3c4d'"),
    ({"bucket": "logs", "prefix": "x/AWSLogs"}, "lb.prefix 'x/AWSLogs': AWSLogs is added by itself; leave it out"),
    ({"bucket": "logs", "prefix": "a//b"}, "it has an empty part"),
    ({"bucket": "logs", "prefix": "a/../b"}, r"it has a part that is '\.' or '\.\.'"),
    ({"bucket": "logs", "prefix": "a\nb"}, r"it holds the control character '\\n'"),
    ({"bucket": "logs", "prefix": "é" * 500}, "it has 11.. bytes, and no store takes more than 1024"),
    ({"bucket": "logs", "layout": "%Y-%m-%dT%H%M.log"}, r"would overwrite each other's objects; add \{instance\}, \{address\} or \{random\}"),
    ({"bucket": "logs", "layout": "{instance}/%H%M.log"}, r"objects of different times would have the same name; add \{random\}"),
    ({"bucket": "logs", "layout": "{instance}/%Y%m%dT%I%M.log"}, "objects of different times"),
    ({"bucket": "logs", "layout": "{instance}/%Y%m%dT%H.log", "interval": Duration(300)}, "objects of different times"),
    ({"bucket": "logs", "layout": "{lb!r}{random}"}, "lb.layout .* cannot be read"),
    ({"bucket": "logs", "layout": "/{random}"}, "it has an empty part"),
]  # fmt: skip


@pytest.mark.parametrize(("given_", "message"), WRONG)
def test_what_would_be_refused_or_overwritten_is_told_before(given_: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        naming(AccessLogging(**given_), WEB, LOG, "aws")


@pytest.mark.parametrize(
    "layout", ["{instance}/%Y%m%dT%H%M.log", "{address}/%s", "%Y/%j/%H%M%S-{random}", "{instance}-%c"]
)
def test_what_tells_objects_apart_is_taken(layout: str) -> None:
    assert key(layout=layout, interval=Duration(300))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ({"name": "my lb_1"}, "AWS's logs allow letters, digits and hyphens in its name; set lb.name = 'my-lb-1'"),
        ({"name": "ü"}, "AWS's logs allow letters, digits and hyphens in its name; set lb.name"),
        ({"account": ""}, "lb.account: that of the load balancer is not known"),
        ({"account": "north$alice"}, r"lb.account: that of the load balancer is 'north\$alice', which cannot stand in AWS's names"),
        ({"region": "a_b"}, r"^region or \[clouds.NAME\] region: that of the load balancer is 'a_b'"),
        ({"address": "lb.example.com"}, "lb.address: that of the load balancer is"),
    ],
)  # fmt: skip
def test_a_load_balancer_whose_name_cannot_stand_in_aws_layout_is_refused(name: dict[str, str], message: str) -> None:
    told = {"name": "web", "account": "123456789012", "region": "r", "address": "192.0.2.1", **name}
    with pytest.raises(UsageError, match=message):
        key(Balancer(**told))


def test_an_id_is_always_the_same_for_a_load_balancer_and_no_other() -> None:
    first, other = (Balancer(name=name, account="1", region="r", address="") for name in ("a", "b"))
    assert identifier(first) == identifier(first) != identifier(other)
    assert len(identifier(first)) == 16
    assert identifier(WEB) == WEB.id


NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?", fullmatch=True)
ACCOUNTS = st.from_regex(
    r"[0-9]{12}|[0-9a-f]{31}[a-f]|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[a-f][0-9a-f]{11}", fullmatch=True
)
REGIONS = st.sampled_from(["us-east-1", "eucalyptus", "RegionOne", "region.example"])
TIMES = st.integers(86_400, 4_102_444_800).map(lambda second: datetime.fromtimestamp(second // 60 * 60, UTC))


@settings(max_examples=200, deadline=None)
@given(
    name=NAMES,
    account=ACCOUNTS,
    region=REGIONS,
    address=st.ip_addresses().map(str),
    end=TIMES,
    type_=st.sampled_from(["classic", "application"]),
)
def test_every_name_in_aws_layout_is_known_again(
    name: str, account: str, region: str, address: str, end: datetime, type_: str
) -> None:
    lb = Balancer(name=name, account=account, region=region, address=address)
    written = key(lb, Slot(0, end.timestamp()), LOG if type_ == "classic" else PACKED, type=type_)
    told = parse_key(written)
    assert told is not None
    assert (told.account, told.region, told.load_balancer, told.node, told.end) == (account, region, name, address, end)
    assert told.format == ("clb" if type_ == "classic" else "alb")
    assert f"/{end:%Y/%m/%d}/" in written


def test_the_time_of_an_object_is_that_of_its_name() -> None:
    for name in (key(), key(layout="eucalyptus", bucket="logs"), key(form="haproxy")):
        assert time_of(name, 7.0) == AT
    assert time_of("elb-access-99992014-234000.log", 7.0) == 7.0
    assert parse_key("elb-access-15022014-234000.log") is None


def test_months_and_days_have_two_digits() -> None:
    assert "/2014/03/05/" in key(slot=Slot(NEXT - 300, NEXT))
    assert key(slot=Slot(0, NEXT)).endswith(f"_20140305T0000Z_203.0.113.9_{RANDOM}.log")
    assert timedelta(seconds=NEXT - AT) > timedelta(days=1)
