"""What can be set of a deployment to AWS: the `[deploy]` of tailrace.toml, and of each `[environments.ENV]`.

The text below a field is its documentation, in the reference and as the description of the template's parameter.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from tailrace.quantities import Duration

RUNTIMES: Final = ("python3.11", "python3.12", "python3.13", "python3.14")
"""https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html"""
Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9-]{0,18}[a-z0-9]$")]


class Vpc(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network that the function is put into; none if no subnets are given."""

    id: str = ""
    """Id of the VPC of the function (vpc-…); needed with `subnets`."""
    subnets: tuple[str, ...] = ()
    """Ids of the subnets in which the function has its network interfaces (subnet-…); in at least two zones."""
    route_tables: tuple[str, ...] = ()
    """Ids of the route tables of these subnets (rtb-…), into which the gateway endpoints of S3 and DynamoDB are put."""
    endpoints: bool = True
    """Make the endpoints through which the function reaches AWS's services: S3, DynamoDB, and what its sinks need. false where the
    VPC has them, or a NAT gateway."""
    sink_cidrs: tuple[str, ...] = ()
    """Networks of the servers that sinks outside of AWS send to (10.1.0.0/16); the security group lets these ports out to nowhere else."""


class Deploy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deployment: what is made in the account, and how it is called."""

    component: Name = "tailrace"
    """First part of all names; with the environment, 28 characters at most."""
    trigger: Literal["sqs", "s3", "eventbridge"] = "sqs"
    """How the function learns of objects: S3 tells a queue which calls it, S3 calls it, or EventBridge tells that queue."""
    bucket: str = ""
    """Name of an existing bucket of logs, whose notifications are added to; if not given, a bucket is made."""
    prefix: str = ""
    """Prefix of the logs in the bucket, before AWSLogs/; without a slash at its end."""
    log_expiration_days: Annotated[int, msgspec.Meta(ge=1, le=36500)] = 7
    """After so many days the bucket that is made removes its logs."""
    accounts: tuple[str, ...] = ()
    """Numbers of the accounts whose load balancers may write to the bucket that is made; if not given, its own."""
    architecture: Literal["x86_64", "arm64"] = "arm64"
    """Processor of the function."""
    runtime: Literal["auto", "python3.11", "python3.12", "python3.13", "python3.14"] = "auto"
    """Lambda's Python; auto is that of the Python which runs this, for it compiles the package."""
    memory: Annotated[int, msgspec.Meta(ge=128, le=10240)] = 256
    """Memory of the function in MB; its share of a processor grows with it."""
    timeout: Annotated[int, msgspec.Meta(ge=30, le=900)] = 300
    """For how many seconds an invocation may run; what takes longer is continued in the next."""
    reserved_concurrency: Annotated[int, msgspec.Meta(ge=0, le=10000)] = 0
    """How many invocations may run at a time, at most, and are kept for this function; 0 for as many as the account has free."""
    function_log_days: Literal[
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
    ] = 14
    """For how many days the function's own log is kept."""
    tracing: bool = False
    """Trace invocations with X-Ray."""
    alarm_topic: str = ""
    """ARN of the SNS topic that is told of alarms."""
    lag_alarm: Duration = Duration(900)
    """An alarm is raised when the oldest message waits longer than this."""
    artifacts_bucket: str = ""
    """Name of an existing bucket for packages and for what is remembered of deployments; if not given, one is made."""
    permissions_boundary: str = ""
    """ARN of the policy that limits the role that is made."""
    tags: tuple[str, ...] = ()
    """Tags of everything that is made, as KEY=VALUE."""
    smoke_timeout: Duration = Duration(180)
    """For how long a deployment waits for the receipt of its control object."""
    vpc: Vpc = Vpc()
    """The network that the function is put into; none if no subnets are given."""
