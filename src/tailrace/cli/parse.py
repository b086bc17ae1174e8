"""`tailrace parse`: records as NDJSON, nothing kept."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import CLOUD, READING, resolved, settings_options


@click.command("parse", short_help="Records as NDJSON on standard output.")
@click.argument("paths", metavar="[SOURCE]...", nargs=-1)
@settings_options(*READING, *CLOUD)
@click.option("--rejects", metavar="FILE", help="Write what is no record to FILE, as NDJSON with place and reason.")
@click.option("--strict", is_flag=True, help="Exit with 1 if anything was rejected.")
def command(paths: tuple[str, ...], rejects: str | None, *, strict: bool, **flags: Any) -> int:
    """Write the records of logs to standard output, one JSON object a line, in the order of the input.

    SOURCE: files, folders, patterns, s3://BUCKET/PREFIX, or - for standard input, which is read if none is given and it
    is no terminal. gzip, zstandard and bzip2 are recognised. The account of all lines goes to standard error.
    """
    from tailrace.cli._running import parse  # noqa: PLC0415 - not needed for --help

    return parse(paths, resolved(flags), rejects, strict=strict)
