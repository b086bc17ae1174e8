"""The function's package, made by the builder that users run, for the Python that runs the tests and with the kernel that is installed."""

from __future__ import annotations

import os
import platform
import sys
import zipfile
from functools import cache
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal
from unittest.mock import patch

from parsing import kernel_named
from tailrace.deploy.package import Request, build, cache_of, request

RUNTIME: Final = f"python3.{sys.version_info.minor}"
ARCHITECTURE: Final[Literal["x86_64", "arm64"]] = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
CACHE: Final = cache_of(os.environ)


def packed(path: Path) -> Path:
    """Write the package. Skips the test without the native kernel, but not in CI."""
    kernel_named("native")
    path.write_bytes(_made())
    return path


def installed_kernel(folder: Path) -> Path:
    """The kernel that is installed here, as a wheel again. It needs this machine's glibc."""
    wheel = folder / "tailrace_kernel.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in metadata.files("tailrace-kernel") or ():
            if file.suffix in {".py", ".so", ".json"} or file.name == "METADATA":
                archive.write(str(file.locate()), str(file))
    return wheel


@cache
def _made() -> bytes:
    with TemporaryDirectory() as name, patch.object(request, "GLIBC", {RUNTIME: 99}):
        folder = Path(name)
        asked = Request(
            architecture=ARCHITECTURE, runtime=RUNTIME, kernel_wheel=installed_kernel(folder), out=folder / "p.zip"
        )
        return build(asked, cache=CACHE).path.read_bytes()
