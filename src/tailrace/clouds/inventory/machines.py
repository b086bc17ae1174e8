"""Types of instances. Eucalyptus knew this call before AWS did, and answers it in words of its own.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from xml.etree import ElementTree as ET

from tailrace.clouds.inventory.kind import Client, Kind, Row, pages

_EVENT: Final = "before-parse.ec2.DescribeInstanceTypes"
_LONGEST: Final = 4 << 20
"""So many bytes of an answer are read; Eucalyptus has some tens of types."""


def _rows(client: Client) -> Iterator[Row]:
    ec2 = client("ec2")
    with _bodies(ec2) as bodies:
        listed = list(pages(ec2, "describe_instance_types", "InstanceTypes"))
    for body in bodies:
        yield from _of_eucalyptus(body)
    for each in sorted(listed, key=lambda one: str(one.get("InstanceType"))):
        if "VCpuInfo" in each:
            yield _row(each)


def _row(each: dict[str, Any]) -> Row:
    return {
        "type": each.get("InstanceType"),
        "cpus": each["VCpuInfo"].get("DefaultVCpus"),
        "memory_mib": (each.get("MemoryInfo") or {}).get("SizeInMiB"),
        "disk_gb": (each.get("InstanceStorageInfo") or {}).get("TotalSizeInGB"),
    }


def _of_eucalyptus(body: bytes) -> Iterator[Row]:
    """The rows of an answer in Eucalyptus' words; none if it is in AWS's."""
    try:
        root = ET.fromstring(body)  # noqa: S314 - expat refuses entities that grow, and the length is bounded
    except ET.ParseError:
        return
    for item in root.iter():
        told = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in item}
        if {"name", "cpu", "memory", "disk"} <= told.keys():
            yield {
                "type": told["name"],
                "cpus": _number(told["cpu"]),
                "memory_mib": _number(told["memory"]),
                "disk_gb": _number(told["disk"]),
            }


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


@contextmanager
def _bodies(ec2: Any) -> Iterator[list[bytes]]:
    """The answers as they come, before boto3 leaves out what it does not know."""
    found: list[bytes] = []

    def heard(response_dict: dict[str, Any], **_: Any) -> None:
        found.append(response_dict["body"][:_LONGEST])

    ec2.meta.events.register(_EVENT, heard)
    try:
        yield found
    finally:
        ec2.meta.events.unregister(_EVENT, heard)


KIND: Final = Kind("ec2", ("type", "cpus", "memory_mib", "disk_gb"), _rows)
