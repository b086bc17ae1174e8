"""Access logs from here: looked at, planned, shown, and only then changed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import click
import msgspec
from rich.table import Table
from rich.text import Text

from tailrace.cli._cells import visible
from tailrace.cli._console import output, say
from tailrace.cli._plan import confirmed
from tailrace.cli._plan import show as show_plan
from tailrace.clock import SystemClock
from tailrace.clouds import failures
from tailrace.clouds.partitions import partition_of
from tailrace.deploy.stack.words import Step
from tailrace.errors import EXIT_OK, UsageError
from tailrace.hosts.calling import Cloud, Place
from tailrace.hosts.clients import clients
from tailrace.loadbalancer.attributes import logs as its
from tailrace.loadbalancer.attributes.finding import Balancer, Kind, every, one
from tailrace.loadbalancer.attributes.logs import ACCESS, Attributes, Goal
from tailrace.loadbalancer.attributes.switching import Asked, Switching
from tailrace.settings import Resolved, Settings


def switch(name: str, resolved: Resolved, *, enabled: bool, **how: Any) -> int:
    """Switch a log on or off; the exit code. `how`: the options of the command."""
    cloud, place = _there(resolved.settings)
    balancer = one(cloud, place, name, *_kinds(how["kind"]))
    told = {key: how.get(key) for key in ("bucket", "prefix", "interval")}
    switching = Switching(cloud, balancer, Asked(enabled=enabled, **told))
    changes = switching.plan(switching.look())
    if not changes:
        say(f"nothing to do: the access log of {balancer} is as it should be")
    else:
        steps = [Step("change", "access log", str(balancer), change.why) for change in changes]
        show_plan(steps, as_json=how["as_json"])
        if how["dry_run"]:
            say("nothing was changed: this is a dry run")
            return EXIT_OK
        if not confirmed(yes=how["yes"], question=f"Change the access log of {balancer} like this?"):
            say("nothing was changed")
            return EXIT_OK
        for change in changes:
            switching.apply(change)
    if not how["as_json"]:
        _tell(balancer, switching.look(), place, resolved.settings)
    return EXIT_OK


def show(name: str, resolved: Resolved, *, kind: Kind | None, as_json: bool) -> int:
    """Tell of one load balancer; the exit code."""
    cloud, place = _there(resolved.settings)
    balancer = one(cloud, place, name, *_kinds(kind))
    found = Switching(cloud, balancer, Asked(enabled=False)).look()
    if as_json:
        click.echo(msgspec.json.encode(_document(balancer, found, place)))
    else:
        _tell(balancer, found, place, resolved.settings)
    return EXIT_OK


def listing(resolved: Resolved, *, kind: Kind | None, as_json: bool) -> int:
    """Tell of all load balancers; the exit code."""
    cloud, place = _there(resolved.settings)
    table = Table("load balancer", "type", "access log", "every", box=None, pad_edge=False)
    for balancer in every(cloud, place, *_kinds(kind)):
        found = its.attributes_of(cloud, balancer) if balancer.kind in its.KINDS else {}
        if found is None:  # gone meanwhile
            continue
        if as_json:
            click.echo(msgspec.json.encode(_document(balancer, found, place)))
        goal = its.goal_of(found, ACCESS)
        cells = (balancer.name, balancer.kind, str(goal) if goal else "off", _often(balancer, found) if goal else "")
        table.add_row(*(Text(visible(cell)) for cell in cells), style="" if goal else "dim")
    if not as_json:
        output().print(table)
    return EXIT_OK


def _there(settings: Settings) -> tuple[Cloud, Place]:
    """The cloud, and of which account it is asked: empty where a private one does not tell."""
    cloud = Cloud(clients(settings), SystemClock(), settings.retry, say)
    region = str(cloud.of("elb").meta.region_name)
    return cloud, Place(_partition(region), region, _account(cloud))


def _partition(region: str) -> str:
    try:
        return partition_of(region)
    except UsageError:  # it is none of AWS's
        return "aws"


def _account(cloud: Cloud) -> str:
    with suppress(*failures.raised(), UsageError, KeyError):
        return str(cloud.of("sts").get_caller_identity()["Account"])
    return ""


def _kinds(kind: Kind | None) -> tuple[Kind, ...]:
    return (kind,) if kind else ()


def _tell(balancer: Balancer, found: Attributes, place: Place, settings: Settings) -> None:
    """Where a log goes, and how whoever owns the bucket reads it."""
    goal = its.goal_of(found, ACCESS)
    if goal is None:
        click.echo(visible(f"{balancer} writes no access log"))
        return
    where = _below(goal, balancer, place)
    click.echo(visible(f"the access log of {balancer} goes to {where}, every {_often(balancer, found)}"))
    region = f" --region {settings.region}" if settings.region else ""
    endpoint = f" --endpoint-url {settings.endpoint_url}" if settings.endpoint_url else ""
    click.echo(visible(f"  aws s3 ls --recursive {where}{endpoint}"))
    click.echo(visible(f"  tailrace ship {where}{region}{endpoint}"))


def _often(balancer: Balancer, found: Attributes) -> str:
    return f"{found.get(f'{ACCESS}.s3.interval', '60') if balancer.classic else '5'} minutes"


def _below(goal: Goal, balancer: Balancer, place: Place) -> str:
    """Below what its objects are."""
    account = balancer.arn.split(":")[4] or place.account
    return "/".join(filter(None, ("s3:/", goal.bucket, goal.prefix, "AWSLogs", account))) + "/"


def _document(balancer: Balancer, found: Attributes, place: Place) -> dict[str, Any]:
    goal = its.goal_of(found, ACCESS)
    told: dict[str, Any] = {"name": balancer.name, "type": balancer.kind, "enabled": goal is not None}
    if not balancer.classic:
        told["arn"] = balancer.arn
    if goal:
        told |= {"bucket": goal.bucket, "prefix": goal.prefix, "url": _below(goal, balancer, place)}
        told["minutes"] = int(found.get(f"{ACCESS}.s3.interval", "60")) if balancer.classic else 5
    return told
