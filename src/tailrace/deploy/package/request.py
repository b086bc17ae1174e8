"""What is asked for: a package's version, the processor and the Python that it is for, and where its kernel comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import tailrace
from tailrace.deployment import RUNTIMES
from tailrace.errors import UsageError

Architecture = Literal["x86_64", "arm64"]
MACHINES: Final[dict[str, str]] = {"x86_64": "x86_64", "arm64": "aarch64"}
"""How wheels, linkers and ELF call what Lambda calls so."""
GLIBC: Final = {"python3.11": 26}
"""Lambda's python3.11 runs on Amazon Linux 2, which has glibc 2.26; the newer ones on Amazon Linux 2023.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
"""
_GLIBC_SINCE: Final = 34
_NUMBER: Final = r"(?:0|[1-9]\d*)"
_TAG: Final = rf"(?:{_NUMBER}|\d*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION: Final = re.compile(rf"({_NUMBER}\.{_NUMBER})\.({_NUMBER})(?:-({_TAG}(?:\.{_TAG})*))?")
"""https://semver.org, without what follows a `+`, for packages have that in their manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A package that is wanted.

    `version`: its version, Tailrace's own if not given; `build_number` replaces its last number, `prerelease` is its tag.
    `kernel`: auto takes the native one where it is given or can be built. `out`: the file; named by what is in it if not given.
    """

    architecture: Architecture = "arm64"
    runtime: str = RUNTIMES[-1]
    version: str = ""
    build_number: int | None = None
    prerelease: str = ""
    kernel: Literal["auto", "native", "reference"] = "auto"
    kernel_wheel: Path | None = None
    out: Path | None = None

    @property
    def machine(self) -> str:
        """The processor, as wheels and linkers call it."""
        return MACHINES[self.architecture]

    @property
    def minor(self) -> int:
        """Of the runtime's Python, 3.x."""
        return int(self.runtime.removeprefix("python3."))

    @property
    def glibc(self) -> int:
        """Of the runtime, 2.x."""
        return GLIBC.get(self.runtime, _GLIBC_SINCE)

    @property
    def named(self) -> str:
        """The version that the package gets (SemVer)."""
        text = self.version or tailrace.__version__
        match = _VERSION.fullmatch(text)
        if match is None:
            message = f"--version {text}: it is not of the form of a version, such as 1.4.0 or 1.4.0-rc.1"
            raise UsageError(message)
        major_minor, patch, tag = match.groups()
        if tag and self.prerelease:
            message = f"--version {text} has a pre-release tag already; leave out --prerelease"
            raise UsageError(message)
        number = patch if self.build_number is None else self.build_number
        tag = self.prerelease or tag
        return f"{major_minor}.{number}" + (f"-{tag}" if tag else "")

    def check(self) -> None:
        """Raises UsageError if there is no such package."""
        if self.runtime not in RUNTIMES:
            message = f"--runtime {self.runtime}: Lambda's are {', '.join(RUNTIMES)}"
            raise UsageError(message)
        if self.architecture not in MACHINES:
            message = f"--arch {self.architecture}: Lambda's are {', '.join(MACHINES)}"
            raise UsageError(message)
        if self.build_number is not None and self.build_number < 0:
            message = f"--build-number {self.build_number}: it is 0 or more"
            raise UsageError(message)
        if not _VERSION.fullmatch(self.named):
            message = (
                f"--prerelease {self.prerelease}: a tag is letters, digits and hyphens, with dots between, such as rc.1"
            )
            raise UsageError(message)
        if self.kernel_wheel and self.kernel == "reference":
            raise UsageError("--kernel-wheel is the native kernel's; leave out --kernel reference")
