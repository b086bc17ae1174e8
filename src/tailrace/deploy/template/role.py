"""The role of the function: what its own code calls, and what Lambda calls in its name; nothing else.

Its policy is part of the role and not a resource of its own: when the stack goes, Lambda must still be able to remove the
function's network interfaces.
"""

from __future__ import annotations

from typing import Any, Final

from tailrace.deploy.policies import function_document
from tailrace.deploy.template.expressions import Resources, allowed, argued, document, filled, sub, tags
from tailrace.deploy.wanted import Wanted

ROLE: Final = "ProcessorRole"
_INTERFACES: Final = (
    "Lambda makes and removes network interfaces, which have no names before; the function itself is denied that"
)


def role(wanted: Wanted) -> Resources:
    """The role with its policy."""
    told = {
        "RoleName": sub(wanted.names.role),
        "Description": f"What {wanted.names.function} may do",
        "AssumeRolePolicyDocument": document(_trust(wanted)),
        "Policies": [{"PolicyName": wanted.names.function, "PolicyDocument": filled(function_document(wanted))}],
        "Tags": tags(wanted.tags),
    }
    if wanted.own.permissions_boundary:
        told["PermissionsBoundary"] = wanted.own.permissions_boundary
    made = {"Type": "AWS::IAM::Role", "Properties": told}
    if wanted.own.vpc.subnets:
        made["Metadata"] = argued(CKV_AWS_111=_INTERFACES)
    return {ROLE: made}


def _trust(wanted: Wanted) -> Any:
    """Lambda, for functions of this account only; other accounts cannot pass the role to theirs anyway."""
    told = allowed("LambdaRuns", {"Service": "lambda.amazonaws.com"}, "sts:AssumeRole", None)
    del told["Resource"]
    return {**told, "Condition": filled({"StringEquals": {"aws:SourceAccount": wanted.names.account}})}
