"""What tests of access do again and again: reading as somebody, and bringing a bucket into a state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from botocore.exceptions import ClientError
from botocore.handlers import validate_bucket_name

from tailrace.loadbalancer.grants.bucket import Bucket
from tailrace.loadbalancer.grants.headers import Way
from tailrace.loadbalancer.grants.wanted import Wanted

assert set(get_args(Way)) >= {"acl", "policy"}


def code(call: Callable[[], object]) -> str:
    """The code with which a call is refused; empty if it is not."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def brought(client: Any, wanted: Wanted, way: Way) -> list[str]:
    """The calls that were made to bring a bucket into a state; a second plan has none."""
    setup = Bucket(client, wanted, way)
    setup.resolve()
    changes = setup.plan(setup.look())
    for change in changes:
        setup.apply(change)
    assert setup.plan(setup.look()) == []
    return [change.call for change in changes]


def any_name(client: Any) -> Any:
    """The client, which takes every name of a bucket: Ceph's for one in another tenant has a colon."""
    client.meta.events.unregister("before-parameter-build.s3", validate_bucket_name)
    return client
