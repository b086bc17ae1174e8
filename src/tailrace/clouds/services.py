"""What services are called: by boto3, whose names are used here, by boto 2, euca2ools, Eucalyptus, and in variables.

https://docs.aws.amazon.com/sdkref/latest/guide/ss-endpoints-table.html
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from tailrace.errors import UsageError

EUCALYPTUS_PORT: Final = 8773
EUCALYPTUS_PATHS: Final = {
    "autoscaling": "/services/AutoScaling",
    "cloudformation": "/services/CloudFormation",
    "cloudwatch": "/services/CloudWatch",
    "ec2": "/services/compute",
    "elb": "/services/LoadBalancing",
    "iam": "/services/Euare",
    "s3": "/services/objectstorage",
    "sqs": "/services/SimpleQueue",
    "sts": "/services/Tokens",
    "swf": "/services/SimpleWorkflow",
    "bootstrap": "/services/Empyrean",
    "properties": "/services/Properties",
    "reporting": "/services/Reporting",
}
"""Where Eucalyptus has its services, at its port; the last three are its own."""
_OLD_PATHS: Final = ("/services/eucalyptus", "/services/walrus")
_HOSTS: Final = frozenset({"compute", "euare", "loadbalancing", "objectstorage", "simpleworkflow", "tokens", "walrus"})
"""First labels of names in Eucalyptus' DNS, those that are not AWS's too."""

VARIABLES: Final = {
    "AWS_AUTO_SCALING_URL": "autoscaling",
    "AWS_CLOUDFORMATION_URL": "cloudformation",
    "AWS_CLOUDWATCH_URL": "monitoring",
    "AWS_ELB_URL": "elasticloadbalancing",
    "AWS_IAM_URL": "iam",
    "AWS_SIMPLEWORKFLOW_URL": "swf",
    "EC2_URL": "ec2",
    "EUARE_URL": "iam",
    "EUCA_BOOTSTRAP_URL": "bootstrap",
    "EUCA_PROPERTIES_URL": "properties",
    "EUCA_REPORTING_URL": "reporting",
    "S3_URL": "s3",
    "TOKEN_URL": "sts",
    "TOKENS_URL": "sts",
}
"""Variables with URLs that euca2ools and `eucarc` use; where two tell the same, the first of them counts."""

_ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "awslambda": ("lambda",),
    "compute": ("ec2",),
    "configservice": ("config",),
    "ec2containerservice": ("ecs",),
    "elasticloadbalancing": ("elb", "elbv2"),
    "elasticloadbalancingv2": ("elbv2",),
    "elasticmapreduce": ("emr",),
    "email": ("ses",),
    "euare": ("iam",),
    "loadbalancing": ("elb", "elbv2"),
    "monitoring": ("cloudwatch",),
    "objectstorage": ("s3",),
    "simplequeue": ("sqs",),
    "simpleworkflow": ("swf",),
    "token": ("sts",),
    "tokens": ("sts",),
    "walrus": ("s3",),
}
"""Other names. One load-balancing service of a cloud answers for both of boto3's."""
_IDS: Final = {
    "auto_scaling": "autoscaling",
    "cloudwatch_logs": "logs",
    "config_service": "config",
    "elastic_load_balancing": "elb",
    "elastic_load_balancing_v2": "elbv2",
    "eventbridge": "events",
    "route_53": "route53",
    "s3_control": "s3control",
    "secrets_manager": "secretsmanager",
    "simpledb": "sdb",
}
"""Services by their ids as AWS_ENDPOINT_URL_… and `[services NAME]` write them, where boto3 calls them otherwise."""
_WITHOUT_BOTO3: Final = (
    "autoscaling", "cloudformation", "cloudwatch", "dynamodb", "ec2", "ecr", "ecs", "eks", "elb", "elbv2", "events", "iam", "kinesis",
    "kms", "lambda", "logs", "route53", "s3", "secretsmanager", "sns", "sqs", "ssm", "sts", "swf",
)  # fmt: skip


def named(name: str) -> tuple[str, ...]:
    """What boto3 calls the service, or the services, of that name; an unknown name stays as it is."""
    lower = name.lower()
    return _ALIASES.get(lower, (lower,))


def checked(name: str, origin: str) -> tuple[str, ...]:
    """The same for a name that must be known. Raises UsageError."""
    found = named(name)
    if set(found) <= known():
        return found
    close = get_close_matches(name.lower(), sorted(known() | _ALIASES.keys()), n=1)
    hint = f"did you mean {close[0]}?" if close else "use boto3's names: ec2, s3, elb, elbv2, iam, sts, …"
    message = f"{origin}: there is no service {name}; {hint}"
    raise UsageError(message)


def of_id(identity: str) -> str | None:
    """What boto3 calls the service of that id, `elastic_load_balancing`, in any case of letters; None for `elb`, which is a name but no id."""
    ids, lower = {**_ids(), **_IDS}, identity.lower()
    return ids.get(lower) or (None if lower in ids.values() else lower)


def variable_of(service: str) -> str:
    """The variable of the endpoint of a service, by boto3's name of it."""
    identity = next((identity for identity, name in {**_ids(), **_IDS}.items() if name == service), service)
    return f"AWS_ENDPOINT_URL_{identity.replace('-', '_').upper()}"


@cache
def known() -> frozenset[str]:
    """All services: those of botocore, where it is installed, and Eucalyptus' own."""
    try:
        from botocore.loaders import create_loader  # noqa: PLC0415 - an optional library
    except ImportError:
        return frozenset((*_WITHOUT_BOTO3, *EUCALYPTUS_PATHS))
    return frozenset((*create_loader().list_available_services("service-2"), *EUCALYPTUS_PATHS))


@cache
def _ids() -> dict[str, str]:
    """What boto3 calls rarer services, by their ids; empty without it."""
    try:
        from botocore import utils  # noqa: PLC0415 - an optional library
    except ImportError:
        return {}
    names = getattr(utils, "CLIENT_NAME_TO_HYPHENIZED_SERVICE_ID_OVERRIDES", {})
    return {identity.replace("-", "_"): name for name, identity in names.items() if name in known()}


def of_eucalyptus(url: str) -> bool:
    """Whether a URL looks like a service of Eucalyptus: its port, path or host."""
    parts = urlsplit(url)
    paths = {*map(str.lower, EUCALYPTUS_PATHS.values()), *_OLD_PATHS}
    host = str(parts.hostname).partition(".")[0]
    return parts.port == EUCALYPTUS_PORT or parts.path.rstrip("/").lower() in paths or host in _HOSTS
