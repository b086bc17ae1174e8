"""Keys of KMS: of the bucket's objects and of secrets, which the function must be able to decrypt; and of the queue.

A role may use a key if a grant or the key's policy names it, or if the key's policy leaves that to the account and the role's own
policy allows it. AWS's own keys leave it to the account, through their service.

https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tailrace.clouds.partitions import suffix_of
from tailrace.deploy.balancers.policy import Request, Verdict, verdict
from tailrace.deploy.doctor.bucket import encryption_of
from tailrace.deploy.doctor.checking import Check
from tailrace.deploy.doctor.finding import Finding, aws, ok, unknown, wrong
from tailrace.deploy.doctor.looking import Looking
from tailrace.deploy.doctor.permissions import role_of
from tailrace.deploy.doctor.simulating import Answer, simulated
from tailrace.deploy.listing import NO_RESOURCE
from tailrace.deploy.policies import by_code
from tailrace.deploy.wanted import Wanted

_SUBJECT: Final = "keys"
_ABSENT: Final = "NotFoundException"
_AWS: Final = "AWS"


@dataclass(frozen=True, slots=True)
class Use:
    """A key, what is encrypted with it, and the service through which it is used."""

    key: str
    what: str
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as it is. `told`: None if there is none; `grants`: those for the role; `answers`: whether the role's policies allow it."""

    use: Use
    told: Mapping[str, Any] | None
    policy: Mapping[str, Any]
    grants: Sequence[Mapping[str, Any]] = ()
    answers: Sequence[Answer] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The keys, and the function's role."""

    role: str
    keys: Sequence[Key]


def _look(wanted: Wanted, looking: Looking) -> Found:
    if not (uses := list(_uses(wanted, looking))):
        return Found("", ())
    role = role_of(wanted, looking) or wanted.names.global_arn("iam", f"role/{wanted.names.role}")
    return Found(role, [_key(wanted, looking, role, use) for use in uses])


def _uses(wanted: Wanted, looking: Looking) -> Iterator[Use]:
    bucket = encryption_of(wanted, looking)
    if bucket and bucket.algorithm.startswith("aws:kms"):
        yield Use(bucket.key or "alias/aws/s3", f"objects of {wanted.bucket}", "s3")
    for need in by_code(wanted):
        if need.call == "secretsmanager:GetSecretValue":
            name = need.resource  # which is its ARN, if that is given
            if "${" in name:
                name = name.rpartition(":secret:")[2].removesuffix("-??????")
            told = looking("secretsmanager:DescribeSecret", *NO_RESOURCE, SecretId=name) or {}
            yield Use(told.get("KmsKeyId") or "alias/aws/secretsmanager", f"the secret {name}", "secretsmanager")
        if need.call == "ssm:GetParameter":
            yield from _of_parameter(looking, need.resource.rpartition(":parameter/")[2])


def _of_parameter(looking: Looking, name: str) -> Iterator[Use]:
    named = f"/{name}" if "/" in name else name
    which = [{"Key": "Name", "Option": "Equals", "Values": [named]}]
    for told in looking.every("ssm:DescribeParameters", "Parameters", ParameterFilters=which):
        if told.get("Type") == "SecureString":
            yield Use(told.get("KeyId") or "alias/aws/ssm", f"the parameter {named}", "ssm")


def _key(wanted: Wanted, looking: Looking, role: str, use: Use) -> Key:
    told = looking("kms:DescribeKey", _ABSENT, KeyId=use.key)
    metadata = told and told["KeyMetadata"]
    if not metadata or metadata.get("KeyManager") == _AWS:
        return Key(use=use, told=metadata, policy={})
    arn = metadata["Arn"]
    policy = looking("kms:GetKeyPolicy", KeyId=arn, PolicyName="default")
    grants = looking.every("kms:ListGrants", "Grants", KeyId=arn)
    statement = {
        "Action": ["kms:Decrypt"],
        "Resource": [arn],
        "Condition": {"StringEquals": {"kms:ViaService": _via(wanted, use)}},
    }
    return Key(
        use=use,
        told=metadata,
        policy=msgspec.json.decode(policy["Policy"]),
        grants=[each for each in grants if each.get("GranteePrincipal") == role],
        answers=simulated(looking, role, statement),
    )


def decrypting(wanted: Wanted, found: Found) -> Iterator[Finding]:
    """Whether the function can read what is encrypted."""
    if not found.keys:
        yield ok(_SUBJECT, "nothing that the function reads is encrypted with a key of KMS")
    for key in found.keys:
        yield _decrypting(wanted, found.role, key)


def _decrypting(wanted: Wanted, role: str, key: Key) -> Finding:
    what, name, told = key.use.what, key.use.key, key.told
    if told is None:
        return wrong(_SUBJECT, f"{what}: there is no key {name}", aws("kms", "describe-key", "--key-id", name))
    if (state := told.get("KeyState", "Enabled")) != "Enabled":
        verb = "cancel-key-deletion" if state == "PendingDeletion" else "enable-key"
        return wrong(_SUBJECT, f"{what}: the key {told['Arn']} is {state}", aws("kms", verb, "--key-id", told["Arn"]))
    if told.get("KeyManager") == _AWS:
        text = f"{what}: AWS's own key {name}, which all of the account may use through {key.use.service}"
        return ok(_SUBJECT, text)
    return _judged(what, told["Arn"], role, _may(wanted, role, key))


def _judged(what: str, arn: str, role: str, answer: Verdict) -> Finding:
    grant = aws("kms", "create-grant", "--key-id", arn, "--grantee-principal", role, "--operations", "Decrypt")
    match answer:
        case Verdict.ALLOWED:
            return ok(_SUBJECT, f"{what}: the function may decrypt with {arn}")
        case Verdict.UNKNOWN:
            text = f"{what}: whether the function may decrypt with {arn} depends on conditions of the key's policy"
            return unknown(_SUBJECT, text, grant)
        case Verdict.DENIED:
            remedy = aws("kms", "get-key-policy", "--key-id", arn, "--policy-name", "default", "--output", "text")
            return wrong(_SUBJECT, f"{what}: the policy of the key {arn} denies that the function decrypts", remedy)
        case _:
            return wrong(_SUBJECT, f"{what}: the function may not decrypt with {arn}", grant)


def _may(wanted: Wanted, role: str, key: Key) -> Verdict:
    assert key.told
    by_name, by_account = (
        verdict(key.policy, _request(wanted, key, account=who)) for who in (role, wanted.names.account)
    )
    if Verdict.DENIED in (by_name, by_account):
        return Verdict.DENIED
    if by_name is Verdict.ALLOWED or any("Decrypt" in each.get("Operations", ()) for each in key.grants):
        return Verdict.ALLOWED
    if not key.answers or not all(each.allowed for each in key.answers):
        return by_name
    return by_account


def _request(wanted: Wanted, key: Key, account: str) -> Request:
    assert key.told
    context = {
        "kms:viaservice": _via(wanted, key.use),
        "kms:calleraccount": wanted.names.account,
        "aws:principalaccount": wanted.names.account,
        "aws:principalisawsservice": "false",
        "aws:securetransport": "true",
    }
    return Request(account=account, action="kms:Decrypt", resource=key.told["Arn"], context=context)


def _via(wanted: Wanted, use: Use) -> str:
    return f"{use.service}.{wanted.names.region}.{suffix_of(wanted.names.partition)}"


CHECKS: Final = (Check(subject=_SUBJECT, look=_look, judge=decrypting),)
