"""`tailrace package`: the zip that Lambda runs."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import resolved, settings_options


@click.command("package", short_help="Build the zip that Lambda runs.")
@click.option(
    "--out", metavar="FILE", help="Write the package to FILE; by its version, runtime and processor if not given."
)
@click.option("--arch", type=click.Choice(["x86_64", "arm64"]), help="Processor; deploy.architecture if not given.")
@click.option("--runtime", metavar="NAME", help="Lambda's Python, such as python3.13; deploy.runtime if not given.")
@click.option("--version", metavar="X.Y.Z", default="", help="Version of the package; Tailrace's own if not given.")
@click.option("--build-number", metavar="N", type=int, help="Take N as the last number of the version.")
@click.option("--prerelease", metavar="TAG", default="", help="Add TAG to the version: X.Y.Z-TAG.")
@click.option("--kernel-wheel", metavar="FILE", help="Take the native kernel from a wheel; do not build it.")
@click.option(
    "--kernel", type=click.Choice(["auto", "native", "reference"]), default="auto", show_default=True,
    help="native fails where the native kernel cannot be built; auto takes its slow twin in Python then; reference always takes the twin.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the package's path, hashes and manifest as JSON.")
@settings_options()
def command(*, as_json: bool, config: str | None, assignments: tuple[str, ...], **wanted: Any) -> None:
    """Build the zip that Lambda runs: Tailrace, its kernel and its libraries for one processor and one Python.

    The same sources make the same bytes, wherever they are built. manifest.json in the zip tells what is in it.
    """
    from tailrace.cli import _package  # noqa: PLC0415 - not needed for --help

    _package.make(resolved({"config": config, "assignments": assignments}).settings.deploy, wanted, as_json=as_json)
