"""What the owner of a bucket has to do so that somebody else may put objects there: as commands, for we may not."""

from __future__ import annotations

import json
from shlex import quote

from tailrace.loadbalancer.grants import policy
from tailrace.loadbalancer.grants.headers import Way
from tailrace.loadbalancer.grants.wanted import Wanted


def instructions(wanted: Wanted, way: Way, owner: str, region: str) -> list[str]:
    """Commands for `owner`, of which one is enough. `wanted`: who is to write."""
    own = ["tailrace", "lb", "grant", "--write", "--bucket", wanted.bucket, "--to", wanted.who]
    own += [*(["--region", region] if region else []), "--set", f"lb.kind={wanted.kind}"]
    return [" ".join(map(quote, own)), " ".join(map(quote, _native(wanted, way, owner)))]


def _native(wanted: Wanted, way: Way, owner: str) -> list[str]:
    """With the store's usual tools; these replace what was granted before."""
    if way == "container":
        entry = wanted.who if ":" in wanted.who else f"{wanted.who}:*"
        return ["swift", "post", "--write-acl", entry, wanted.bucket]
    if way == "policy":
        document = {"Version": policy.VERSION, "Statement": policy.statements(wanted)}
        return ["aws", "s3api", "put-bucket-policy", "--bucket", wanted.bucket, "--policy", json.dumps(document)]
    grants = ["--grant-full-control", f"id={owner}", "--grant-write", f"id={wanted.who}"]
    return ["aws", "s3api", "put-bucket-acl", "--bucket", wanted.bucket, *grants]
