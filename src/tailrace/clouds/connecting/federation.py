"""Keys of one region's STS for other regions of the same federation: Eucalyptus' regions know one another's accounts and session tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tailrace.clouds import failures
from tailrace.clouds.cloud import Cloud, Told, User
from tailrace.clouds.connecting.connection import SESSION, connect, untold

_HOUR: Final = 3600


def federated(source: Cloud, target: Cloud, *, role_arn: str = "", seconds: int = _HOUR) -> Cloud:
    """The cloud `target` with keys that the STS of `source` gives for so long: to a session of its user, or to a role.

    Raises Fatal if it gives none, Retryable if it cannot be asked now, and what `connect` raises.
    """
    return replace(target, user=temporary(source, role_arn=role_arn, seconds=seconds), profile=None, role=None)


def temporary(cloud: Cloud, *, role_arn: str = "", seconds: int = _HOUR) -> User:
    """Keys of a session, or of a role, with their token, from a cloud's STS. Raises as `federated`."""
    asked = connect(cloud, "sts")
    try:
        if role_arn:
            told = asked.assume_role(RoleArn=role_arn, RoleSessionName=SESSION, DurationSeconds=seconds)
        else:
            told = asked.get_session_token(DurationSeconds=seconds)
    except failures.raised() as error:
        raise untold(error, f"the role {role_arn}" if role_arn else "a session token", asked) from error
    finally:
        asked.close()
    keys, origin = told["Credentials"], f"STS of {cloud.name}"
    named = role_arn or (cloud.user.name.value if cloud.user else "session")
    return User(
        name=Told(named, origin),
        access_key=Told(keys["AccessKeyId"], origin),
        secret_key=Told(keys["SecretAccessKey"], origin),
        session_token=Told(keys["SessionToken"], origin),
        account=cloud.user.account if cloud.user and not role_arn else None,
    )
