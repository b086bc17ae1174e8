"""`tailrace settings`: what can be set, what it is, and where that comes from."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import resolved, settings_options


@click.command("settings", short_help="What can be set, what it is, and where from.")
@settings_options()
@click.option("--json", "as_json", is_flag=True, help="NDJSON: one setting a line.")
def command(*, as_json: bool, **flags: Any) -> None:
    """Show every setting: its value, where the value comes from, and its meaning; then those of the sinks.

    A flag or --set counts before the environment (TAILRACE_STORE, TAILRACE_RETRY__DEADLINE), that before ./tailrace.toml
    or --config, that before the default.
    """
    from tailrace.cli import _settings  # noqa: PLC0415 - not needed for --help

    _settings.show(resolved(flags), as_json=as_json)
