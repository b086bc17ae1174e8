"""Deploying for `tailrace deploy`: settings become an order, the plan is shown and, if people want it, carried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailrace.cli._console import say
from tailrace.cli._plan import Interrupted, confirmed, interruptible, show, telling
from tailrace.clock import SystemClock
from tailrace.deploy.cloud import Cloud, Place, place_of
from tailrace.deploy.stack.artifacts import Artifacts
from tailrace.deploy.stack.deploying import Deployment, Order
from tailrace.deploy.wanted import Wanted, wanted
from tailrace.errors import EXIT_OK
from tailrace.hosts.clients import clients
from tailrace.settings import Resolved


def deploy(environment: str, resolved: Resolved, **how: Any) -> int:
    """Deploy an environment; the exit code. `how`: the options of the command."""
    cloud, asked = there(resolved, environment)
    order = order_of(cloud, asked, how)
    deployment = Deployment(cloud, order, moved=telling(0), said=say)
    try:
        with interruptible():
            while _round(deployment, how):
                pass
    except Interrupted as signal:
        say(f"interrupted: {deployment.where}; `{order.again}` takes it up again")
        return signal.code
    return EXIT_OK


def there(resolved: Resolved, environment: str) -> tuple[Cloud, Wanted]:
    """The account, and what is to be in it. Raises UsageError, Fatal."""
    asked = wanted(resolved, environment)
    cloud = Cloud(clients(resolved.settings), SystemClock(), resolved.settings.retry, say)
    place = place_of(cloud)
    return cloud, asked.in_account(partition=place.partition, region=place.region, account=place.account)


def _round(deployment: Deployment, how: Mapping[str, Any]) -> bool:
    """One look, plan and, if wanted, its carrying out; whether there is more to do."""
    with deployment.planned(deployment.look()) as plan:
        if not plan.steps:
            say(f"nothing to do: {deployment.order.name} is as it should be")
            return False
        show(plan.steps, as_json=how["as_json"])
        if how["dry_run"]:
            more = "; what follows is known when that is done" if plan.repair else ""
            say(f"nothing was changed: this is a dry run{more}")
            return False
        if not confirmed(yes=how["yes"], question=f"Change {deployment.order.name} like this?"):
            say("nothing was changed")
            return False
        deployment.moved = telling(len(plan.steps))
        deployment.apply(plan)
    if not plan.repair:
        say(f"{deployment.order.name} is deployed")
    return plan.repair


def order_of(cloud: Cloud, asked: Wanted, how: Mapping[str, Any]) -> Order:
    """What is to be there, as the options tell."""
    place = Place(asked.names.partition, asked.names.region, asked.names.account)
    artifacts = Artifacts(
        cloud=cloud, name=asked.artifacts, place=place, tags=asked.tags, own=not asked.own.artifacts_bucket
    )
    package = how["package"]
    return Order(wanted=asked, template=how["template"], package=package, label=how["label"], artifacts=artifacts)
