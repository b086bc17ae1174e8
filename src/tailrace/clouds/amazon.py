"""What is AWS: its regions and its hosts, by their names."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from tailrace.clouds.partitions import is_listed, partition_of
from tailrace.errors import MissingExtra, UsageError

_DOMAINS: Final = (
    "adc-e.uk",
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "amazonwebservices.com",
    "amazonwebservices.com.cn",
    "amazonwebservices.eu",
    "api.aws",
    "api.aws.scloud",
    "ic.gov",
    "sc2s.sgov.gov",
)
_REGION: Final = re.compile(
    r"(us|eu|ap|sa|ca|me|af|il|mx|cn)(-gov|-iso[a-z]?)?-[a-z]+-\d+|eusc-de-[a-z]+-\d+|aws(-[a-z]+)*-global"
)


def is_region(name: str) -> bool:
    """Whether AWS's regions have names like this one, also those that are newer than this program."""
    try:
        partition_of(name)
    except MissingExtra:
        return bool(_REGION.fullmatch(name))
    except UsageError:
        return False
    return True


def is_known_region(name: str) -> bool:
    """Whether it is a region that botocore's tables list; without them, whether it is named like one."""
    try:
        return is_listed(name)
    except MissingExtra:
        return is_region(name)


def is_host(url: str) -> bool:
    """Whether a URL leads to AWS."""
    host = str(urlsplit(url).hostname).rstrip(".")
    return any(host == domain or host.endswith(f".{domain}") for domain in _DOMAINS)
