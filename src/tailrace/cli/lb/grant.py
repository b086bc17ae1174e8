"""`tailrace lb grant`: who may read a load balancer's log."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import CLOUD, resolved, settings_options

_HELP = """Let the owner of a load balancer list and read its log, in the way that the store supports.

That is a bucket policy on AWS and Ceph, access control lists on Eucalyptus, and the container's list on Swift. What others were granted
stays. With lb.expire_days objects are deleted after so long. What is to be changed is shown first.

\b
  tailrace lb grant --region eucalyptus
  tailrace lb grant --region lab --to 'acme$bob' --bucket web-logs --yes
  tailrace lb grant --region lab --check --as bob@lab
"""


@click.command("grant", short_help="Let the owner of a load balancer read its log.", help=_HELP)
@click.option("--bucket", metavar="NAME", help="The bucket, or container; lb.bucket if not given.")
@click.option(
    "--to",
    metavar="WHO",
    help="Account, canonical id, UID, TENANT$UID or id of a project; the owner of the load balancer if not given.",
)
@click.option(
    "--write",
    is_flag=True,
    help="Let WHO put objects: for the owner of a bucket in which somebody else writes the log.",
)
@click.option("--revoke", is_flag=True, help="Take back what was granted.")
@click.option(
    "--check",
    is_flag=True,
    help="Change nothing: list and read as the one who is to be able to; exit code 1 if he is not.",
)
@click.option(
    "--as",
    "as_",
    metavar="WHOM",
    help="His credentials, for --check: [USER@][REGION], a profile, or for Swift a file of OS_ variables.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan only.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@settings_options(*CLOUD)
def command(**flags: Any) -> int:
    """Plan, show and make the changes, or check; the help is told above."""
    from tailrace.cli.lb._grant import Asked, grant  # noqa: PLC0415 - not needed for --help

    names = ("write", "revoke", "check", "as_", "dry_run", "yes")
    asked = Asked(to=flags.get("to") or "", **{name: flags.pop(name) for name in names})
    own = {"bucket": flags.pop("bucket"), "reader": flags.pop("to")}
    told = [f"lb.{key}={value}" for key, value in own.items() if value and not (asked.write and key == "reader")]
    return grant(resolved({**flags, "assignments": [*flags["assignments"], *told]}), asked)
