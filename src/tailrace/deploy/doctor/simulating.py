"""What a role may do, as IAM itself evaluates it.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tailrace.deploy.doctor.looking import Looking

CALL: Final = "iam:SimulatePrincipalPolicy"
_SAMPLE: Final = "tailrace"
_ALLOWED: Final = "allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was decided of an action on a resource. `missing`: what conditions ask for and was not told."""

    action: str
    resource: str
    decision: str
    by: Sequence[str] = ()
    missing: Sequence[str] = ()
    boundary: bool = False
    organization: bool = False

    @property
    def allowed(self) -> bool:
        """Whether it may."""
        return self.decision == _ALLOWED

    @property
    def why(self) -> str:
        """Why not."""
        if self.organization:
            return "a policy of the organization does not allow it"
        if self.boundary:
            return "the role's permissions boundary does not allow it"
        if self.decision == "explicitDeny":
            return f"{' and '.join(self.by) or 'a policy'} denies it"
        return "no policy allows it"


def sample(resource: str) -> str:
    """A resource that a pattern stands for."""
    return resource if resource == "*" else resource.replace("*", _SAMPLE).replace("?", "x")


def context_of(where: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is to be told so that a statement's conditions hold."""
    found = []
    for operator, keys in where.items():
        kind = "boolean" if operator.startswith("Bool") else "string"
        for name, told in keys.items():
            values = [sample(str(each)) for each in (told if isinstance(told, list) else [told])]
            found.append({"ContextKeyName": name, "ContextKeyType": kind, "ContextKeyValues": values[:1]})
    return found


def simulated(looking: Looking, role: str, statement: Mapping[str, Any]) -> Sequence[Answer]:
    """What is decided of each action of a statement on each of its resources. Raises Unseen."""
    context = context_of(statement.get("Condition", {}))
    told = looking.every(
        CALL,
        "EvaluationResults",
        PolicySourceArn=role,
        ActionNames=list(statement["Action"]),
        ResourceArns=[sample(each) for each in statement["Resource"]],
        **({"ContextEntries": context} if context else {}),
    )
    return [answer for each in told for answer in _answers(each)]


def _answers(told: Mapping[str, Any]) -> Iterator[Answer]:
    common = {
        "boundary": not told.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary", True),
        "organization": not told.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True),
    }
    own = told.get("ResourceSpecificResults", ())
    if not own:
        yield _answer(told, told.get("EvalResourceName", "*"), told["EvalDecision"], common)
    for each in own:
        yield _answer({**told, **each}, each["EvalResourceName"], each["EvalResourceDecision"], common)


def _answer(told: Mapping[str, Any], resource: str, decision: str, common: Mapping[str, bool]) -> Answer:
    by = [re.sub(r"^role_[^_]+_", "", each.get("SourcePolicyId", "")) for each in told.get("MatchedStatements", ())]
    return Answer(
        action=told["EvalActionName"],
        resource=resource,
        decision=decision,
        by=[each for each in by if each],
        missing=tuple(told.get("MissingContextValues", ())),
        **common,
    )
