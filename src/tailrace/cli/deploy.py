"""`tailrace deploy`: put the log processor into an account of AWS."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import CLOUD, resolved, settings_options


@click.command("deploy", short_help="Deploy to an account of AWS.")
@click.argument("environment", metavar="ENV")
@settings_options("to", *CLOUD)
@click.option("--dry-run", is_flag=True, help="Only show what would be changed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--code-only", is_flag=True, help="Change the function's code, and leave all else as it is.")
@click.option("--package", "package", metavar="FILE", help="Deploy this package, not one that is made now.")
@click.option("--load-balancer", "balancers", metavar="WHICH", multiple=True,
              help="Switch on the logs of these load balancers: a name, an ARN, or tag:KEY=VALUE. May be repeated.")  # fmt: skip
@click.option("--replace-logging", is_flag=True, help="Take logs of these load balancers that go to other buckets.")
@click.option("--json", "as_json", is_flag=True, help="The plan as NDJSON: one change a line.")
def command(environment: str, **flags: Any) -> int:
    """Bring the deployment ENV into the state that the settings ask for: the plan is shown first, and nothing is done without consent.

    What [environments.ENV] in tailrace.toml says counts before the rest of it. When the stack is done, a version of the function is published, made live,
    and proved by a control object; if that does not come through, the version before is live again, and this exits with 3. What a run
    has left half done is taken up by the next. Deploying the same again does nothing.
    """
    from tailrace.cli._deploying import deploy  # noqa: PLC0415 - not needed for --help

    names = ("dry_run", "yes", "code_only", "package", "balancers", "replace_logging", "as_json")
    how = {name: flags.pop(name) for name in names}
    return deploy(environment, resolved(flags, environment=environment), **how)
