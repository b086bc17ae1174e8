"""What stands in a package's way, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from making_wheels import kernel_wheel, shared_object

from services.lambda_package import CACHE
from tailrace.deploy.package import Package, Request, build, building, warnings
from tailrace.deploy.package import wheels as locked
from tailrace.deploy.package.checkout import Checkout, checkout
from tailrace.deploy.package.crate import RUST, Bench, built
from tailrace.deploy.package.kernel import taken
from tailrace.deploy.package.manifest import Kernel
from tailrace.errors import Fatal, UsageError


def asked(folder: Path, **told: object) -> Request:
    return Request(**{"architecture": "x86_64", "runtime": "python3.12", "out": folder / "p.zip", **told})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "name", "error"),
    [
        (shared_object("aarch64"), "", "it is for aarch64, and the function for x86_64"),
        (b"MZ" + bytes(90), "", "it is for another system"),
        (b"", "", "it has 0 shared objects"),
        (shared_object(glibc=35), "", r"it needs glibc 2.35, and Lambda's python3.12 has 2.34.*manylinux_2_17"),
        (shared_object(), "tailrace_kernel/k.cpython-311-x86_64-linux-gnu.so", "is not for python3.12"),
    ],
)
def test_a_kernel_that_does_not_fit(tmp_path: Path, data: bytes, name: str, error: str) -> None:
    wheel = kernel_wheel(tmp_path / "k.whl", data, *([name] if name else []))
    with pytest.raises(UsageError, match=error):
        build(asked(tmp_path, kernel_wheel=wheel), cache=CACHE)
    assert not (tmp_path / "p.zip").exists()


def test_amazon_linux_2_has_an_older_glibc(tmp_path: Path) -> None:
    wheel = kernel_wheel(tmp_path / "k.whl", shared_object(glibc=28))
    with pytest.raises(UsageError, match=r"needs glibc 2.28, and Lambda's python3.11 has 2.26"):
        build(asked(tmp_path, kernel_wheel=wheel, runtime="python3.11"), cache=CACHE)
    assert taken(asked(tmp_path, kernel_wheel=wheel), None, Bench(tmp_path, print)).about.kind == "native"


def test_a_wheel_of_something_else(tmp_path: Path) -> None:
    for told, error in (
        ({"Name": "other"}, "it is other "),
        ({"Version": "0.0.1"}, "it is tailrace-kernel 0.0.1, and not"),
    ):
        with pytest.raises(UsageError, match=error):
            build(asked(tmp_path, kernel_wheel=kernel_wheel(tmp_path / "k.whl", shared_object(), **told)), cache=CACHE)
    with pytest.raises(UsageError, match="cannot be read as a wheel"):
        build(asked(tmp_path, kernel_wheel=tmp_path / "nowhere.whl"), cache=CACHE)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


@pytest.mark.usefixtures("offline")
def test_without_a_network(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"h11 [\d.]+ cannot be fetched by pip: there is no network"):
        build(asked(tmp_path, kernel="reference"), cache=tmp_path / "cache")
    assert not (tmp_path / "p.zip").exists()


def test_a_wheel_that_was_damaged_is_fetched_again(tmp_path: Path) -> None:
    wheel = locked.locked("h11", 12, "linux_x86_64")
    path = tmp_path / wheel.library.sha256[:16] / wheel.library.wheel
    path.parent.mkdir()
    path.write_bytes(b"half")
    with pytest.raises(Fatal, match="was damaged and is removed; run it again"):
        locked.fetched(wheel, tmp_path, print)
    assert not path.exists()


def test_the_lock_has_everything_that_lambda_runs() -> None:
    for minor in (11, 12, 13, 14):
        for system in ("linux_x86_64", "linux_aarch64"):
            for name in locked.LIBRARIES:
                file = locked.locked(name, minor, system).library.wheel
                assert f"cp3{minor}-" in file or "py3-none-any" in file
                assert system.removeprefix("linux_") in file or "any" in file
    with pytest.raises(UsageError, match=r"no wheel for Python 3.10 on linux_x86_64"):
        locked.locked("isal", 10, "linux_x86_64")


def test_without_rust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Fatal, match=r"there is no Rust here; install Rust 1\.\d+"):
        built(tmp_path, "x86_64", Bench(tmp_path, print))
    with pytest.raises(
        UsageError, match=r"no native kernel for x86_64: there is no Rust here.*; give another by --kernel-wheel"
    ):
        build(asked(tmp_path, kernel="native"), cache=CACHE)
    about = taken(asked(tmp_path), Checkout(tmp_path, None, dirty=False), Bench(tmp_path, print)).about
    assert about.kind == "reference"
    assert about.origin.startswith("there is no Rust here")


def test_without_the_repository(tmp_path: Path) -> None:
    (tmp_path / "site-packages" / "tailrace").mkdir(parents=True)
    assert checkout(tmp_path / "site-packages") is None
    about = taken(asked(tmp_path), None, Bench(tmp_path, print)).about
    assert about.kind == "reference"
    assert "without its repository" in about.origin


def test_the_twin_is_never_put_in_silently(twin: Package) -> None:
    (told,) = warnings(twin.manifest)
    assert told.startswith("the package holds the pure-Python twin of the kernel")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Fatal, match=r"cannot be written .* name another file with --out"):
        building._written(b"", tmp_path / "file" / "p.zip")


def test_another_rust_is_told(twin: Package) -> None:
    def told(toolchain: str) -> list[str]:
        kernel = Kernel(kind="native", origin="built", toolchain=toolchain)
        return list(warnings(msgspec.structs.replace(twin.manifest, kernel=kernel)))

    assert told(f"rustc {RUST}, maturin 1") == []
    assert [each for each in told("rustc 1.89.0, maturin 1") if "built by rustc 1.89.0" in each]
