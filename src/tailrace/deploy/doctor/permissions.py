"""What the function's role may do: exactly what the function calls, simulated by IAM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tailrace.clouds.partitions import suffix_of
from tailrace.deploy.doctor.checking import Check, gone
from tailrace.deploy.doctor.finding import Finding, aws, ok, unknown, wrong
from tailrace.deploy.doctor.looking import Looking
from tailrace.deploy.doctor.simulating import Answer, simulated
from tailrace.deploy.listing import NO_RESOURCE
from tailrace.deploy.policies import INLINE, Place, filled, function_document, length
from tailrace.deploy.wanted import Wanted

_SUBJECT: Final = "permissions"
_SIZE: Final = "policy size"
_NO_ROLE: Final = "NoSuchEntity"


@dataclass(frozen=True, slots=True)
class Found:
    """The role of the function, None if there is none, and what was decided of each thing that it is to do."""

    role: str | None
    answers: Sequence[Answer] = ()


def needed(wanted: Wanted) -> Sequence[Mapping[str, Any]]:
    """The statements of what the function's role must be allowed."""
    names = wanted.names
    place = Place(names.partition, names.region, names.account, suffix_of(names.partition))
    document = filled(function_document(wanted), place)
    return [each for each in document["Statement"] if each["Effect"] == "Allow"]


def role_of(wanted: Wanted, looking: Looking) -> str | None:
    """The ARN of the role with which the function runs; None if there is no function. Raises Unseen."""
    name = wanted.names.function
    told = looking("lambda:GetFunctionConfiguration", *NO_RESOURCE, FunctionName=name)
    return str(told["Role"]) if told else None


def _look(wanted: Wanted, looking: Looking) -> Found:
    role = role_of(wanted, looking)
    if role is None or not looking("iam:GetRole", _NO_ROLE, RoleName=role.rpartition("/")[2]):
        return Found(None)
    return Found(role, [answer for each in needed(wanted) for answer in simulated(looking, role, each)])


def allowed(wanted: Wanted, found: Found) -> Iterator[Finding]:
    """Whether the role may do everything that it needs."""
    if found.role is None:
        yield wrong(_SUBJECT, f"the role of {wanted.names.function} is not there, so that it cannot run", gone(wanted))
        return
    refused = [each for each in found.answers if not each.allowed]
    by_reason: dict[str, list[Answer]] = {}
    for each in refused:
        by_reason.setdefault(each.why, []).append(each)
    for why, answers in by_reason.items():
        yield _refusal(wanted, found.role, why, answers)
    if not refused:
        count = len({(each.action, each.resource) for each in found.answers})
        yield ok(
            _SUBJECT, f"{found.role} may do all that it needs: {count} actions on their resources, as IAM simulates it"
        )


def _refusal(wanted: Wanted, role: str, why: str, answers: Sequence[Answer]) -> Finding:
    actions = " ".join(sorted({each.action for each in answers}))
    resources = " ".join(sorted({each.resource for each in answers}))
    text = f"{role} may not do {actions} on {resources}: {why}"
    if missing := sorted({name for each in answers for name in each.missing}):
        return unknown(_SUBJECT, f"{text}, but {' '.join(missing)} was not known to the simulation", _policies(role))
    return wrong(_SUBJECT, text, _granting(wanted, role) if why.startswith("no policy") else _policies(role))


def _granting(wanted: Wanted, role: str) -> str:
    name = role.rpartition("/")[2]
    policy = wanted.names.function
    put = aws("iam", "put-role-policy", "--role-name", name, "--policy-name", policy, "--policy-document", "file://policy.json")  # fmt: skip
    return f"tailrace policy function {wanted.environment} > policy.json && {put}"


def _policies(role: str) -> str:
    return aws("iam", "get-account-authorization-details", "--filter", "Role", "--query",
               f"RoleDetailList[?Arn=='{role}']")  # fmt: skip


def _size(wanted: Wanted, _looking: Looking) -> int:
    return length({"Version": "2012-10-17", "Statement": list(needed(wanted))})


def sized(wanted: Wanted, size: int) -> Iterator[Finding]:
    """Whether the policy fits into a role."""
    told = f"the policy of the role has {size:,} of {INLINE:,} characters"
    if size <= INLINE:
        yield ok(_SIZE, told)
    else:
        text = f"{told} that IAM takes; send to fewer sinks in one deployment, or deploy some of them as another environment"
        yield wrong(_SIZE, text, f"tailrace policy function {wanted.environment}")


CHECKS: Final = (
    Check(subject=_SUBJECT, look=_look, judge=allowed),
    Check(subject=_SIZE, look=_size, judge=sized, of="nothing"),
)
