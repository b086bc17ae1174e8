"""Instances, volumes and snapshots.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshots.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tailrace.clouds.inventory.kind import Client, Kind, Row, moment, pages, tag


def _instances(client: Client) -> Iterator[Row]:
    for reservation in pages(client("ec2"), "describe_instances", "Reservations"):
        for each in reservation.get("Instances") or ():
            yield {
                "id": each.get("InstanceId"),
                "name": tag(each),
                "type": each.get("InstanceType"),
                "state": (each.get("State") or {}).get("Name"),
                "zone": (each.get("Placement") or {}).get("AvailabilityZone"),
                "private_ip": each.get("PrivateIpAddress"),
                "public_ip": each.get("PublicIpAddress"),
                "image": each.get("ImageId"),
                "launched": moment(each.get("LaunchTime")),
            }


def _volumes(client: Client) -> Iterator[Row]:
    for each in pages(client("ec2"), "describe_volumes", "Volumes"):
        yield {
            "id": each.get("VolumeId"),
            "name": tag(each),
            "size_gib": each.get("Size"),
            "state": each.get("State"),
            "zone": each.get("AvailabilityZone"),
            "attached_to": " ".join(str(one.get("InstanceId")) for one in each.get("Attachments") or ()),
            "snapshot": each.get("SnapshotId"),
            "created": moment(each.get("CreateTime")),
        }


def _snapshots(client: Client) -> Iterator[Row]:
    # Without an owner, AWS lists all public snapshots of the world.
    for each in pages(client("ec2"), "describe_snapshots", "Snapshots", OwnerIds=["self"]):
        yield {
            "id": each.get("SnapshotId"),
            "name": tag(each),
            "volume": each.get("VolumeId"),
            "size_gib": each.get("VolumeSize"),
            "state": each.get("State"),
            "progress": each.get("Progress"),
            "started": moment(each.get("StartTime")),
            "description": each.get("Description"),
        }


INSTANCES: Final = Kind(
    "ec2", ("id", "name", "type", "state", "zone", "private_ip", "public_ip", "image", "launched"), _instances
)
VOLUMES: Final = Kind(
    "ec2", ("id", "name", "size_gib", "state", "zone", "attached_to", "snapshot", "created"), _volumes
)
SNAPSHOTS: Final = Kind(
    "ec2", ("id", "name", "volume", "size_gib", "state", "progress", "started", "description"), _snapshots
)
