"""What a bucket's policy says about a request, as far as it can be known from here.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, Final


class Verdict(Enum):
    """What a policy says. `UNKNOWN`: a condition decides whose value is known to the service only."""

    ALLOWED = "allowed"
    DENIED = "denied"
    SILENT = "not allowed"
    UNKNOWN = "perhaps allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request by a service, or by an account. `context`: what conditions may ask for and is known, by key in lower case."""

    service: str = ""
    account: str = ""
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def verdict(policy: Mapping[str, Any], request: Request) -> Verdict:
    """What the policy says. A Deny counts before every Allow."""
    found = [(each.get("Effect"), _applies(each, request)) for each in _some(policy.get("Statement"))]
    denied = [applies for effect, applies in found if effect == "Deny"]
    allowed = [applies for effect, applies in found if effect == "Allow"]
    if True in denied:
        return Verdict.DENIED
    if True in allowed and None not in denied:
        return Verdict.ALLOWED
    if True in allowed or None in allowed:
        return Verdict.UNKNOWN
    return Verdict.SILENT


def _applies(statement: Mapping[str, Any], request: Request) -> bool | None:
    """Whether a statement is about the request; None if that cannot be known."""
    if not _about(statement, "Principal", lambda told: _is_one_of(told, request)):
        return False
    if not _about(statement, "Action", lambda told: _like_any(_some(told), request.action.lower(), lower=True)):
        return False
    if not _about(statement, "Resource", lambda told: _like_any(_some(told), request.resource)):
        return False
    answers = [
        _holds(name, _some(values), request.context.get(key.lower()))
        for name, keys in (statement.get("Condition") or {}).items()
        for key, values in keys.items()
    ]
    if False in answers:
        return False
    return None if None in answers else True


def _about(statement: Mapping[str, Any], key: str, matches: Callable[[Any], bool]) -> bool:
    if key in statement:
        return matches(statement[key])
    return f"Not{key}" in statement and not matches(statement[f"Not{key}"])


def _is_one_of(told: Any, request: Request) -> bool:
    if told == "*":
        return True
    if not isinstance(told, Mapping):
        return False
    people, services = _some(told.get("AWS")), _some(told.get("Service"))
    if "*" in people:
        return True
    if request.service:
        return request.service in services
    return any(each == request.account or each.endswith(f":iam::{request.account}:root") for each in people)


def _holds(how: str, values: Sequence[Any], given: str | None) -> bool | None:
    """Whether a condition holds; None if what it asks for is not known here, or not how it asks."""
    name = how.rpartition(":")[2].removesuffix("IfExists")
    test = _TESTS.get(name.replace("Not", "", 1))
    if given is None or test is None:
        return None
    met = any(test(str(value).lower() if isinstance(value, bool) else str(value), given) for value in values)
    return met != name.startswith(("StringNot", "ArnNot"))


def _like_any(patterns: Iterable[str], text: str, *, lower: bool = False) -> bool:
    return any(_like(pattern.lower() if lower else pattern, text) for pattern in patterns)


def _like(pattern: str, text: str) -> bool:
    return bool(_expression(pattern).fullmatch(text))


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(each) or re.escape(each) for each in pattern), re.DOTALL)


def _some(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list) else [value]


_TESTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "StringEquals": operator.eq,
    "StringEqualsIgnoreCase": lambda told, given: told.lower() == given.lower(),
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": lambda told, given: told.lower() == given,
    "Null": lambda told, _given: told.lower() == "false",
}
