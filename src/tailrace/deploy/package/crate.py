"""Building the kernel's crate so that its bytes are the same on every machine.

The toolchain is pinned, the linker is zig's, which also brings the symbols of an old glibc and links for other processors, and
no folder of this machine gets into the result. What was built is kept by the hash of all that it was made from.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tailrace.deploy.package import wheels
from tailrace.errors import Fatal

RUST: Final = "1.95.0"
"""The toolchain; with another one the kernel is as good, but its bytes differ."""
_COMPATIBILITY: Final = "manylinux_2_17"
"""Stricter than manylinux_2_28, for Lambda's python3.11 has glibc 2.26."""
_ABI: Final = "python3.11"
_CHANGING: Final = (
    "RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_PROFILE_",
    "CARGO_ENCODED_RUSTFLAGS",
)
"""Variables that would change what is built."""
_SECONDS: Final = 1800


@dataclass(frozen=True, slots=True)
class Bench:
    """Where things are built. `cache`: a folder that outlives a build; `tell`: is told what goes on."""

    cache: Path
    tell: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Built:
    """A wheel of the kernel, and what built it."""

    wheel: Path
    toolchain: str


def built(crate: Path, machine: str, bench: Bench) -> Built:
    """The kernel in that folder, built for a processor. Raises Fatal, UsageError."""
    environ = _toolchain(bench)
    rustc = _told(["rustc", "--version"], environ).strip()
    system = f"{sys.platform}_{os.uname().machine}"
    tools = [wheels.locked(name, sys.version_info.minor, system) for name in ("maturin", "ziglang")]
    names = ", ".join([" ".join(rustc.split()[:2]), *(f"{each.library.name} {each.library.version}" for each in tools)])
    kept = bench.cache / "kernels" / _key(crate, rustc, machine, tools)
    with _alone(bench):
        if not (found := sorted(kept.glob("*.whl"))):
            paths = [_unpacked(each, bench) for each in tools]
            target = f"{machine}-unknown-linux-gnu"
            _add(target, environ, bench)
            _fetch(crate, target, environ, bench)
            bench.tell(f"building the kernel for {machine}: a few minutes, once")
            found = [_compiled(crate, target, _flags(crate, environ, bench, paths), kept)]
    return Built(found[0], names)


@contextmanager
def _alone(bench: Bench) -> Iterator[None]:
    """Nobody else builds with the same cache."""
    bench.cache.mkdir(parents=True, exist_ok=True)
    with (bench.cache / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            bench.tell("waiting for another build")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _toolchain(bench: Bench) -> dict[str, str]:
    """The environment in which the pinned toolchain is called, or the one that there is."""
    if shutil.which("cargo") is None:
        message = f"there is no Rust here; install Rust {RUST} (https://rustup.rs)"
        raise Fatal(message)
    own = {name: value for name, value in os.environ.items() if not name.startswith(_CHANGING)}
    pinned = own | {"RUSTUP_TOOLCHAIN": RUST}
    bench.tell(f"looking for Rust {RUST}")
    return pinned if _run(["cargo", "--version"], pinned).returncode == 0 else own


def _key(crate: Path, rustc: str, machine: str, tools: list[wheels.Wheel]) -> str:
    digest = hashlib.sha256(f"{rustc} {machine} {_COMPATIBILITY}".encode())
    for tool in tools:
        digest.update(tool.library.sha256.encode())
    for path in sorted(
        [*crate.glob("Cargo.*"), *crate.glob("*.toml"), *crate.glob("README.md"), *(crate / "src").rglob("*.rs")]
    ):
        digest.update(f"{path.relative_to(crate)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


def _unpacked(tool: wheels.Wheel, bench: Bench) -> Path:
    """The folder of a tool."""
    folder = bench.cache / "tools" / tool.library.sha256[:16]
    if not folder.exists():
        path = wheels.fetched(tool, bench.cache / "wheels", bench.tell)
        bench.tell(f"unpacking {tool.library.name}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            _unpack(path, Path(name) / "whole")
            (Path(name) / "whole").rename(folder)
        path.unlink()  # large, and not needed again
    return folder


def _unpack(path: Path, folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            target = Path(archive.extract(info, folder))
            if info.external_attr >> 16 & 0o111 and target.is_file():
                target.chmod(0o755)


def _add(target: str, environ: Mapping[str, str], bench: Bench) -> None:
    """Give the toolchain the standard library for a processor, if it lacks it."""
    there = _run(["rustc", "--print", "target-libdir", "--target", target], environ)
    if there.returncode == 0 and Path(there.stdout.strip()).is_dir():
        return
    command = ["rustup", "target", "add", target]
    if shutil.which("rustup") is None:
        message = f"this Rust cannot build for {target}; install its standard library (rustup: {' '.join(command)})"
        raise Fatal(message)
    bench.tell(f"adding {target} to Rust")
    done = _run(command, environ)
    if done.returncode:
        message = f"Rust's standard library for {target} cannot be fetched: {_last(done.stderr)}; {' '.join(command)} tells more"
        raise Fatal(message)


def _fetch(crate: Path, target: str, environ: Mapping[str, str], bench: Bench) -> None:
    command = [
        "cargo",
        "fetch",
        "--quiet",
        "--locked",
        "--target",
        target,
        "--manifest-path",
        str(crate / "Cargo.toml"),
    ]
    if _run([*command, "--offline"], environ).returncode:
        bench.tell("fetching the crates")
        done = _run(command, environ)
        if done.returncode:
            message = f"the kernel's crates cannot be fetched by cargo: {_last(done.stderr)}"
            raise Fatal(message)


def _flags(crate: Path, environ: Mapping[str, str], bench: Bench, tools: list[Path]) -> dict[str, str]:
    """The environment of the build: where the tools are, and other names for every folder of this machine."""
    home = Path(environ.get("CARGO_HOME", Path.home() / ".cargo"))
    target = bench.cache / "target"
    # The last that fits counts. A registry's folder is named after where its crates were fetched from.
    named = {home: "cargo", **dict.fromkeys(sorted((home / "registry" / "src").glob("*")), "crates")}
    named |= {target: "target", crate: "kernel"}
    maturin, zig = tools
    return {
        **environ,
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(f"--remap-path-prefix={path}=/{name}" for path, name in named.items()),
        "CARGO_TARGET_DIR": str(target),
        "CARGO_INCREMENTAL": "0",
        "CARGO_ZIGBUILD_ZIG_PATH": str(zig / "ziglang" / "zig"),
        "MATURIN": str(next(maturin.glob("*.data/scripts/maturin"))),
        "ZIG_GLOBAL_CACHE_DIR": str(bench.cache / "zig"),
    }


def _compiled(crate: Path, target: str, environ: Mapping[str, str], kept: Path) -> Path:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as name:
        out = Path(name) / "out"
        command = [environ["MATURIN"], "build", "--release", "--locked", "--offline", "--zig", "--target", target]
        command += [
            "--compatibility",
            _COMPATIBILITY,
            "--interpreter",
            _ABI,
            "--manifest-path",
            str(crate / "Cargo.toml"),
        ]
        done = _run([*command, "--out", str(out)], environ)
        if done.returncode:
            message = f"the kernel cannot be built: {_last(done.stderr)}; cargo build --release in {crate} tells more"
            raise Fatal(message)
        kept.mkdir(exist_ok=True)
        (wheel,) = out.glob("*.whl")
        return wheel.replace(kept / wheel.name)


def _told(command: list[str], environ: Mapping[str, str]) -> str:
    done = _run(command, environ)
    if done.returncode:
        message = f"{' '.join(command)}: {_last(done.stderr)}"
        raise Fatal(message)
    return done.stdout


def _run(command: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - Rust's tools on this machine
            command, env=environ, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _last(told: str) -> str:
    """The line that says what is wrong."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("error")), lines[-1] if lines else "it tells nothing")
