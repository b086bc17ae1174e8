"""What deploying, rolling back and looking call in an account: of these the policies of who does it are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tailrace.deploy.cloud import PLACE_NEEDS
from tailrace.deploy.ledger import ledger_needs
from tailrace.deploy.stack import rollback, status
from tailrace.deploy.stack.artifacts import artifacts_needs
from tailrace.deploy.stack.changing import changing_needs
from tailrace.deploy.stack.condition import condition_needs
from tailrace.deploy.stack.events import event_needs
from tailrace.deploy.stack.kept import kept_needs
from tailrace.deploy.stack.prefixes import prefix_needs
from tailrace.deploy.stack.releases import release_needs
from tailrace.deploy.stack.repair import repair_needs
from tailrace.deploy.stack.smoke import smoke_needs
from tailrace.deploy.stack.upload import upload_needs
from tailrace.deploy.wanted import Wanted
from tailrace.permissions import Need


def deploy_needs(wanted: Wanted) -> Sequence[Need]:
    """What `tailrace deploy` calls by itself; what CloudFormation calls in its name, for the stack's resources, is beside this."""
    return _once(_deploy(wanted))


def rollback_needs(wanted: Wanted) -> Sequence[Need]:
    """What `tailrace rollback` calls."""
    return _once(iter([*PLACE_NEEDS, *rollback.rollback_needs(wanted)]))


def status_needs(wanted: Wanted) -> Sequence[Need]:
    """What `tailrace status` calls."""
    looks = (need for need in rollback.rollback_needs(wanted) if need.call != "lambda:UpdateAlias")
    return _once(iter([*PLACE_NEEDS, *condition_needs(_stack(wanted)), *looks, *status.status_needs(wanted)]))


def _deploy(wanted: Wanted) -> Iterator[Need]:
    names, artifacts, stack = wanted.names, wanted.artifacts, _stack(wanted)
    yield from PLACE_NEEDS
    yield from condition_needs(stack)
    yield from event_needs(stack)
    yield from repair_needs(stack)
    yield from changing_needs(stack, artifacts)
    yield from prefix_needs(vpc=bool(wanted.own.vpc.subnets))
    yield from artifacts_needs(artifacts, own=not wanted.own.artifacts_bucket)
    yield from upload_needs(artifacts)
    yield from ledger_needs(artifacts, names.stack)
    yield from release_needs(names.arn("lambda", f"function:{names.function}"))
    yield from kept_needs(wanted)
    yield from smoke_needs(wanted)


def _stack(wanted: Wanted) -> str:
    """The ARN of the stack, whatever its id, and of its change sets."""
    return wanted.names.arn("cloudformation", f"stack/{wanted.names.stack}/*")


def _once(needs: Iterator[Need]) -> Sequence[Need]:
    """Each need once, in the order in which they come."""
    found: list[Need] = []
    for need in needs:
        if need not in found:
            found.append(need)
    return found
