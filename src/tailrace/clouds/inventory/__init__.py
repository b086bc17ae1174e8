"""What is in a cloud, as rows: the same columns for AWS and for clouds that speak its API."""

from __future__ import annotations

from typing import Final

from tailrace.clouds.inventory import compute, machines
from tailrace.clouds.inventory.kind import Kind
from tailrace.clouds.inventory.others import BUCKETS, LOAD_BALANCERS

KINDS: Final[dict[str, Kind]] = {
    "instance-types": machines.KIND,
    "volumes": compute.VOLUMES,
    "snapshots": compute.SNAPSHOTS,
    "instances": compute.INSTANCES,
    "load-balancers": LOAD_BALANCERS,
    "buckets": BUCKETS,
}

__all__ = ["KINDS", "Kind"]
