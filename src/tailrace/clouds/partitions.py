"""The parts of AWS that know nothing of one another: which one a region is in, and how its services' names end."""

from __future__ import annotations

from functools import cache
from typing import Any

from tailrace.errors import MissingExtra, UsageError


def partition_of(region: str) -> str:
    """The partition of a region. Raises UsageError for a region that is none of AWS, and MissingExtra."""
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - an optional library

    try:
        return str(_resolver().get_partition_for_region(region))
    except BotoCoreError as error:
        message = f"the region {region} is none of AWS; name one with --region, or its --partition"
        raise UsageError(message) from error


def suffix_of(partition: str) -> str:
    """How the names of a partition's services end. Raises UsageError if there is no such partition."""
    known = _resolver().get_available_partitions()
    if partition not in known:
        message = f"there is no partition {partition}; there are: {', '.join(known)}"
        raise UsageError(message)
    return str(_resolver().get_partition_dns_suffix(partition))


@cache
def _resolver() -> Any:
    try:
        from botocore.session import Session  # noqa: PLC0415 - an optional library
    except ImportError as error:
        raise MissingExtra("the partitions of AWS", "aws") from error
    return Session().get_component("endpoint_resolver")
