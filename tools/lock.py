"""Write the lock of what goes into packages, and of what builds their kernel: `python tools/lock.py NAME==VERSION …`.

pip chooses the wheels, for each Python and processor that Lambda has; what is written is their names and hashes.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

from tailrace.deployment import RUNTIMES

LOCK = Path(__file__).parents[1] / "src/tailrace/deploy/package/wheels.toml"
HEADER = (
    "# Written by tools/lock.py. What packages are made of and built with; the wheels by name, with their SHA-256.\n"
)
LINUX = (
    "manylinux_2_26",
    "manylinux_2_17",
    "manylinux2014",
    "manylinux_2_12",
    "manylinux2010",
    "manylinux_2_5",
    "manylinux1",
)
MACS = [f"macosx_{version}_0_{kind}" for version in range(15, 10, -1) for kind in ("arm64", "universal2", "x86_64")]
TOOLS = ("maturin", "ziglang")


def main(asked: list[str]) -> None:
    """Write the lock; of what is not named the version stays."""
    old = tomllib.loads(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else {}
    wanted = {name: told["version"] for name, told in old.items()} | dict(each.split("==") for each in asked)
    parts = [HEADER]
    for name, version in sorted(wanted.items()):
        with tempfile.TemporaryDirectory() as folder:
            for platforms, runtime in _targets(name):
                _download(f"{name}=={version}", platforms, runtime, Path(folder))
            parts.append(_entry(name, version, sorted(Path(folder).glob("*.whl")), old.get(name, {})))
    LOCK.write_text("\n".join(parts), encoding="utf-8")


def _targets(name: str) -> Iterator[tuple[list[str], str]]:
    for machine in ("x86_64", "aarch64"):
        for runtime in RUNTIMES[:1] if name in TOOLS else RUNTIMES:
            yield [f"{each}_{machine}" for each in LINUX], runtime
    if name in TOOLS:
        for machine in ("arm64", "x86_64"):
            yield (
                [each for each in MACS if not each.endswith({"arm64": "x86_64", "x86_64": "arm64"}[machine])],
                RUNTIMES[0],
            )


def _download(requirement: str, platforms: list[str], runtime: str, folder: Path) -> None:
    version = runtime.removeprefix("python")
    flags = [flag for each in platforms for flag in ("--platform", each)]
    abis = [flag for each in (f"cp{version.replace('.', '')}", "abi3", "none") for flag in ("--abi", each)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run(
        [*command, "--python-version", version, *abis, *flags, "--dest", str(folder), requirement], check=True
    )


def _entry(name: str, version: str, wheels: list[Path], old: dict[str, object]) -> str:
    lines = [f"[{name}]", f'version = "{version}"', f'licence = "{_licence(wheels[0])}"']
    if without := old.get("without"):
        lines.append(f"without = {without}".replace("'", '"'))
    lines.append(f"[{name}.wheels]")
    lines += [f'"{wheel.name}" = "{hashlib.sha256(wheel.read_bytes()).hexdigest()}"' for wheel in wheels]
    return "\n".join(lines) + "\n"


def _licence(wheel: Path) -> str:
    with ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        told = message_from_bytes(archive.read(name))
    return str(told["License-Expression"] or told["License"])


if __name__ == "__main__":
    main(sys.argv[1:])
