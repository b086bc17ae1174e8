"""Deploying for `tailrace deploy`: settings become an order, the plan is shown and, if people want it, carried out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tailrace.cli._console import say, warn
from tailrace.cli._package import built
from tailrace.cli._plan import Interrupted, confirmed, interruptible, show, telling
from tailrace.clock import SystemClock
from tailrace.deploy.balancers.switching import Logging
from tailrace.deploy.cloud import Cloud, Place, place_of
from tailrace.deploy.ledger import Book
from tailrace.deploy.memory import Remembered
from tailrace.deploy.notifications import setups
from tailrace.deploy.package import Package, Request, read
from tailrace.deploy.stack.artifacts import Artifacts
from tailrace.deploy.stack.deploying import Deployment, Order
from tailrace.deploy.stack.prefixes import prefix_lists
from tailrace.deploy.stack.rollback import Rollback
from tailrace.deploy.template import template
from tailrace.deploy.wanted import Wanted, wanted
from tailrace.errors import EXIT_OK, UsageError
from tailrace.hosts.clients import clients
from tailrace.notices import Notices
from tailrace.settings import Resolved


def deploy(environment: str, resolved: Resolved, **how: Any) -> int:
    """Deploy an environment; the exit code. `how`: the options of the command."""
    cloud, asked = there(resolved, environment)
    if how["code_only"] and how["balancers"]:
        raise UsageError("--code-only changes nothing but the code; leave out --load-balancer")
    # First, so that settings that cannot be are told before a package is built.
    made = None if how["code_only"] else template(asked)
    with TemporaryDirectory(prefix="tailrace-") as folder:
        package = _package(asked, how["package"], Path(folder))
        order = _order(cloud, package, asked, made, how)
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
    clock = SystemClock()
    notices = Notices(say, clock)
    cloud = Cloud(clients(resolved.settings), clock, resolved.settings.retry, lambda told: notices.tell(told, told))
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
        deployment.moved = telling(sum(step.what.startswith("AWS::") for step in plan.steps))
        deployment.apply(plan)
    if not plan.repair:
        say(f"{deployment.order.name} is deployed")
    return plan.repair


def _order(
    cloud: Cloud, package: Package, asked: Wanted, made: Mapping[str, Any] | None, how: Mapping[str, Any]
) -> Order:
    """What is to be there."""
    names, memory = asked.names, Remembered(Book(cloud, asked.artifacts, asked.names.stack))
    place = Place(names.partition, names.region, names.account)
    own = not asked.own.artifacts_bucket
    told = {"words": how["balancers"], "replace": how["replace_logging"], "notice": warn}
    logging = Logging(wanted=asked, cloud=cloud, place=place, memory=memory, **told)
    return Order(
        wanted=asked,
        template=made,
        package=package,
        label=_label(package),
        artifacts=Artifacts(cloud=cloud, name=asked.artifacts, place=place, tags=asked.tags, own=own),
        before=setups(asked, cloud, memory) if made else (),
        after=[logging] if how["balancers"] else (),
        parameters=prefix_lists(cloud, made) if made else {},
    )


def _package(asked: Wanted, given: str | None, folder: Path) -> Package:
    """The package that is given, or else one that is built now. Raises UsageError."""
    own, runtime = asked.own, asked.runtime
    if not given:
        return built(Request(architecture=own.architecture, runtime=runtime, out=folder / "package.zip"))
    package = read(Path(given))
    found = package.manifest
    if (found.architecture, found.runtime) != (own.architecture, runtime):
        message = (
            f"{given} is for {found.runtime} on {found.architecture}, and {runtime} on {own.architecture} is deployed: set"
            " deploy.runtime and deploy.architecture, or build it for these"
        )
        raise UsageError(message)
    return package


def _label(package: Package) -> str:
    """What people call a package: its version and commit."""
    found = package.manifest
    commit = f"+{found.commit[:9]}{'.changed' if found.dirty else ''}" if found.commit else ""
    return f"{found.version}{commit}"


def roll_back(environment: str, resolved: Resolved, version: str) -> int:
    """Make an earlier version live; the exit code."""
    cloud, asked = there(resolved, environment)
    rollback = Rollback(cloud, asked)
    back = rollback.plan(version)
    if back is None:
        say(f"nothing to do: version {version} is live already")
        return EXIT_OK
    rollback.apply(back)
    say(f"{back.label} is live in {asked.names.stack}; before, it was version {back.live}")
    return EXIT_OK
