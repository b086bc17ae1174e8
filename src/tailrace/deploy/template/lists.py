"""The prefix lists of S3 and DynamoDB in a region: a template cannot look them up, so `tailrace deploy` gives their ids to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tailrace.deploy.template.parameters import DYNAMODB_LIST, S3_LIST, has_lists
from tailrace.deploy.wanted import Wanted


def prefix_lists(wanted: Wanted, client: Callable[[str], Any]) -> Mapping[str, str]:
    """Values of the template's parameters, as far as the region tells; nothing if the template asks for none.

    Without them the security group lets the function connect to any address on port 443. Raises what the client raises.
    """
    if not has_lists(wanted):
        return {}
    names = {f".{service}": parameter for service, parameter in (("s3", S3_LIST), ("dynamodb", DYNAMODB_LIST))}
    region = client("ec2").meta.region_name
    told = [f"com.amazonaws.{region}{each}" for each in names]
    found = client("ec2").describe_managed_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": told}])
    return {
        names["." + each["PrefixListName"].rpartition(".")[2]]: each["PrefixListId"] for each in found["PrefixLists"]
    }
