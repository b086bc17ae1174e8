"""What a function's package has to hold: Tailrace, its kernel, isal and msgspec. boto3 is the runtime's own."""

from __future__ import annotations

import zipfile
from importlib import import_module
from pathlib import Path

from parsing import kernel_named

_MODULES = ("tailrace", "tailrace_kernel", "isal", "msgspec")


def packed(path: Path) -> Path:
    """Write the package. Skips the test without the native kernel, but not in CI."""
    kernel_named("native")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in _MODULES:
            folder = Path(str(import_module(name).__file__)).parent
            for file in sorted(folder.rglob("*")):
                if file.suffix in {".py", ".so"}:
                    archive.write(file, file.relative_to(folder.parent))
    return path
