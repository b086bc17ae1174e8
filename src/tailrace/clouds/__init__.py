"""Clouds: regions, endpoints and credentials become clients here, and nowhere else."""

from tailrace.clouds.clients import client
from tailrace.clouds.secrets import Vault

__all__ = ["Vault", "client", "connect_to_region"]


def __getattr__(name: str) -> object:
    """What is loaded when it is asked for, because the agent on a load balancer has no use for it."""
    if name == "connect_to_region":
        from tailrace.clouds.connecting import connect_to_region  # noqa: PLC0415 - for that

        return connect_to_region
    raise AttributeError(name)
