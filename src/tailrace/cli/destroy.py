"""`tailrace destroy`: take the log processor out of an account of AWS."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import CLOUD, resolved, settings_options


@click.command("destroy", short_help="Take a deployment out of an account.")
@click.argument("environment", metavar="ENV")
@settings_options(*CLOUD)
@click.option("--delete-logs", is_flag=True, help="Remove the logs too: the bucket that was made, and dead letters.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-wait", is_flag=True, help="Do not wait for what AWS gives back only by and by; exit with 4 then.")
@click.option("--json", "as_json", is_flag=True, help="The plan as NDJSON: one step a line.")
def command(environment: str, **flags: Any) -> int:
    """Take the deployment ENV away: what goes and what stays is shown first, and nothing is done without consent.

    Load balancers write their logs as they did before, the notifications of a bucket that was there are as they were, and the stack is removed.
    Logs stay unless --delete-logs says otherwise. At last everything is looked for again by its name; what is left is told with the command
    that removes it. A function in a VPC has network interfaces which Lambda gives back within 45 minutes; this waits for them.

    What a run has left half done is gone on with by the next. Exits with 0 when nothing is left but what was to stay, and with 4 when
    something is, or still waits: run it again.
    """
    from tailrace.cli._destroy import destroy  # noqa: PLC0415 - not needed for --help

    how = {name: flags.pop(name) for name in ("delete_logs", "dry_run", "yes", "no_wait", "as_json")}
    return destroy(environment, resolved(flags, environment=environment), **how)
