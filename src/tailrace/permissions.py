"""What a piece of Tailrace calls in a cloud: each says its own, next to the code that does it; policies are made of these.

Resources are written with CloudFormation's pseudo-parameters, so that a template takes them as they are and a policy for people
has them filled in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

ANNOUNCED: Final = "announced"
"""Stands as a resource for the objects that a queue or a sender announces: which these are is told where a policy is made."""
_DOMAIN: Final = re.compile(
    r"(?:search|vpc)-([a-z][a-z0-9-]+)-[a-z0-9]{26}\..+\.(?:es\.amazonaws\.com(?:\.cn)?|aos\..+|on\.aws)"
)
_COLLECTION: Final = re.compile(r"([a-z0-9]{3,40})\.[a-z0-9-]+\.aoss\.(?:amazonaws\.com(?:\.cn)?|.+)")
_FIELD: Final = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Need:
    """A call that is made, and on what.

    `call`: service and operation as botocore names them, such as `logs:PutLogEvents` or `s3:HeadObject`, with `?Parameter` where a
    parameter asks for another permission, as `s3:GetObject?VersionId`; of a server that is asked without botocore, the
    method, as `es:POST`. `resource`: an ARN, in which
    `${AWS::Partition}`, `${AWS::Region}`, `${AWS::AccountId}` and `${AWS::URLSuffix}` may stand, or `*` where the action knows no resources. `where`: the
    conditions of the policy's statement, by operator.
    """

    call: str
    resource: str
    where: Mapping[str, Mapping[str, str | Sequence[str]]] = field(default_factory=dict)


def needs_on(resource: str, *calls: str) -> list[Need]:
    """These calls on one resource."""
    return [Need(call, resource) for call in calls]


def log_group(name: str) -> str:
    """The ARN of log groups for everything but their streams, in policies; `{field}` in a name stands for anything.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogGroup.html
    """
    return f"{_regional('logs')}:log-group:{_pattern(name)}:*"


def log_stream(group: str, name: str) -> str:
    """The ARN of streams of log groups; likewise."""
    return f"{_regional('logs')}:log-group:{_pattern(group)}:log-stream:{_pattern(name)}"


def bucket(name: str) -> str:
    """The ARN of a bucket."""
    return f"arn:${{AWS::Partition}}:s3:::{name}"


def objects(name: str, prefix: str = "") -> str:
    """The ARN of the objects of a bucket whose keys begin so."""
    return f"{bucket(name)}/{_literal(prefix)}*"


def queue(place: str) -> str:
    """The ARN of a queue that is given by its name, its URL or its ARN."""
    if place.startswith("arn:"):
        return place
    *_, account, name = ("", "", *place.rstrip("/").split("/"))
    return f"arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:{account or '${AWS::AccountId}'}:{name}"


def table(name: str) -> str:
    """The ARN of a table of DynamoDB, which may be its name already."""
    return name if name.startswith("arn:") else f"{_regional('dynamodb')}:table/{name}"


def domain(host: str, path: str) -> str:
    """The ARN of a path of a domain of OpenSearch Service, by its host; of any domain, if the host is not AWS's own name for it.

    https://docs.aws.amazon.com/opensearch-service/latest/developerguide/ac.html
    """
    named = _DOMAIN.fullmatch(host)
    return f"{_regional('es')}:domain/{named[1] if named else '*'}{_literal(path)}"


def collection(host: str) -> str:
    """The ARN of a collection of OpenSearch Serverless; likewise."""
    named = _COLLECTION.fullmatch(host)
    return f"{_regional('aoss')}:collection/{named[1] if named else '*'}"


def parameter(name: str) -> str:
    """The ARN of a parameter of Systems Manager, whose name may say a version or a label, and may be its ARN."""
    if name.startswith("arn:"):
        return ":".join(name.split(":")[:6])
    return f"{_regional('ssm')}:parameter/{_literal(name.partition(':')[0].removeprefix('/'))}"


def secret(name: str) -> str:
    """The ARN of a secret of Secrets Manager, which adds six characters to its name; it may be its ARN already."""
    if name.startswith("arn:"):
        return name
    return f"{_regional('secretsmanager')}:secret:{_literal(name)}-??????"


def via(service: str) -> dict[str, dict[str, str]]:
    """The condition that a key is used by a service of this region, in the name of whoever calls it."""
    return {"StringEquals": {"kms:ViaService": f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}"}}


def key(name: str) -> str:
    """The ARN of a key of KMS that is given by its id or its ARN; of all, whose alias is asked for, if that is given."""
    if ":key/" in name:
        return name
    return f"{_regional('kms')}:key/{'*' if 'alias/' in name else name}"


def _regional(service: str) -> str:
    return f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}"


def _pattern(template: str) -> str:
    return _literal(_FIELD.sub("*", template))


def _literal(text: str) -> str:
    """A name in which nothing is taken for a variable."""
    return text.replace("$", "?")
