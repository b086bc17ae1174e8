"""`tailrace query`: SQL over the local store."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import resolved, settings_options

_HELP = """Answer a question in SQL, or list the views that there are.

There is a view for each format (alb, nlb, clb, haproxy_http ...), haproxy for all of HAProxy's, and requests for all
together. SQL may be - for standard input. The dialect is DuckDB's; times are UTC.

\b
  tailrace query "DESCRIBE requests"
  tailrace query "SELECT host, status, count(*) FROM requests GROUP BY ALL"
"""


@click.command("query", help=_HELP)
@click.argument("sql", required=False)
@settings_options("store")
@click.option("--csv", "form", flag_value="csv", help="Write CSV (RFC 4180), with a header.")
@click.option("--json", "form", flag_value="json", help="Write one JSON array of objects.")
def command(*, sql: str | None, form: str | None, **flags: Any) -> None:
    """Answer a question in SQL, or list the views that there are."""
    from tailrace.cli import _query  # noqa: PLC0415 - not needed for --help

    _query.run(resolved(flags).settings.store, sql, form or "table")
