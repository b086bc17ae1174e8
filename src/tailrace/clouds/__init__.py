"""Clouds: regions, endpoints and credentials become clients here, and nowhere else."""

from tailrace.clouds.clients import client
from tailrace.clouds.secrets import Vault

__all__ = ["Vault", "client"]
