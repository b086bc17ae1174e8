"""Rules of a bucket after which objects expire: one of ours among those that are there. Only thinks. Rules that are put replace all others.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from tailrace.errors import UsageError
from tailrace.privatecloud import Kind

_MOST: Final = 1000
"""No store takes more rules."""

Rule = dict[str, Any]


def rule(kind: Kind, prefix: str, days: int, *, legacy: bool = False) -> Rule:
    """Objects whose names begin so are gone after so many days.

    `legacy`: in the form of old, which Eucalyptus only reads, and which AWS does not take beside the new one.
    """
    where = {"Prefix": prefix} if legacy or kind == "eucalyptus" else {"Filter": {"Prefix": prefix}}
    return {"ID": identity(prefix), **where, "Status": "Enabled", "Expiration": {"Days": days}}


def identity(prefix: str) -> str:
    """The name of our rule."""
    return f"tailrace-lb-{sha256(prefix.encode()).hexdigest()[:10]}"


def merged(kind: Kind, there: Sequence[Rule], prefix: str, days: int) -> list[Rule] | None:
    """The rules as they are to be, None if they are so already; with none left they are to be deleted. `days`: 0 for no rule of ours."""
    others = [each for each in there if each.get("ID") != identity(prefix)]
    ours = [each for each in there if each.get("ID") == identity(prefix)]
    if not days:
        return others if ours else None
    new = rule(kind, prefix, days, legacy=any("Filter" not in each for each in others))
    if len(ours) == 1 and _told(ours[0]) == _told(new):
        return None
    if len(others) >= _MOST:
        message = f"the bucket has {len(others)} lifecycle rules, and no more are possible; remove one of them"
        raise UsageError(message)
    return [*others, new]


def days_of(there: Sequence[Rule], prefix: str) -> int | None:
    """The days of our rule, if there is one that has any."""
    found = (each.get("Expiration", {}).get("Days") for each in there if each.get("ID") == identity(prefix))
    return next((days for days in found if days), None)


def _told(rule: Rule) -> tuple[Any, ...]:
    """What a rule says, in whichever form: prefix, days, and whether it is in force."""
    where = rule.get("Filter") or {}
    extra = set(rule) - {"ID", "Filter", "Prefix", "Status", "Expiration"}
    return (
        where.get("Prefix", rule.get("Prefix")),
        set(where) - {"Prefix"},
        rule["Status"],
        rule.get("Expiration"),
        extra,
    )
