"""The parts of AWS that know nothing of one another: which one a region is in, and how its services' names end."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from tailrace.errors import MissingExtra, UsageError


def partition_of(region: str) -> str:
    """The partition of a region, also of one that is newer than this library. Raises UsageError, MissingExtra."""
    for name, about in _partitions().items():
        if region in about["regions"] or re.fullmatch(about["regionRegex"], region):
            return name
    message = f"the region {region} is none of AWS; name one with --region, or its --partition"
    raise UsageError(message)


def suffix_of(partition: str) -> str:
    """How the names of a partition's services end. Raises UsageError if there is no such partition."""
    known = _partitions()
    if partition not in known:
        message = f"there is no partition {partition}; there are: {', '.join(known)}"
        raise UsageError(message)
    return str(known[partition]["outputs"]["dnsSuffix"])


@cache
def _partitions() -> dict[str, Any]:
    try:
        from botocore.loaders import create_loader  # noqa: PLC0415 - an optional library
    except ImportError as error:
        raise MissingExtra("the partitions of AWS", "aws") from error
    return {each["id"]: each for each in create_loader().load_data("partitions")["partitions"]}
