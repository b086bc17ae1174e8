"""Names of buckets are legal here if, and only if, the store takes them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.handlers import validate_bucket_name as validate
from hypothesis import given
from hypothesis import strategies as st

from services.openstack import Swift
from services.real import Ceph
from tailrace.errors import UsageError
from tailrace.loadbalancer.legality import legal, legal_key, suggestion

NAMES = [
    "logs", "log", "lo", "a" * 63, "a" * 64, "a" * 255, "my.logs", "my-logs", "my--logs", "1logs", "logs1", "-logs", "logs-", ".logs",
    "logs.", "my..logs", "my.-logs", "my-.logs", "My-logs", "my_logs", "_logs", "192.0.2.1", "192.0.2", "192.0.2.1.5",
    "access_logs-web_203.0.113.9_1a2b3c4d", "access-logs-web-203.0.113.9-1a2b3c4d",
]  # fmt: skip
AWS_ONLY = [
    "xn--logs",
    "sthree-logs",
    "amzn-s3-demo-logs",
    "logs-s3alias",
    "logs--ol-s3",
    "logs.mrap",
    "logs--x-s3",
    "logs--table-s3",
]


def is_legal(name: str, kind: Any) -> bool:
    """Whether we would take it."""
    try:
        return legal(name, kind) == name
    except UsageError:
        return False


def taken(client: Any, name: str) -> bool:
    """Whether a store takes it."""
    # So that botocore's own rules do not stop it.
    client.meta.events.unregister("before-parameter-build.s3", validate)
    try:
        client.create_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidBucketName":
            raise
        return False
    client.delete_bucket(Bucket=name)
    return True


@pytest.mark.long
def test_ceph_takes_what_is_legal_on_ceph(gateway: Ceph) -> None:
    """Ours is set up to take more, as buckets of Eucalyptus want it."""
    client = gateway.client("s3")
    assert [name for name in NAMES if is_legal(name, "ceph") and not taken(client, name)] == []


@pytest.mark.long
def test_swift_takes_what_is_legal_on_swift_and_nothing_else(openstack: Swift) -> None:
    client = openstack.client()
    assert [name for name in NAMES if taken(client, name)] == [name for name in NAMES if is_legal(name, "swift")]


def test_what_is_legal_where_names_are_those_of_hosts() -> None:
    expected = [
        "logs",
        "log",
        "a" * 63,
        "my.logs",
        "my-logs",
        "my--logs",
        "1logs",
        "logs1",
        "192.0.2",
        "192.0.2.1.5",
        NAMES[-1],
    ]
    for kind in ("aws", "ceph", "swift", "other"):
        assert [name for name in NAMES if is_legal(name, kind)] == expected


@pytest.mark.parametrize("name", AWS_ONLY)
def test_what_aws_keeps_for_itself_is_refused_there(name: str) -> None:
    assert not is_legal(name, "aws")
    assert is_legal(name, "ceph")
    assert is_legal(suggestion(name), "aws")


def test_eucalyptus_takes_underscores_and_capitals_and_longer_names() -> None:
    legal_there = [name for name in NAMES if is_legal(name, "eucalyptus")]
    assert set(NAMES) == set(legal_there)
    for name in ("a", "a" * 256, "a b", "a/b", "ä", "..", "", "a\n"):
        assert not is_legal(name, "eucalyptus")


@given(name=st.text(max_size=80) | st.from_regex(r"[A-Za-z0-9._-]{1,80}", fullmatch=True))
def test_what_is_suggested_is_legal_everywhere(name: str) -> None:
    for kind in ("aws", "eucalyptus", "ceph", "swift", "other"):
        assert is_legal(suggestion(name), kind)
        if not is_legal(name, kind):
            with pytest.raises(UsageError, match=f"a legal one is {re.escape(repr(suggestion(name)))}$"):
                legal(name, kind)  # type: ignore[arg-type]


def test_long_names_that_differ_at_their_end_only_have_different_suggestions() -> None:
    assert suggestion("a" * 70 + "1") != suggestion("a" * 70 + "2")
    assert len(suggestion("a" * 70)) <= 63


@pytest.mark.parametrize("name", ["a", "a/b", "é" * 512, "a b", "...", "a/.b"])
def test_what_stores_take_as_names_of_objects(name: str) -> None:
    assert legal_key(name) == name


@pytest.mark.parametrize(
    "name", ["", "/a", "a//b", "a/./b", "..", "é" * 513, "a\nb", "a\x7f", "a\x85", "\ud800", "a\ufffe"]
)
def test_what_they_do_not(name: str) -> None:
    with pytest.raises(UsageError, match="object name"):
        legal_key(name)
