"""What a package tells of itself: `manifest.json` in the zip."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from tailrace.errors import UsageError

NAME: Final = "manifest.json"
_LONGEST: Final = 64 << 20
"""Neither a package nor a file in it is larger."""


class Library(msgspec.Struct, frozen=True, kw_only=True):
    """A library in the package; of one that is part of the kernel there is no wheel."""

    name: str
    version: str
    licence: str
    wheel: str = ""
    """Name of the wheel that its files are from."""
    sha256: str = ""
    """Of that wheel."""


class Kernel(msgspec.Struct, frozen=True, kw_only=True):
    """The kernel in the package."""

    kind: Literal["native", "reference"]
    """The native one, or its pure-Python twin, which does the same slower."""
    origin: str = ""
    """Built, given, or why it is the twin."""
    toolchain: str = ""
    """What built it."""
    sha256: str = ""
    """Of its shared object."""
    crates: tuple[Library, ...] = ()
    """The libraries that are part of it."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the package, and from what it was made."""

    name: Literal["tailrace"] = "tailrace"
    version: str
    """SemVer."""
    commit: str | None
    """Of git; null where Tailrace was installed without its repository."""
    dirty: bool
    """The sources were changed since that commit."""
    architecture: str
    runtime: str
    handler: str
    kernel: Kernel
    compiled_by: str | None
    """Version of the Python that compiled the modules; null where there was none of the runtime's: then the runtime compiles them."""
    libraries: tuple[Library, ...]
    files: dict[str, str]
    """SHA-256 of every other file in the package."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package on this disk. `code_sha256`: as Lambda tells it of a function."""

    path: Path
    sha256: str
    code_sha256: str
    manifest: Manifest

    @property
    def size(self) -> int:
        """In bytes."""
        return self.path.stat().st_size


def package(path: Path, data: bytes, manifest: Manifest) -> Package:
    """The package whose bytes these are."""
    digest = hashlib.sha256(data)
    return Package(path, digest.hexdigest(), base64.b64encode(digest.digest()).decode(), manifest)


def encoded(manifest: Manifest) -> bytes:
    """The manifest as it is in the zip: keys in their order, a line for each."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1) + b"\n"


def read(path: Path) -> Package:
    """The package in a file. Raises UsageError if it is none, or if a file in it is not what the manifest says."""
    try:
        if path.stat().st_size > _LONGEST:
            message = f"{path} is no package of Tailrace: it is too large"
            raise UsageError(message)
        data = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            manifest = msgspec.json.decode(archive.read(NAME), type=Manifest)
            found = {each: hashlib.sha256(archive.read(each)).hexdigest() for each in _names(archive)}
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); name a package that `tailrace package` made"
        raise UsageError(message) from error
    except (zipfile.BadZipFile, KeyError, msgspec.MsgspecError, ValueError) as error:
        message = f"{path} is no package of Tailrace ({error}); make one with `tailrace package`"
        raise UsageError(message) from error
    if found != manifest.files:
        message = f"{path}: its files are not those of its manifest; make it anew with `tailrace package`"
        raise UsageError(message)
    return package(path, data, manifest)


def _names(archive: zipfile.ZipFile) -> list[str]:
    infos = archive.infolist()
    if sum(info.file_size for info in infos) > 4 * _LONGEST:
        raise ValueError("its files are too large")
    return [info.filename for info in infos if info.filename != NAME]
