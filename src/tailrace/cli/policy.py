"""`tailrace policy`: the permissions that each role needs, as JSON for IAM."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import CLOUD, resolved, settings_options


@click.command("policy", short_help="Print the IAM policy that a role needs.")
@click.argument("role", metavar="ROLE")
@click.argument("environment", metavar="[ENV]", default="")
@settings_options(*CLOUD)
@click.option("--account", metavar="NUMBER", help="Number of the account; that of the credentials if not given.")
@click.option("--partition", metavar="NAME", help="Partition, such as aws-cn; that of the region if not given.")
@click.option(
    "--bucket", "buckets", metavar="BUCKET[/PREFIX]", multiple=True,
    help="For `run`: where the objects are that a queue announces; that of ENV's deployment if not given. May be repeated.",
)  # fmt: skip
@click.option(
    "--load-balancers",
    is_flag=True,
    help="For `deploy` and `destroy`: also to switch the logs of load balancers on and off.",
)
def command(role: str, environment: str, **flags: Any) -> None:
    r"""Print the least that a role needs, as a policy for IAM: no action that is never called, on the resources of the settings only.

    ROLE is function (of the deployment ENV), run (a worker: whoever calls `tailrace run`), deploy, destroy, doctor, rollback or
    status (whoever calls these for the deployment ENV).

    \b
      tailrace policy deploy prod > deploy.json
      tailrace policy run --account 123456789012 --region eu-west-1 --bucket logs/AWSLogs
    """
    from tailrace.cli import _policy  # noqa: PLC0415 - not needed for --help

    place = {key: flags.pop(key) or "" for key in ("account", "partition")}
    told = {key: flags.pop(key) for key in ("buckets", "load_balancers")}
    asked = _policy.Asked(resolved=resolved(flags, environment=environment), environment=environment, **told)
    _policy.show(role, asked, **place)
