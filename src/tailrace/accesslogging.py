"""What can be set of access logging for HAProxy load balancers: the `[lb]` of tailrace.toml.

The text below a field is its documentation.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from tailrace.privatecloud import Kind
from tailrace.quantities import Duration, Size


class Serving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The load balancing API that `tailrace lb serve` speaks."""

    accounts: str = ""
    """File (TOML) of the users and load balancers that the load balancing API knows; read again when it changes."""
    listen: str = "127.0.0.1:9470"
    """Where the load balancing API answers; where others than this machine can ask, a certificate and key are needed too."""
    database: str = "/var/lib/tailrace/lb.sqlite"
    """SQLite file that keeps what is wanted of each load balancer's log, and who wanted it when."""
    certificate: str = ""
    """Certificate chain (PEM) with which it answers over TLS."""
    key: str = ""
    """The key (PEM) of that certificate."""
    forward_to: str = ""
    """URL of the cloud's own load balancing endpoint: it is asked, as the user who asks, for all that is not kept here."""
    forward_signature: Literal["v4", "v2"] = "v4"
    """How requests to that endpoint are signed."""
    connections: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 64
    """So many connections at a time; more wait."""


class AccessLogging(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The load balancer on this machine, what its log becomes, and where that goes."""

    name: str = ""
    """Name of the load balancer; found from the instance's metadata if not given."""
    account: str = ""
    """Number of the account that owns it; found from the instance's metadata if not given."""
    address: str = ""
    """Its address in names of objects; the instance's public one, or else its private one, if not given."""
    instance: str = ""
    """Id of the instance (i-…) that it runs on; found from the instance's metadata if not given."""
    metadata: str = "http://169.254.169.254"
    """URL of the instance's metadata service; empty for none."""
    receive: tuple[str, ...] = ()
    """Where HAProxy's log is received: unix:PATH of a datagram socket (with its mode: unix:PATH,mode=0660), udp:127.0.0.1:5514 (UDP that
    other machines can reach needs udp:HOST:PORT,remote)."""
    follow: tuple[str, ...] = ()
    """Files that rsyslog writes HAProxy's log to, followed over rotations."""
    spool: str = "/var/spool/tailrace-lb"
    """Folder in which lines wait until their object is in the bucket."""
    spool_limit: Size = Size(1 << 30)
    """So much the spool holds at most; then lines of files wait, and datagrams that come are counted as dropped. Dead letters may take as
    much again; then the oldest go."""
    interval: Annotated[Duration, msgspec.Meta()] = Duration(3600)
    """So often an object is put into the bucket, aligned to the clock: 5m or 60m as AWS does, or any other."""
    form: Literal["aws", "haproxy"] = "aws"
    """What objects hold: lines exactly as AWS's load balancers write them, or HAProxy's as they are."""
    type: Literal["classic", "application"] = "classic"
    """As which of AWS's load balancers it writes, with form aws."""
    layout: str = "aws"
    """Names of objects: aws, eucalyptus (elb-access-…), or a template of {lb} {account} {region} {address} {instance} {random} and
    strftime's fields for the end of the interval."""
    bucket: str = ""
    """Bucket of the objects: a name, eucalyptus for access_logs-{lb}_{address}_{instance}, or a template of the same parts."""
    prefix: str = ""
    """What stands before `AWSLogs/` in the names of objects."""
    attributes_url: str = ""
    """URL of the load balancing API whose access log attributes the agent follows; if given, they tell bucket, prefix and interval."""
    kind: Kind | None = None
    """What the object store is: aws, eucalyptus, ceph, swift or other; as its cloud tells if not given."""
    access: Literal["auto", "acl", "policy", "none"] = "auto"
    """How the owner may read the objects: by access control lists (Eucalyptus) or a bucket policy (AWS, Ceph); auto as the store does
    it. Swift has its own way, by the container."""
    reader: str = ""
    """Who may read, as the store writes it, if that is not `account`: a canonical id, UID or TENANT$UID of Ceph, the id of a project."""
    bucket_owner: str = ""
    """Account or canonical id that owns the bucket and keeps access to each object; that of `reader` if attributes_url is given."""
    expire_days: Annotated[int, msgspec.Meta(ge=0, le=36500)] = 0
    """So many days objects are kept in the bucket; 0 for ever."""
    serve: Serving = Serving()
    """The load balancing API that switches access logs on."""
