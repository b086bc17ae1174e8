"""The kernel in a package: from a wheel, which is checked to run where the package runs; else its twin in Python."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path
from typing import Any, Final

import msgspec

import tailrace
from tailrace.deploy.package import crate, elf
from tailrace.deploy.package.checkout import Checkout
from tailrace.deploy.package.manifest import Kernel, Library
from tailrace.deploy.package.request import Request
from tailrace.errors import TailraceError, UsageError

_MODULE: Final = "tailrace_kernel"
_REMEDY: Final = "give another by --kernel-wheel"


@dataclass(frozen=True, slots=True)
class Taken:
    """A kernel with its files."""

    about: Kernel
    files: dict[str, bytes] = field(default_factory=dict)


def taken(request: Request, checkout: Checkout | None, bench: crate.Bench) -> Taken:
    """The kernel that is asked for. Raises UsageError where the wheel does not fit, and if there is no native one but must be."""
    if request.kernel_wheel:
        return from_wheel(request.kernel_wheel, request, "given")
    if request.kernel == "reference":
        return _twin("asked for")
    try:
        if checkout is None:
            raise UsageError("Tailrace is installed without its repository, where the kernel's sources are")
        made = crate.built(checkout.kernel, request.machine, bench)
    except TailraceError as error:
        if request.kernel == "native":
            message = f"there is no native kernel for {request.architecture}: {error}; {_REMEDY}"
            raise UsageError(message) from error
        return _twin(str(error))
    return from_wheel(made.wheel, request, "built", made.toolchain)


def _twin(why: str) -> Taken:
    return Taken(Kernel(kind="reference", origin=why))


def from_wheel(path: Path, request: Request, origin: str, toolchain: str = "") -> Taken:
    """The kernel in a wheel. Raises UsageError if it is none that runs in the function."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile) as error:
        message = f"--kernel-wheel {path}: it cannot be read as a wheel ({error})"
        raise UsageError(message) from error
    _check_name(path, files)
    wanted = {
        name: data for name, data in files.items() if name.startswith(f"{_MODULE}/") and name.endswith((".py", ".so"))
    }
    objects = [name for name in wanted if name.endswith(".so")]
    if len(objects) != 1:
        message = f"--kernel-wheel {path}: it has {len(objects)} shared objects, and not one; {_REMEDY}"
        raise UsageError(message)
    shared = wanted[objects[0]]
    _check_object(path, shared, request)
    _check_tags(path, objects[0], request)
    about = Kernel(
        kind="native",
        origin=origin,
        toolchain=toolchain,
        sha256=hashlib.sha256(shared).hexdigest(),
        crates=_crates(files),
    )
    return Taken(about, wanted)


def _check_name(path: Path, files: dict[str, bytes]) -> None:
    told = next((data for name, data in files.items() if name.endswith(".dist-info/METADATA")), b"")
    metadata = message_from_bytes(told)
    name, version = str(metadata["Name"]).replace("_", "-"), metadata["Version"]
    if (name, version) != ("tailrace-kernel", tailrace.__version__):
        message = (
            f"--kernel-wheel {path}: it is {name} {version}, and not tailrace-kernel {tailrace.__version__}; {_REMEDY}"
        )
        raise UsageError(message)


def _check_object(path: Path, shared: bytes, request: Request) -> None:
    machine, glibc = elf.machine(shared), elf.glibc(shared)
    if machine != request.machine:
        message = f"--kernel-wheel {path}: it is for {machine or 'another system'}, and the function for {request.machine}; {_REMEDY}"
        raise UsageError(message)
    if glibc > request.glibc:
        message = (
            f"--kernel-wheel {path}: it needs glibc 2.{glibc}, and Lambda's {request.runtime} has 2.{request.glibc};"
            " give one that maturin has built with --zig --compatibility manylinux_2_17"
        )
        raise UsageError(message)


def _check_tags(path: Path, shared: str, request: Request) -> None:
    """An abi3 module runs with any Python since 3.11, the oldest of Lambda's here; another with its own only."""
    if ".abi3." not in shared and f"cpython-3{request.minor}-" not in shared:
        message = f"--kernel-wheel {path}: {shared} is not for {request.runtime}; {_REMEDY}"
        raise UsageError(message)


def _crates(files: dict[str, bytes]) -> tuple[Library, ...]:
    """The crates that are part of it, from the bill of materials that maturin puts into wheels."""
    told = next((data for name, data in sorted(files.items()) if ".dist-info/sboms/" in name), b'{"components":[]}')
    return tuple(_libraries(msgspec.json.decode(told)))


def _libraries(bill: dict[str, Any]) -> Iterator[Library]:
    for each in sorted(bill.get("components", ()), key=lambda each: (each["name"], each["version"])):
        licences = [
            told.get("expression") or told.get("license", {}).get("id", "") for told in each.get("licenses", ())
        ]
        hashes = [told["content"] for told in each.get("hashes", ()) if told["alg"] == "SHA-256"]
        yield Library(
            name=each["name"], version=each["version"], licence=" AND ".join(licences), sha256="".join(hashes[:1])
        )
