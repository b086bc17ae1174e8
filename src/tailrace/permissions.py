"""What a piece of Tailrace calls in a cloud: each says its own, next to the code that does it; policies are made of these.

Resources are written with CloudFormation's pseudo-parameters, so that a template takes them as they are and a policy for people
has them filled in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Need:
    """A call that is made, and on what.

    `call`: service and operation as botocore names them, such as `logs:PutLogEvents` or `s3:HeadObject`. `resource`: an ARN, in which
    `${AWS::Partition}`, `${AWS::Region}` and `${AWS::AccountId}` may stand, or `*` where the action knows no resources. `where`: the
    conditions of the policy's statement, by operator.
    """

    call: str
    resource: str
    where: Mapping[str, Mapping[str, str | Sequence[str]]] = field(default_factory=dict)


def needs_on(resource: str, *calls: str) -> list[Need]:
    """These calls on one resource."""
    return [Need(call, resource) for call in calls]


def log_group(name: str) -> str:
    """The ARN of log groups; `{field}` in a name stands for anything. A group's streams are behind `:log-stream:`."""
    return f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:{name}"
