"""The libraries in a package, and the tools that build its kernel: pinned by hash in `wheels.toml`, fetched once by pip.

What was fetched lies in a folder of wheels, and is taken from there for ever after, without a network.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from tailrace.deploy.package.manifest import Library
from tailrace.errors import Fatal, UsageError

LIBRARIES: Final = ("h11", "isal", "msgspec", "zstandard")
"""What the function imports beside Tailrace; boto3 is the runtime's own."""
_LOCK: Final = Path(__file__).parent / "wheels.toml"
_CODE: Final = (".py", ".so")
_LICENCE: Final = re.compile(r"(?:LICEN[CS]E|COPYING|NOTICE)(?:[.-]\w+)?", re.IGNORECASE)
_SECONDS: Final = 900


class _Locked(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    licence: str
    without: tuple[str, ...] = ()
    wheels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel that the lock names. `without`: patterns of files that nothing needs."""

    library: Library
    without: tuple[str, ...] = ()

    @property
    def tags(self) -> tuple[str, str, list[str]]:
        """Python, ABI, and platforms."""
        python, abi, platforms = self.library.wheel.removesuffix(".whl").split("-")[-3:]
        return python, abi, platforms.split(".")


@cache
def _lock() -> dict[str, _Locked]:
    return msgspec.toml.decode(_LOCK.read_bytes(), type=dict[str, _Locked])


def locked(name: str, minor: int, system: str) -> Wheel:
    """The wheel of a library for Python 3.x on a system, such as `linux_aarch64`. Raises UsageError if the lock has none."""
    told = _lock()[name]
    kernel, _, machine = system.partition("_")
    for file, digest in told.wheels.items():
        library = Library(name=name, version=told.version, licence=told.licence, wheel=file, sha256=digest)
        wheel = Wheel(library, told.without)
        python, _, platforms = wheel.tags
        if python in {f"cp3{minor}", "py3"} and any(_runs(each, kernel, machine) for each in platforms):
            return wheel
    message = f"{name} {told.version}: its lock has no wheel for Python 3.{minor} on {system}"
    raise UsageError(message)


def _runs(platform: str, kernel: str, machine: str) -> bool:
    family = {"linux": "manylinux", "darwin": "macosx"}.get(kernel, kernel)
    return platform == "any" or (platform.startswith(family) and platform.endswith((machine, "universal2")))


def fetched(wheel: Wheel, folder: Path, tell: Callable[[str], None]) -> Path:
    """The wheel on this disk; pip fetches it if it is not there. Raises Fatal."""
    path = folder / wheel.library.sha256[:16] / wheel.library.wheel
    if not path.exists():
        tell(f"fetching {wheel.library.name} {wheel.library.version}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder) as name:
            os.replace(_downloaded(wheel, Path(name)), path)  # noqa: PTH105 - one rename
    if hashlib.sha256(path.read_bytes()).hexdigest() != wheel.library.sha256:
        path.unlink()
        message = f"{path} was damaged and is removed; run it again"
        raise Fatal(message)
    return path


def _downloaded(wheel: Wheel, folder: Path) -> Path:
    library, (python, abi, platforms) = wheel.library, wheel.tags
    asked = folder / "asked.txt"
    asked.write_text(f"{library.name}=={library.version} --hash=sha256:{library.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--require-hashes", "--requirement", str(asked), "--dest", str(folder)]
    command += ["--abi", abi, "--implementation", python[:2]]
    command += ["--python-version", f"3.{python[3:]}"] if python.startswith("cp") else []
    command += [flag for each in platforms if each != "any" for flag in ("--platform", each)]
    done = subprocess.run(  # noqa: S603 - pip of this Python
        command, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode or not (folder / library.wheel).exists():
        message = f"{library.name} {library.version} cannot be fetched by pip: {_why(done.stderr)}"
        raise Fatal(message)
    return folder / library.wheel


def _why(told: str) -> str:
    lines = [line for line in told.splitlines() if line.strip() and not line.startswith("WARNING: Running pip as")]
    if "No module named pip" in told:
        return "pip is not installed; python -m ensurepip installs it"
    if any(word in told for word in ("connection", "resolve", "No matching distribution")):
        return "there is no network, or the package index does not have it; what was fetched once is not fetched again"
    return lines[-1].removeprefix("ERROR: ") if lines else "it tells nothing"


def contents(wheel: Wheel, path: Path) -> dict[str, bytes]:
    """What a package takes of a wheel: modules and shared objects, and the texts of licences below `licenses/`."""
    with zipfile.ZipFile(path) as archive:
        return {
            target: archive.read(name)
            for name in archive.namelist()
            for target in _targets(name, wheel)
            if not any(fnmatch.fnmatchcase(name, pattern) for pattern in wheel.without)
        }


def _targets(name: str, wheel: Wheel) -> Iterator[str]:
    path = PurePosixPath(name)
    if _LICENCE.fullmatch(path.name):
        inside = path.relative_to(path.parts[0])
        inside = inside.relative_to("licenses") if inside.parts[0] == "licenses" else inside
        yield f"licenses/{wheel.library.name}/{inside}"
    elif path.suffix in _CODE and not path.parts[0].endswith((".dist-info", ".data")):
        yield name
