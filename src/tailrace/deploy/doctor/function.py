"""The function: there and ready, called by its alias, which names a published version; and who may call it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tailrace.deploy.balancers.policy import Request, Verdict, verdict
from tailrace.deploy.doctor.checking import FOREIGN, Check, again, gone
from tailrace.deploy.doctor.finding import Finding, aws, ok, unknown, wrong
from tailrace.deploy.doctor.looking import Looking
from tailrace.deploy.listing import NO_RESOURCE
from tailrace.deploy.naming import ALIAS, LATEST
from tailrace.deploy.wanted import Wanted

_FUNCTION: Final = "function"
_ALIAS: Final = "alias"
_CALLS: Final = "calls"


def _look_at_function(wanted: Wanted, looking: Looking) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = looking(
        "lambda:GetFunctionConfiguration", *NO_RESOURCE, FunctionName=wanted.names.function, Qualifier=ALIAS
    )
    return found


def readiness(wanted: Wanted, found: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Whether the version that is called is ready."""
    if found is None:
        yield wrong(_FUNCTION, f"there is no function {wanted.names.function} with an alias {ALIAS}", gone(wanted))
        return
    state, why = found.get("State", "Active"), found.get("StateReason", "")
    if state == "Failed" or found.get("LastUpdateStatus") == "Failed":
        reason = why or found.get("LastUpdateStatusReason", "")
        yield wrong(_FUNCTION, f"{wanted.names.function} cannot run: {reason}", again(wanted))
    elif state == "Pending":
        yield unknown(_FUNCTION, f"{wanted.names.function} is being made ready: {why}", again(wanted))
    else:
        told = f"{found['MemorySize']} MB, {found['Timeout']} s, {' '.join(found.get('Architectures', ()))}"
        yield ok(_FUNCTION, f"{wanted.names.function} is ready ({told.rstrip(' ,')})")


def _look_at_alias(wanted: Wanted, looking: Looking) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = looking(
        "lambda:GetAlias", *NO_RESOURCE, FunctionName=wanted.names.function, Name=ALIAS
    )
    return found


def naming(wanted: Wanted, found: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Whether what is called is a version that stays as it is."""
    if found is None:
        made = aws("lambda", "create-alias", "--function-name", wanted.names.function, "--name", ALIAS,
                   "--function-version", LATEST)  # fmt: skip
        yield wrong(_ALIAS, f"{wanted.names.function} has no alias {ALIAS}", f"{made} && {again(wanted)}")
        return
    version, others = found["FunctionVersion"], found.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    if version == LATEST:
        text = (
            f"{ALIAS} names {LATEST}, so that what is changed is called at once, and there is nothing to go back from"
        )
        yield wrong(_ALIAS, text, again(wanted))
    elif others:
        remedy = aws("lambda", "update-alias", "--function-name", wanted.names.function, "--name", ALIAS,
                     "--routing-config", "AdditionalVersionWeights={}")  # fmt: skip
        told = ", ".join(f"{name} ({weight:.0%})" for name, weight in others.items())
        yield wrong(_ALIAS, f"some calls go to other versions than {version}: {told}", remedy)
    else:
        yield ok(_ALIAS, f"{ALIAS} names version {version}")


@dataclass(frozen=True, slots=True)
class Calls:
    """What calls the function: its mappings, and the policy of its alias."""

    mappings: Sequence[Mapping[str, Any]]
    policy: Mapping[str, Any] | None


def _look_at_calls(wanted: Wanted, looking: Looking) -> Calls:
    names = wanted.names
    queue = names.arn("sqs", names.queue)
    mappings = looking.every("lambda:ListEventSourceMappings", "EventSourceMappings", EventSourceArn=queue)
    if wanted.own.trigger != "s3":
        return Calls(mappings, None)
    told = looking("lambda:GetPolicy", *NO_RESOURCE, FunctionName=names.function, Qualifier=ALIAS)
    return Calls(mappings, msgspec.json.decode(told["Policy"]) if told else {})


def calling(wanted: Wanted, found: Calls) -> Iterator[Finding]:
    """Whether the queue calls the alias, and S3 may where it is to."""
    yield from _by_queue(wanted, found.mappings)
    if found.policy is not None:
        yield from _by_bucket(wanted, found.policy)


def _by_queue(wanted: Wanted, mappings: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    names = wanted.names
    alias = names.arn("lambda", f"function:{names.function}:{ALIAS}")
    ours = [each for each in mappings if each.get("FunctionArn") == alias]
    others = [each for each in mappings if each.get("FunctionArn") != alias]
    for each in others:
        text = f"{names.queue} calls {each.get('FunctionArn')} too, which takes messages that {ALIAS} is to have"
        yield wrong(_CALLS, text, aws("lambda", "delete-event-source-mapping", "--uuid", each["UUID"]))
    if not ours:
        made = ("lambda", "create-event-source-mapping", "--function-name", alias, "--event-source-arn")
        more = ("--batch-size", "10", "--function-response-types", "ReportBatchItemFailures")
        remedy = aws(*made, names.arn("sqs", names.queue), *more)
        yield wrong(_CALLS, f"{names.queue} does not call {alias}", remedy)
    for each in ours:
        state = each.get("State", "")
        update = ("lambda", "update-event-source-mapping", "--uuid", each["UUID"])
        if state in ("Disabled", "Disabling"):
            yield wrong(_CALLS, f"{names.queue} calls nobody: its mapping is disabled", aws(*update, "--enabled"))
        elif "ReportBatchItemFailures" not in each.get("FunctionResponseTypes", ()):
            remedy = aws(*update, "--function-response-types", "ReportBatchItemFailures")
            yield wrong(_CALLS, "one message that fails makes all of its batch come again", remedy)
        else:
            yield ok(_CALLS, f"{names.queue} calls {ALIAS} ({state.lower()})")


def _by_bucket(wanted: Wanted, policy: Mapping[str, Any]) -> Iterator[Finding]:
    names, bucket = wanted.names, wanted.names.global_arn("s3", wanted.bucket)
    remedy = aws(
        "lambda", "add-permission", "--function-name", names.function, "--qualifier", ALIAS, "--statement-id", names.rule,
        "--action", "lambda:InvokeFunction", "--principal", "s3.amazonaws.com", "--source-arn", bucket,
        "--source-account", names.account,
    )  # fmt: skip
    if verdict(policy, _invoking(wanted, bucket, names.account)) is not Verdict.ALLOWED:
        yield wrong(_CALLS, f"S3 may not call {ALIAS} in the name of {wanted.bucket}", remedy)
    elif verdict(policy, _invoking(wanted, bucket, FOREIGN)) is Verdict.ALLOWED:
        text = f"S3 may call {ALIAS} for a bucket {wanted.bucket} of any account: --source-account is missing"
        yield wrong(_CALLS, text, remedy)
    else:
        yield ok(_CALLS, f"S3 may call {ALIAS} in the name of {wanted.bucket}, and of no other bucket")


def _invoking(wanted: Wanted, bucket: str, account: str) -> Request:
    alias = wanted.names.arn("lambda", f"function:{wanted.names.function}:{ALIAS}")
    context = {"aws:sourcearn": bucket, "aws:sourceaccount": account, "aws:principalisawsservice": "true"}
    return Request(service="s3.amazonaws.com", action="lambda:InvokeFunction", resource=alias, context=context)


CHECKS: Final = (
    Check(subject=_FUNCTION, look=_look_at_function, judge=readiness),
    Check(subject=_ALIAS, look=_look_at_alias, judge=naming),
    Check(subject=_CALLS, look=_look_at_calls, judge=calling),
)
