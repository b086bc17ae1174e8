"""A cloud as it was found: where its services are, how requests to them are signed, as whom, and who told so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from tailrace.clouds import amazon

Signature = Literal["v2", "v4"]
"""v2 stands for the old signature of the service: Signature Version 2 in queries, HMAC-SHA1 for S3."""


class Told(NamedTuple):
    """A value and where it was read, as people are told: `~/.boto [Credentials]`, `EC2_URL`, `default`."""

    value: str
    origin: str


_CHECKED: Final = Told("true", "default")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service is: the URL with port and path, and the signature that it wants."""

    url: Told
    signature: Told


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Whose keys are used. Nothing that prints a user prints a secret."""

    name: Told
    access_key: Told
    secret_key: Told = field(repr=False)
    session_token: Told | None = field(default=None, repr=False)
    account: Told | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A region of a cloud, with all that is needed to talk to it.

    `name`: as people write it after --region. `region`: in signatures and names of objects. `private`: none of AWS, so that nothing meant for it may be
    sent there. `endpoints`: by the name that boto3 gives a service (elb, elbv2, ec2, ...). `user`: None where boto3 finds keys itself (environment,
    instance). `verify`: true, false, or a file of authorities. `shared`: the endpoint of every service without its own. `role`: ARN of the role that these keys assume.
    """

    name: str
    kind: Told
    region: Told
    private: bool
    endpoints: Mapping[str, Endpoint]
    shared: Endpoint | None = None
    user: User | None = None
    profile: Told | None = None
    role: Told | None = None
    verify: Told = _CHECKED

    @property
    def elsewhere(self) -> bool:
        """Whether no service is asked for at AWS unless its endpoint is told: the cloud is none of AWS, or its S3 is not."""
        store = self.endpoints.get("s3")
        return self.private or (store is not None and not amazon.is_host(store.url.value))
