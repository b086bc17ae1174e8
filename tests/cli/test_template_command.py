"""`tailrace template`, as users call it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cli.conftest import Run, environment

CONFIG = """
schema = "ecs"
[deploy]
memory = 512
[environments.prod.deploy]
memory = 1024
[environments.test.deploy]
trigger = "s3"
"""
BARE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"boto3", "botocore", "yaml", "h11", "tailrace_kernel"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
from tailrace.cli import main
main(sys.argv[1:])
"""


def test_yaml_and_json_and_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(CONFIG)
    told = run("template", "--settings", "t.toml")
    assert (told.code, told.err) == (0, "")
    as_json = run("template", "prod", "--config", "t.toml", "--json")
    assert yaml.safe_load(told.out) == (found := json.loads(as_json.out))
    assert found["Parameters"]["Memory"]["Default"] == 1024
    assert run("template", "--config", "t.toml", "--yaml", "--out", "made.yaml").out == ""
    assert (tmp_path / "made.yaml").read_text() == told.out
    other = json.loads(run("template", "test", "--config", "t.toml", "--json", "--set", "deploy.memory=300").out)
    assert other["Parameters"]["Memory"]["Default"] == 300
    assert other["Resources"]["Processor"]["Properties"]["FunctionName"] == "tailrace-test-processor"
    assert "BucketPermission" in other["Resources"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("lab", "--config", "t.toml"), "there is no environment lab (prod, test)"),
        (("Prod",), "the environment 'Prod' makes no names"),
        (("prod", "--config", "t.toml", "--settings", "t.toml"), "--settings and --config are the same"),
        (("prod", "--out", "nowhere/t.yaml"), "cannot write nowhere/t.yaml"),
        (("prod", "--to", "store"), "it is a folder on a disk, and a Lambda keeps none"),
        (("prod", "--set", "deploy.memory=64"), "deploy.memory"),
    ],
)
def test_what_cannot_be(run: Run, tmp_path: Path, words: tuple[str, ...], error: str) -> None:
    (tmp_path / "t.toml").write_text(CONFIG)
    told = run("template", *words)
    assert (told.code, told.out) == (2, "")
    assert error in told.err
    assert len(told.err.splitlines()) == 1


def test_json_needs_no_library(tmp_path: Path) -> None:
    def bare(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", BARE, "template", *words]
        path = os.pathsep.join(sys.path)
        return subprocess.run(
            command, env=environment(PYTHONPATH=path), cwd=tmp_path, capture_output=True, text=True, check=False
        )

    assert json.loads(bare("prod", "--json").stdout)["Resources"]
    refused = bare("prod")
    assert refused.returncode == 2
    assert "pip install 'tailrace[deploy]'" in refused.stderr
