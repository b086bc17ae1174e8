"""Building the kernel, with tools that only write down what they are called with; the real ones are in test_reproducible."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tailrace.deploy.package import wheels
from tailrace.deploy.package.crate import RUST, Bench, Built, built
from tailrace.errors import Fatal

TOOL = """#!{python}
import json, os, sys
from pathlib import Path
name, words, state = Path(sys.argv[0]).name, sys.argv[1:], Path({state!r})
with (state / "calls").open("a") as file:
    print(json.dumps([name, *words]), file=file)
told = json.loads((state / "answers").read_text()).get(" ".join([name, *words[:1]]), {{}})
if name == "rustc" and words == ["--version"]:
    print("rustc", os.environ.get("RUSTUP_TOOLCHAIN", "1.89.0"), "(abc 2026-01-01)")
elif name == "rustc":
    print(state / "libdir")
elif name == "maturin" and not told:
    out = Path(words[words.index("--out") + 1])
    out.mkdir()
    (out / "tailrace_kernel.whl").write_text(json.dumps(dict(os.environ)))
elif name == "rustup" and not told:
    (state / "libdir").mkdir()
print(told.get("error", ""), file=sys.stderr)
sys.exit(told.get("code", 0))
"""
CRATE = "[package]\nname = 'tailrace-kernel'\n"


class Workshop:
    """Tools of which it can be told what they answer."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache, self.crate, self.steps = folder, folder / "cache", folder / "kernel", list[str]()
        (self.crate / "src").mkdir(parents=True)
        (self.crate / "Cargo.toml").write_text(CRATE)
        (self.crate / "src" / "lib.rs").write_text("")
        (folder / "libdir").mkdir()
        self.answer()
        for name in ("cargo", "rustc", "rustup"):
            self._tool(folder / "bin" / name)
        system = f"{sys.platform}_{os.uname().machine}"
        for name, place in (("maturin", "maturin-1.data/scripts/maturin"), ("ziglang", "ziglang/zig")):
            wheel = wheels.locked(name, sys.version_info.minor, system)
            self._tool(self.cache / "tools" / wheel.library.sha256[:16] / place)

    def _tool(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TOOL.format(python=sys.executable, state=str(self.folder)))
        path.chmod(0o755)

    def answer(self, **told: str) -> None:
        """These calls fail with an error: `cargo_fetch`."""
        answers = {name.replace("_", " "): {"code": 1, "error": error} for name, error in told.items()}
        (self.folder / "answers").write_text(json.dumps(answers))

    def build(self) -> Built:
        return built(self.crate, "aarch64", Bench(self.cache, self.steps.append))

    def calls(self, name: str) -> list[list[str]]:
        calls = [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]
        return [words for tool, *words in calls if tool == name]


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    made = Workshop(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "crates"))
    (tmp_path / "crates" / "registry" / "src" / "mirror-1").mkdir(parents=True)
    monkeypatch.setenv("RUSTFLAGS", "-C target-cpu=native")
    monkeypatch.setenv("CARGO_PROFILE_RELEASE_LTO", "off")
    return made


def test_what_is_built_and_how(workshop: Workshop) -> None:
    made = workshop.build()
    (words,) = workshop.calls("maturin")
    assert words[:4] == ["build", "--release", "--locked", "--offline"]
    assert "--zig" in words
    assert words[words.index("--target") + 1] == "aarch64-unknown-linux-gnu"
    assert words[words.index("--compatibility") + 1] == "manylinux_2_17"
    environ: dict[str, Any] = json.loads(made.wheel.read_text())
    assert environ["RUSTUP_TOOLCHAIN"] == RUST
    assert not environ.keys() & {"RUSTFLAGS", "CARGO_PROFILE_RELEASE_LTO"}
    flags = environ["CARGO_ENCODED_RUSTFLAGS"].split("\x1f")
    hidden = [flag.removeprefix("--remap-path-prefix=").rpartition("=") for flag in flags]
    folders = [path for path, _, _ in hidden]
    crates = str(workshop.folder / "crates")
    assert {crates, f"{crates}/registry/src/mirror-1", str(workshop.crate), str(workshop.cache / "target")} == set(
        folders
    )
    assert folders.index(crates) < folders.index(f"{crates}/registry/src/mirror-1")  # the last that fits counts
    assert not [name for _, _, name in hidden if str(workshop.folder) in name]
    assert made.toolchain.startswith(f"rustc {RUST}, maturin ")


def test_what_was_built_is_built_anew_only_if_its_sources_change(workshop: Workshop) -> None:
    first = workshop.build()
    assert workshop.build() == first
    assert len(workshop.calls("maturin")) == 1
    (workshop.crate / "src" / "lib.rs").write_text("// changed")
    assert workshop.build() != first
    assert len(workshop.calls("maturin")) == 2


def test_rust_learns_a_processor_that_it_lacks(workshop: Workshop) -> None:
    (workshop.folder / "libdir").rmdir()
    workshop.build()
    assert workshop.calls("rustup") == [["target", "add", "aarch64-unknown-linux-gnu"]]
    assert "adding aarch64-unknown-linux-gnu to Rust" in workshop.steps


def without_rustup(workshop: Workshop) -> None:
    (workshop.folder / "libdir").rmdir()
    (workshop.folder / "bin" / "rustup").unlink()


def without_target(workshop: Workshop) -> None:
    (workshop.folder / "libdir").rmdir()
    workshop.answer(rustup_target="error: could not download file")


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (without_rustup, r"this Rust cannot build for aarch64-unknown-linux-gnu; install its standard library \(rustup: rustup target add"),
        (without_target, r"for aarch64-unknown-linux-gnu cannot be fetched: error: could not download file; rustup target add \S+ tells more"),
        (lambda workshop: workshop.answer(cargo_fetch="warning: x\nerror: no network"), "crates cannot be fetched by cargo: error: no network"),
        (lambda workshop: workshop.answer(maturin_build="error[E0308]: mismatched types\nnote: y"), r"cannot be built: error\[E0308\]: mismatched"),
    ],
)  # fmt: skip
def test_what_goes_wrong(workshop: Workshop, harm: Callable[[Workshop], None], error: str) -> None:
    harm(workshop)
    with pytest.raises(Fatal, match=error):
        workshop.build()
    assert not list((workshop.cache / "kernels").glob("*/*"))


def test_another_rust_does_where_the_pinned_one_is_not(workshop: Workshop) -> None:
    workshop.answer(**{"cargo_--version": "error: toolchain is not installed"})
    assert workshop.build().toolchain.startswith("rustc 1.89.0, ")
