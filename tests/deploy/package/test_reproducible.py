"""The same bytes from two clean checkouts, whoever builds them, wherever and with what settings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from making import absent
from services.lambda_package import CACHE, RUNTIME
from tailrace.deploy.package.modules import ROOT

INPUTS = ("src/tailrace", "kernel", "LICENSE", "pyproject.toml")
AUTHOR = {f"GIT_{who}_{what}": told for who in ("AUTHOR", "COMMITTER") for what, told in
          (("NAME", "a"), ("EMAIL", "a@example.com"), ("DATE", "2026-11-20T06:15:00Z"))}  # fmt: skip


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "init.defaultBranch=main", *words], cwd=folder, env={**os.environ, **AUTHOR}, check=True
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What packages are made of as it lies in this folder, committed."""
    origin, folder = ROOT.parent, tmp_path / "repository"
    assert (origin / "kernel").is_dir(), "tests run in the repository"
    ignored = shutil.ignore_patterns("__pycache__", "target", "corpus", "artifacts", "*.so")
    for name in INPUTS:
        if (origin / name).is_dir():
            shutil.copytree(origin / name, folder / name, ignore=ignored)
        else:
            shutil.copy(origin / name, folder / name)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--no-gpg-sign", "-m", "all")
    return folder


def packaged(checkout: Path, cache: Path, *words: str, before: str = "", **environ: str) -> dict[str, Any]:
    """Build a package in a checkout, by the program."""
    (cache / "tailrace" / "package").mkdir(parents=True, exist_ok=True)
    if not (wheels := cache / "tailrace" / "package" / "wheels").exists():
        wheels.symlink_to(CACHE / "wheels")
    variables = {**os.environ, "PYTHONPATH": str(checkout / "src"), "XDG_CACHE_HOME": str(cache), **environ}
    command = [sys.executable, "-m", "tailrace", "package", "--json", "--runtime", RUNTIME, *words]
    shell = ["sh", "-c", f'{before or ":"}; exec "$@"', "sh", *command]
    done = subprocess.run(shell, cwd=cache, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_two_clean_checkouts(repository: Path, tmp_path: Path) -> None:
    (CACHE / "wheels").mkdir(parents=True, exist_ok=True)
    here, there = tmp_path / "here", tmp_path / "quite" / "another place" / "there"
    git(tmp_path, "clone", "-q", str(repository), str(here))
    git(tmp_path, "clone", "-q", str(repository), str(there))
    words = ("--arch", "arm64", "--kernel", "reference", "--build-number", "12")
    one = packaged(here, tmp_path / "1", *words, before="umask 022", TZ="UTC", LC_ALL="C", PYTHONHASHSEED="1")
    for path in there.rglob("*.py"):
        os.utime(path, (1, 1))
    other = packaged(
        there, tmp_path / "2", *words, before="umask 077", TZ="Asia/Tokyo", LC_ALL="C.UTF-8", PYTHONHASHSEED="2", SOURCE_DATE_EPOCH="9"
    )  # fmt: skip
    assert one["sha256"] == other["sha256"]
    assert (one["manifest"]["dirty"], one["manifest"]["version"].split(".")[2]) == (False, "12")
    files = [Path(each["path"]) for each in (one, other)]
    first, second = ((tmp_path / str(number) / file).read_bytes() for number, file in enumerate(files, 1))
    assert first == second


def test_changes_that_are_not_committed_are_told(repository: Path) -> None:
    from tailrace.deploy.package.checkout import checkout  # noqa: PLC0415 - beside its test

    clean = checkout(repository / "src")
    assert clean
    assert (len(clean.commit or ""), clean.dirty) == (40, False)
    (repository / "README.md").write_text("not part of a package")
    clean = checkout(repository / "src")
    assert clean
    assert not clean.dirty
    (repository / "src" / "tailrace" / "new.py").write_text("")
    changed = checkout(repository / "src")
    assert changed
    assert (changed.commit, changed.dirty) == (clean.commit, True)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_two_clean_checkouts_with_the_kernel_built(repository: Path, tmp_path: Path, architecture: str) -> None:
    """Nothing is shared but Rust itself: folder, cache, crates and tools are each one's own."""
    if shutil.which("cargo") is None:
        absent("Rust", "see CONTRIBUTING.md")
    made = []
    for place in ("here", "quite/another/there"):
        git(tmp_path, "clone", "-q", str(repository), str(tmp_path / place))
        words = ("--arch", architecture, "--kernel", "native")
        made.append(
            packaged(tmp_path / place, tmp_path / f"{place}-cache", *words, CARGO_HOME=str(tmp_path / f"{place}-cargo"))
        )
    assert made[0]["manifest"]["kernel"]["kind"] == "native"
    assert made[0]["sha256"] == made[1]["sha256"]
    assert made[0]["size"] < 6_000_000
    (wheel,) = (tmp_path / "here-cache").rglob("kernels/*/*.whl")
    audited = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", wheel], capture_output=True, text=True, check=True
    )
    told = " ".join(audited.stdout.split())
    assert 'is consistent with the following platform tag: "manylinux_2_17_' in told, told
    shutil.unpack_archive(tmp_path / "here-cache" / made[0]["path"], tmp_path / "unpacked")
    (shared,) = (tmp_path / "unpacked" / "tailrace_kernel").glob("*.so")
    assert str(tmp_path).encode() not in shared.read_bytes()
