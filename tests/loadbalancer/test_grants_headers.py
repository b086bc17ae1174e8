from __future__ import annotations

from typing import Any, get_args

import pytest

from tailrace.accesslogging import AccessLogging
from tailrace.errors import UsageError
from tailrace.loadbalancer.grants import put_headers
from tailrace.loadbalancer.model import Balancer
from tailrace.privatecloud import Kind

OWNER, SYSTEM = "000865102303", "000111222333"
LB = Balancer(name="lb", account=OWNER, region="eucalyptus", address="192.0.2.1")


def headers(kind: Kind, **settings: Any) -> dict[str, str]:
    return put_headers(kind, AccessLogging(**settings), LB)


def test_each_object_on_eucalyptus_tells_reader_and_owner() -> None:
    assert headers("eucalyptus", bucket_owner=SYSTEM) == {
        "x-amz-grant-read": f'id="{OWNER}"',
        "x-amz-grant-full-control": f'id="{SYSTEM}"',
    }


def test_the_owner_of_the_bucket_must_be_known_there() -> None:
    with pytest.raises(UsageError, match=r"lb\.bucket_owner is not set"):
        headers("eucalyptus")


@pytest.mark.parametrize("kind", ["aws", "ceph", "other"])
def test_a_policy_needs_nothing_on_objects(kind: Kind) -> None:
    assert headers(kind) == {}


def test_lists_may_be_wanted_elsewhere_too() -> None:
    assert headers("ceph", access="acl", reader="acme$bob", bucket_owner="op")["x-amz-grant-read"] == 'id="acme$bob"'


@pytest.mark.parametrize("kind", sorted(set(get_args(Kind)) - {"swift"}))
@pytest.mark.parametrize("settings", [{"bucket_owner": OWNER}, {"attributes_url": "http://api"}])
def test_in_a_bucket_of_the_reader_the_reader_gets_all(kind: Kind, settings: dict[str, str]) -> None:
    assert headers(kind, **settings) == {"x-amz-acl": "bucket-owner-full-control"}


def test_on_swift_objects_expire_by_themselves() -> None:
    assert headers("swift") == {}
    assert headers("swift", expire_days=3, bucket_owner=OWNER) == {"X-Delete-After": "259200"}
    assert headers("ceph", expire_days=3) == {}
    with pytest.raises(UsageError, match="by the container only"):
        headers("swift", access="policy")


@pytest.mark.parametrize("who", ['x"', "a\r\nx-amz-acl: public-read", "a b", "é", ""])
def test_nobody_smuggles_a_header(who: str) -> None:
    with pytest.raises(UsageError, match=r"no canonical id|bucket_owner is not set"):
        headers("eucalyptus", bucket_owner=who)
