"""`tailrace template`: what `tailrace deploy` would make, as a template for CloudFormation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tailrace.cli._options import CLOUD, resolved, settings_options
from tailrace.errors import UsageError


@click.command("template", short_help="A deployment as a CloudFormation template.")
@click.argument("environment", metavar="[ENV]", default="prod")
@settings_options("to", *CLOUD)
@click.option("--settings", metavar="FILE", help="The same as --config.")
@click.option("--json", "form", flag_value="json", help="JSON; YAML if nothing is told.")
@click.option("--yaml", "form", flag_value="yaml", default=True, help="YAML.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Into FILE.")
def command(*, environment: str, form: str, out: Path | None, settings: str | None, **flags: Any) -> None:
    """Write the CloudFormation template of the environment ENV (prod, if not given), made of its settings.

    The same settings give the same bytes. `tailrace deploy ENV` makes what it tells.
    """
    from tailrace.deploy.template import as_json, as_yaml, template  # noqa: PLC0415 - not needed for --help
    from tailrace.deploy.wanted import wanted  # noqa: PLC0415

    if settings and flags["config"]:
        raise UsageError("--settings and --config are the same; give one of them")
    flags["config"] = flags["config"] or settings
    told = template(wanted(resolved(flags, environment=environment), environment))
    text = as_json(told) if form == "json" else as_yaml(told)
    if out:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            message = f"cannot write {out}: {error.strerror}"
            raise UsageError(message) from error
        return
    click.echo(text, nl=False)
