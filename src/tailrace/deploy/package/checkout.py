"""The repository that this Tailrace runs from, if it does: its commit, and the sources of the kernel."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tailrace.deploy.package.modules import ROOT

_INPUTS: Final = ("src/tailrace", "kernel", "LICENSE")
"""What a package is made of."""
_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Checkout:
    """A repository on this disk. `dirty`: what packages are made of differs from the commit."""

    folder: Path
    commit: str | None
    dirty: bool

    @property
    def kernel(self) -> Path:
        """The crate."""
        return self.folder / "kernel"


def checkout(root: Path = ROOT) -> Checkout | None:
    """The repository of the modules in a folder; None if they were installed without it."""
    folder = root.resolve().parent
    if root.name != "src" or not (folder / "kernel" / "Cargo.toml").is_file():
        return None
    if _git(folder, "rev-parse", "--show-prefix") != "":
        return Checkout(folder, None, dirty=False)
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    return Checkout(folder, commit, dirty=bool(_git(folder, "status", "--porcelain", "--", *_INPUTS)))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - git of this machine
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
