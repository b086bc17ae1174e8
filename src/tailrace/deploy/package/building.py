"""Building a package."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tailrace.deploy.naming import HANDLER
from tailrace.deploy.package import archive, compiling, elf, kernel, modules, wheels
from tailrace.deploy.package.checkout import checkout
from tailrace.deploy.package.crate import RUST, Bench
from tailrace.deploy.package.manifest import NAME, Library, Manifest, Package, encoded, package
from tailrace.deploy.package.request import Request
from tailrace.errors import Fatal, UsageError

_MODE: Final = 0o644


def build(request: Request, *, cache: Path, tell: Callable[[str], None] = lambda _: None) -> Package:
    """Build a package and write it to a file. Raises UsageError, Fatal.

    `cache`: a folder for what is fetched and built, which makes the next build quick; `tell`: is told what goes on.
    """
    request.check()
    bench, found = Bench(cache, tell), checkout()
    cache.mkdir(parents=True, exist_ok=True)
    native = kernel.taken(request, found, bench)
    files, libraries = _libraries(request, bench)
    files |= native.files | modules.modules() | {"licenses/tailrace/LICENSE": modules.licence()}
    files, compiled_by = _compiled(files, request, tell)
    manifest = Manifest(
        version=request.named,
        commit=found.commit if found else None,
        dirty=found.dirty if found else False,
        architecture=request.architecture,
        runtime=request.runtime,
        handler=HANDLER,
        kernel=native.about,
        compiled_by=compiled_by,
        libraries=tuple(libraries),
        files={name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)},
    )
    tell("writing the package")
    data = archive.zipped({**files, NAME: encoded(manifest)})
    return package(_written(data, request.out or _named(manifest)), data, manifest)


def cache_of(environ: Mapping[str, str]) -> Path:
    """The folder where a user's programs keep what can be fetched or built again (XDG)."""
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tailrace" / "package"


def _libraries(request: Request, bench: Bench) -> tuple[dict[str, bytes], list[Library]]:
    files: dict[str, bytes] = {}
    locked = [wheels.locked(name, request.minor, f"linux_{request.machine}") for name in wheels.LIBRARIES]
    for wheel in locked:
        files |= wheels.contents(wheel, wheels.fetched(wheel, bench.cache / "wheels", bench.tell))
    for name, data in files.items():
        if name.endswith(".so") and (elf.machine(data) != request.machine or elf.glibc(data) > request.glibc):
            message = f"{name} does not run with Lambda's {request.runtime} on {request.architecture}; please report it"
            raise UsageError(message)
    return files, [wheel.library for wheel in locked]


def _compiled(
    files: dict[str, bytes], request: Request, tell: Callable[[str], None]
) -> tuple[dict[str, bytes], str | None]:
    """The files with the compiled modules, and the version of the Python that compiled them."""
    python = compiling.python_for(request.minor)
    if python is None:
        return files, None
    tell(f"compiling the modules for {request.runtime}")
    return files | python.compiled({name: data for name, data in files.items() if name.endswith(".py")}), python.version


def _named(manifest: Manifest) -> Path:
    return Path(f"tailrace-{manifest.version}-{manifest.runtime}-{manifest.architecture}.zip")


def _written(data: bytes, path: Path) -> Path:
    """Write the file whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as name:
            file = Path(name) / path.name
            file.write_bytes(data)
            file.chmod(_MODE)
            file.replace(path)
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror}); name another file with --out"
        raise Fatal(message) from error
    return path


def warnings(manifest: Manifest) -> Iterator[str]:
    """What a package is not as it should be, in words."""
    if manifest.kernel.kind == "reference":
        why = manifest.kernel.origin
        yield f"the package holds the pure-Python twin of the kernel, more than a hundred times slower than the native one ({why})"
    elif manifest.kernel.toolchain and not manifest.kernel.toolchain.startswith(f"rustc {RUST},"):
        built_by = manifest.kernel.toolchain.partition(",")[0]
        yield f"the kernel was built by {built_by}, for Rust {RUST} is not here: its bytes differ from those that others make"
    if manifest.compiled_by is None:
        yield f"there is no {manifest.runtime} here to compile the modules: each cold start of the function will, for about a second"
    if not archive.usual():
        yield "this Python compresses with zlib-ng: the package's bytes differ from those that other machines make"
