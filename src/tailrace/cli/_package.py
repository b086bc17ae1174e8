"""Building a package on the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tailrace.cli._cells import visible
from tailrace.cli._console import people, warn
from tailrace.deploy.package import Manifest, Package, Request, build, cache_of, warnings
from tailrace.deploy.wanted import runtime_of
from tailrace.deployment import Deploy


def make(own: Deploy, wanted: Mapping[str, Any], *, as_json: bool) -> None:
    """Build the package that options and settings ask for, and tell of it. Raises UsageError, Fatal."""
    package = built(_request(own, wanted))
    if as_json:
        told = {"path": str(package.path), "size": package.size, "sha256": package.sha256}
        told |= {"code_sha256": package.code_sha256, "manifest": package.manifest}
        print(msgspec.json.encode(told).decode())  # noqa: T201 - the result
    else:
        print("\n".join(map(visible, _lines(package))))  # noqa: T201 - the result


def built(request: Request) -> Package:
    """Build a package, show on a terminal what goes on, and say what is not as it should be. Raises UsageError, Fatal."""
    console, cache = people(), cache_of(os.environ)
    if console.is_terminal:
        with console.status("looking at the sources") as status:
            package = build(request, cache=cache, tell=lambda step: status.update(visible(step)))
    else:
        package = build(request, cache=cache)
    for warning in warnings(package.manifest):
        warn(warning)
    return package


def _request(own: Deploy, wanted: Mapping[str, Any]) -> Request:
    told = dict(wanted)
    told["architecture"] = told.pop("arch") or own.architecture
    told["runtime"] = told["runtime"] or runtime_of(own)
    for name in ("out", "kernel_wheel"):
        told[name] = Path(told[name]) if told[name] else None
    return Request(**told)


def _lines(package: Package) -> list[str]:
    manifest = package.manifest
    libraries = ", ".join(f"{each.name} {each.version}" for each in manifest.libraries)
    commit = manifest.commit or "unknown"
    return [
        f"{package.path}: {package.size / 1e6:.2f} MB in {len(manifest.files) + 1} files",
        f"  version    {manifest.version}",
        f"  commit     {commit}{', and changes that are not committed' if manifest.dirty else ''}",
        f"  for        {manifest.runtime} on {manifest.architecture}",
        f"  kernel     {_kernel(manifest)}",
        f"  compiled   {f'by Python {manifest.compiled_by}' if manifest.compiled_by else 'no: by the runtime, at each cold start'}",
        f"  libraries  {libraries}",
        f"  SHA-256    {package.sha256}",
        f"  in Lambda  {package.code_sha256}",
    ]


def _kernel(manifest: Manifest) -> str:
    kernel = manifest.kernel
    if kernel.kind == "reference":
        return "the slow twin in Python, not the native one"
    return f"native, built by {kernel.toolchain}" if kernel.toolchain else f"native, {kernel.origin}"
