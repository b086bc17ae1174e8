"""The networks of S3 and DynamoDB in a region, by the lists that AWS keeps of them, for the rules of a security group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tailrace.deploy.cloud import Cloud
from tailrace.deploy.template.parameters import DYNAMODB_LIST, S3_LIST
from tailrace.permissions import Need

_SERVICES: Final = {S3_LIST: "s3", DYNAMODB_LIST: "dynamodb"}
_CALL: Final = "ec2:DescribeManagedPrefixLists"


def prefix_lists(cloud: Cloud, template: Mapping[str, Any]) -> Mapping[str, str]:
    """The ids of the lists for which a template has parameters, by parameter; only of those that there are. Raises Fatal, Retryable."""
    asked = {
        f"com.amazonaws.{cloud.region}.{service}": name
        for name, service in _SERVICES.items()
        if name in template.get("Parameters", {})
    }
    if not asked:
        return {}
    wanted = [{"Name": "prefix-list-name", "Values": sorted(asked)}]
    found = [each for page in cloud.pages(_CALL, Filters=wanted) for each in page["PrefixLists"]]
    return {asked[each["PrefixListName"]]: str(each["PrefixListId"]) for each in found}


def prefix_needs(*, vpc: bool) -> Sequence[Need]:
    """What looking for them calls, for a function in a VPC."""
    return [Need(_CALL, "*")] if vpc else []
