"""What can be set of a cloud that speaks AWS's API: a `[clouds.NAME]` of tailrace.toml; NAME is then used as its region.

The text below a field is its documentation.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tailrace.quantities import Secret

Kind = Literal["aws", "eucalyptus", "ceph", "swift", "other"]
"""How a cloud's object store behaves: what access it can grant and how it lets objects expire."""


class PrivateCloud(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cloud: where its services are, how they want requests signed, and as whom."""

    kind: Kind | None = None
    """What it is: aws, eucalyptus, ceph, swift or other."""
    region: str = ""
    """Its region in signatures and names of objects, if that is not its name here."""
    endpoint_url: str = ""
    """URL of every service that is not among `endpoints`."""
    endpoints: dict[str, str] = {}
    """URLs by service, with port and path: ec2, s3, elasticloadbalancing, iam, sts, autoscaling, cloudformation, cloudwatch, swf, ..."""
    signatures: dict[str, Literal["v2", "v4"]] = {}
    """How requests are signed, by service, where that is not v4."""
    user: str = ""
    """Whose keys are used, of the users in euca2ools' files."""
    profile: str = ""
    """Whose keys are used, of the profiles of ~/.aws."""
    access_key: Secret = Secret("")
    """The access key."""
    secret_key: Secret = Secret("")
    """The secret key: by reference (env:, file:), or text."""
    session_token: Secret = Secret("")
    """Token that belongs to temporary keys."""
    role_arn: str = ""
    """Role that these keys assume at the cloud's own STS, whose keys are then used: its ARN."""
    account: str = ""
    """Number of the account that the keys belong to."""
    verify: bool = True
    """Check the certificates of its endpoints."""
    ca_certificates: str = ""
    """File of the authorities that its certificates are checked with."""
    openrc: str = ""
    """File of OS_* or ST_* variables, as OpenStack's dashboard gives it, for Swift's own API; those of the environment if not given."""
