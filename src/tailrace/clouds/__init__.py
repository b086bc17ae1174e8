"""Clouds: regions, endpoints and credentials become clients here, and nowhere else."""

from tailrace.clouds.clients import client

__all__ = ["client"]
