"""`tailrace package`: what it shows, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

from cli.conftest import Run
from services.lambda_package import CACHE, RUNTIME
from tailrace.deploy.package import read

XDG = str(CACHE.parent.parent)


def test_what_is_shown_is_what_was_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tailrace.toml").write_text(f'[deploy]\narchitecture = "x86_64"\nruntime = "{RUNTIME}"\n')
    ran = run(
        "package",
        "--kernel",
        "reference",
        "--version",
        "2.3.0",
        "--build-number",
        "45",
        "--prerelease",
        "rc.1",
        XDG_CACHE_HOME=XDG,
    )
    assert ran.code == 0, ran.err
    path = tmp_path / f"tailrace-2.3.45-rc.1-{RUNTIME}-x86_64.zip"
    made = read(path)
    for told in (
        path.name,
        made.sha256,
        made.code_sha256,
        f"for        {RUNTIME} on x86_64",
        "the slow twin in Python",
    ):
        assert told in ran.out
    assert ran.err.startswith("warning: the package holds the pure-Python twin of the kernel")


def test_what_cannot_be_made(run: Run) -> None:
    ran = run("package", "--runtime", "python3.6")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: --runtime python3.6: Lambda's are python3.11")
    assert run("package", "--arch", "sparc").code == 2
    ran = run("package", "--kernel-wheel", "nowhere.whl", XDG_CACHE_HOME=XDG)
    assert (ran.code, ran.out) == (2, "")
    assert "--kernel-wheel nowhere.whl: it cannot be read as a wheel" in ran.err


def test_without_a_network(run: Run, tmp_path: Path) -> None:
    ran = run(
        "package", "--kernel", "reference", "--json",
        XDG_CACHE_HOME=str(tmp_path / "cache"), PIP_NO_INDEX="1", PIP_FIND_LINKS="",
    )  # fmt: skip
    assert (ran.code, ran.out) == (3, "")
    assert "cannot be fetched by pip: there is no network" in ran.err


def test_json(run: Run, tmp_path: Path) -> None:
    ran = run(
        "package",
        "--kernel",
        "reference",
        "--arch",
        "arm64",
        "--runtime",
        RUNTIME,
        "--out",
        "there/p.zip",
        "--json",
        XDG_CACHE_HOME=XDG,
    )
    told = json.loads(ran.out)
    made = read(tmp_path / "there" / "p.zip")
    assert (told["path"], told["sha256"], told["code_sha256"]) == ("there/p.zip", made.sha256, made.code_sha256)
    assert told["manifest"]["architecture"] == "arm64"
