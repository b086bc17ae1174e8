"""Load balancers, of the older and of the newer API, and buckets.

https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/API_DescribeLoadBalancers.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeLoadBalancers.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tailrace.clouds import failures
from tailrace.clouds.inventory.kind import Client, Kind, Row, moment, pages
from tailrace.errors import UsageError


def _load_balancers(client: Client) -> Iterator[Row]:
    for each in pages(client("elb"), "describe_load_balancers", "LoadBalancerDescriptions"):
        listeners = [one.get("Listener") or {} for one in each.get("ListenerDescriptions") or ()]
        yield {
            "name": each.get("LoadBalancerName"),
            "type": "classic",
            "scheme": each.get("Scheme"),
            "listeners": " ".join(f"{one.get('Protocol')}:{one.get('LoadBalancerPort')}" for one in listeners),
            "targets": len(each.get("Instances") or ()),
            "dns_name": each.get("DNSName"),
            "created": moment(each.get("CreatedTime")),
        }
    try:
        newer = client("elbv2")
    except UsageError:  # older clouds have no such endpoint
        return
    try:
        yield from map(_newer, pages(newer, "describe_load_balancers", "LoadBalancers"))
    except failures.raised() as error:
        if failures.code_of(error) not in failures.UNSPOKEN:  # or have one that knows the older API only
            raise


def _newer(each: Mapping[str, Any]) -> Row:
    return {
        "name": each.get("LoadBalancerName"),
        "type": each.get("Type"),
        "scheme": each.get("Scheme"),
        "listeners": None,
        "targets": None,
        "dns_name": each.get("DNSName"),
        "created": moment(each.get("CreatedTime")),
    }


def _buckets(client: Client) -> Iterator[Row]:
    answer = client("s3").list_buckets()
    owner = answer.get("Owner") or {}
    for each in answer.get("Buckets") or ():
        yield {
            "name": each.get("Name"),
            "owner": owner.get("DisplayName") or owner.get("ID"),
            "created": moment(each.get("CreationDate")),
        }


LOAD_BALANCERS: Final = Kind(
    "elb", ("name", "type", "scheme", "listeners", "targets", "dns_name", "created"), _load_balancers
)
BUCKETS: Final = Kind("s3", ("name", "owner", "created"), _buckets)
