"""Access control lists: one grant among those that are there. Only thinks. A list that is put replaces the one before.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

FULL: Final = "FULL_CONTROL"

Grant = dict[str, Any]
Acl = dict[str, Any]
"""As boto3 has it: Owner and Grants."""


def merged(there: Acl, who: str, permission: str, owner: str = "", *, revoke: bool = False) -> Acl | None:
    """The list as it is to be, None if it is so already.

    `who`: as the store knows him. `owner`: of the bucket, who is to keep full control of each object in it.
    """
    before = _grants(there)
    wanted = set(before)
    if revoke:
        wanted.discard((who, permission))
    elif (who, FULL) not in before:
        wanted.add((who, permission))
    if not revoke:
        wanted |= {(each, FULL) for each in (there["Owner"]["ID"], owner) if each}
    if wanted == set(before):
        return None
    kept = [grant for grant in there["Grants"] if _key(grant) is None or _key(grant) in wanted]
    added = [_grant(*key) for key in sorted(wanted - set(before))]
    return {"Owner": there["Owner"], "Grants": [*kept, *added]}


def grantees(there: Acl, permission: str) -> list[str]:
    """Who has been granted it."""
    return [who for who, what in _grants(there) if what == permission]


def _grants(there: Acl) -> list[tuple[str, str]]:
    found: Sequence[Grant] = there["Grants"]
    return [key for grant in found if (key := _key(grant))]


def _key(grant: Grant) -> tuple[str, str] | None:
    """Who has what; None for groups, which are left alone."""
    who = grant["Grantee"].get("ID")
    return (who, grant["Permission"]) if who else None


def _grant(who: str, permission: str) -> Grant:
    return {"Grantee": {"Type": "CanonicalUser", "ID": who}, "Permission": permission}
