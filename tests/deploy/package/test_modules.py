"""Which of Tailrace's modules a function needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tailrace.deploy.package.modules import ROOT, licence, modules

LOADED = """
import sys
import tailrace.hosts.awslambda
from tailrace import registry
registry.formats(), registry.sinks()
print(*(name for name in sys.modules if name.partition(".")[0] == "tailrace"))
"""


def test_all_that_the_handler_loads_and_nothing_that_it_cannot() -> None:
    found = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in modules()}
    loaded = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True).stdout.split()
    assert set(loaded) <= found
    rooms = {name.split(".")[1] for name in found if "." in name}
    assert not rooms & {"cli", "store", "replay", "deploy", "__main__"}
    assert {"kernel", "sinks", "formats", "hosts", "state"} <= rooms
    assert {f"tailrace.sinks.{name}" for name in ("cloudwatch", "logstash", "elasticsearch", "s3")} <= found
    assert "tailrace.kernel.reference.parser" in found


def test_they_are_the_sources_as_they_are() -> None:
    assert all((ROOT / name).read_bytes() == data for name, data in modules().items())
    assert b"Apache License" in licence()


def test_imports_of_every_form_are_followed(tmp_path: Path) -> None:
    sources = {
        "__init__": "", "hosts/__init__": "", "formats/__init__": "", "sinks/__init__": "",
        "hosts/awslambda": "import os, tailrace.plain\nfrom tailrace import named\nfrom tailrace.deep.inner import thing",
        "plain": "def f():\n    from tailrace.inside import g", "named": "import tailrace.named", "inside": "import json",
        "deep/__init__": "from tailrace import above", "deep/inner": "thing = 1", "above": "", "deep/unused": "", "unused": "",
        "formats/one": "", "formats/_part": "", "sinks/two": "from tailrace.sinks._used import x", "sinks/_used": "", "sinks/_idle": "",
    }  # fmt: skip
    for name, source in sources.items():
        path = tmp_path / "tailrace" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    unused = {"deep/unused", "unused", "formats/_part", "sinks/_idle"}
    assert set(modules(tmp_path)) == {f"tailrace/{name}.py" for name in sources.keys() - unused}
