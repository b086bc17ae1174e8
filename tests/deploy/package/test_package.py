"""What is in a package, and what it tells of itself."""

from __future__ import annotations

import base64
import hashlib
import marshal
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

import msgspec
import pytest
from making_wheels import kernel_wheel, shared_object

import tailrace
from services.lambda_package import ARCHITECTURE, CACHE, RUNTIME, packed
from tailrace.deploy.package import Package, Request, build, building, compiling, read, warnings
from tailrace.deploy.package.modules import ROOT
from tailrace.errors import UsageError

LOCK = tomllib.loads((ROOT / "tailrace/deploy/package/wheels.toml").read_text())
ELF_MACHINES = {"x86_64": 62, "arm64": 183}


def contents(package: Package) -> dict[str, bytes]:
    with zipfile.ZipFile(package.path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_is_small_and_has_only_what_is_needed(twin: Package) -> None:
    files = contents(twin)
    assert twin.size < 6_000_000
    assert {name.partition("/")[0] for name in files} == {
        "tailrace",
        "isal",
        "msgspec",
        "h11",
        "zstandard",
        "licenses",
        "manifest.json",
    }
    kinds = {Path(name).suffix for name in files if name.partition("/")[0] not in {"licenses", "manifest.json"}}
    assert kinds == {".py", ".pyc", ".so"}
    assert not [
        name
        for name in files
        if name.startswith(("tailrace/cli", "tailrace/store", "tailrace/deploy/")) or "_cffi" in name
    ]


def test_every_shared_object_is_for_the_processor(twin: Package) -> None:
    objects = {name: data for name, data in contents(twin).items() if name.endswith(".so")}
    assert {name.partition("/")[0] for name in objects} == {"isal", "msgspec", "zstandard"}
    machines = {int.from_bytes(data[18:20], "little") for data in objects.values()}
    assert machines == {ELF_MACHINES[twin.manifest.architecture]}


def test_licences_are_kept(twin: Package) -> None:
    kept = {name.split("/")[1] for name in contents(twin) if name.startswith("licenses/")}
    assert kept == {"tailrace", *(each.name for each in twin.manifest.libraries)}
    assert {each.name: each.licence for each in twin.manifest.libraries} == {
        "h11": "MIT", "isal": "PSF-2.0", "msgspec": "BSD-3-Clause", "zstandard": "BSD-3-Clause",
    }  # fmt: skip


def test_the_manifest_tells_the_truth(twin: Package) -> None:
    files, manifest = contents(twin), twin.manifest
    del files["manifest.json"]
    assert manifest.files == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert (manifest.version, manifest.runtime, manifest.compiled_by) == (
        tailrace.__version__,
        RUNTIME,
        sys.version.split()[0],
    )
    assert manifest.kernel.kind == "reference"
    git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    told = subprocess.run(git, capture_output=True, text=True, check=False)
    assert told.returncode or manifest.commit == told.stdout.strip()
    for each in manifest.libraries:
        assert LOCK[each.name]["wheels"][each.wheel] == each.sha256
        path = CACHE / "wheels" / each.sha256[:16] / each.wheel
        assert hashlib.sha256(path.read_bytes()).hexdigest() == each.sha256
        with zipfile.ZipFile(path) as wheel:
            taken = [name for name in wheel.namelist() if name in files]
            assert taken
            assert all(wheel.read(name) == files[name] for name in taken)


def test_hashes_are_those_of_the_file(twin: Package) -> None:
    digest = hashlib.sha256(twin.path.read_bytes())
    assert (twin.sha256, twin.code_sha256) == (digest.hexdigest(), base64.b64encode(digest.digest()).decode())
    assert read(twin.path) == twin


def test_every_module_is_compiled_and_never_asks_for_its_source(twin: Package) -> None:
    files = contents(twin)
    sources = {name for name in files if name.endswith(".py")}
    tag = f"cpython-3{sys.version_info.minor}"
    for name in sources:
        path = Path(name)
        compiled = files[f"{path.parent}/__pycache__/{path.stem}.{tag}.pyc"]
        assert compiled[:4] == MAGIC_NUMBER
        assert int.from_bytes(compiled[4:8], "little") == 0b01  # PEP 552: by hash, unchecked
        assert compiled[8:16] == source_hash(files[name])
        assert marshal.loads(compiled[16:]).co_filename == f"/var/task/{name}"
    assert len([name for name in files if name.endswith(".pyc")]) == len(sources)


def test_twice_the_same_and_without_a_network(
    twin: Package, tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    asked = Request(
        architecture=twin.manifest.architecture, runtime=RUNTIME, kernel="reference", out=tmp_path / "again.zip"
    )
    assert build(asked, cache=wheels).sha256 == twin.sha256


def test_the_kernel_of_a_wheel_is_in_it(tmp_path: Path) -> None:
    wheel = kernel_wheel(tmp_path / "k.whl", shared_object("aarch64"))
    asked = Request(architecture="arm64", runtime=RUNTIME, kernel_wheel=wheel, out=tmp_path / "p.zip")
    made = build(asked, cache=CACHE)
    assert contents(made)["tailrace_kernel/tailrace_kernel.abi3.so"] == shared_object("aarch64")
    kernel = made.manifest.kernel
    assert (kernel.kind, kernel.origin) == ("native", "given")
    assert kernel.sha256 == hashlib.sha256(shared_object("aarch64")).hexdigest()
    assert not [each for each in warnings(made.manifest) if "twin" in each]


def test_where_no_python_of_the_runtime_is_only_sources_are_in_it(
    twin: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "python_for", lambda _minor: None)
    files = {"a.py": b"x = 1\n"}
    assert building._compiled(files, Request(runtime=RUNTIME), print) == (files, None)
    manifest = msgspec.structs.replace(twin.manifest, compiled_by=None)
    assert [each for each in warnings(manifest) if f"no {RUNTIME} here" in each]


def test_a_python_that_there_is_not() -> None:
    assert compiling.python_for(99) is None


@pytest.mark.parametrize("minor", [minor for minor in (11, 12, 13, 14) if compiling.python_for(minor)])
def test_what_another_python_compiles_it_loads(minor: int, tmp_path: Path) -> None:
    """By all that are here: `make test` installs none but the one that it runs with."""
    python = compiling.python_for(minor)
    assert python
    source = b"x = {'q', 'w', 'e'}\nassert x\nprint('compiled')\n"
    ((name, data),) = python.compiled({"a/b.py": source}).items()
    assert name == f"a/__pycache__/b.cpython-3{minor}.pyc"
    assert python.compiled({"a/b.py": source})[name] == data
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes(data)
    (tmp_path / "a" / "b.py").write_text("raise ImportError('the source was read')")
    command = [python.program, "-I", "-S", "-c", f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; import a.b"]
    environ = {**os.environ, "PYENV_VERSION": f"3.{minor}"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
    assert done.stdout == "compiled\n"


ISOLATED = """
import sys
root, clouds = sys.argv[1:]
sys.path[:0] = [root, clouds]
import tailrace.hosts.awslambda, tailrace_kernel, boto3, h11, zstandard
from isal import igzip
from tailrace import registry
from tailrace.kernel.load import parser_class
assert parser_class("native", print).__module__ == "tailrace.kernel.native"
assert parser_class("reference", print).__module__.startswith("tailrace.kernel.reference")
assert {"cloudwatch", "logstash", "elasticsearch", "s3"} <= set(registry.sinks()), registry.sinks()
assert "alb" in registry.formats()
assert zstandard.ZstdDecompressor().decompress(zstandard.ZstdCompressor().compress(b"x" * 99)) == b"x" * 99
for name, module in sorted(sys.modules.items()):
    if name.partition(".")[0] in {"tailrace", "tailrace_kernel", "isal", "msgspec", "h11", "zstandard"} and module.__file__:
        assert module.__file__.startswith(root), module.__file__
        if module.__file__.endswith(".py"):
            assert module.__cached__.startswith(root)
print("well")
"""
CLOUDS = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")


def test_the_handler_needs_nothing_but_the_zip_and_boto3(tmp_path: Path) -> None:
    """The modules' sources are spoiled: so what is loaded are the compiled ones. And nothing is written."""
    root, clouds = tmp_path / "task", tmp_path / "clouds"
    clouds.mkdir()
    for name in CLOUDS:
        origin = Path(str(__import__(name).__file__))
        (clouds / (name if origin.stem == "__init__" else origin.name)).symlink_to(
            origin.parent if origin.stem == "__init__" else origin
        )
    shutil.unpack_archive(packed(tmp_path / "package.zip"), root)
    for path in root.rglob("*.py"):
        path.write_text("raise ImportError('the source was read')\n")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ISOLATED, str(root), str(clouds)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "well\n"), done.stderr
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_what_is_no_package(tmp_path: Path, twin: Package) -> None:
    with pytest.raises(UsageError, match=r"nowhere.zip cannot be read \(No such file"):
        read(tmp_path / "nowhere.zip")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(UsageError, match="is no package of Tailrace"):
        read(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("handler.py", "")
    with pytest.raises(UsageError, match="is no package of Tailrace"):
        read(tmp_path / "other.zip")
    shutil.copy(twin.path, tmp_path / "changed.zip")
    with zipfile.ZipFile(tmp_path / "changed.zip", "a") as archive:
        archive.writestr("tailrace/more.py", "")
    with pytest.raises(UsageError, match="its files are not those of its manifest"):
        read(tmp_path / "changed.zip")


def test_the_package_of_these_tests_is_native(tmp_path: Path) -> None:
    manifest = read(packed(tmp_path / "package.zip")).manifest
    assert (manifest.kernel.kind, manifest.architecture) == ("native", ARCHITECTURE)
