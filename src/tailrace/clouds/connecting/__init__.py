"""Clients of boto3 for any cloud, called as that cloud wants to be called."""

from __future__ import annotations

from tailrace.clouds.connecting.connection import connect, connect_to_region, endpoint_of

__all__ = ["connect", "connect_to_region", "endpoint_of"]
