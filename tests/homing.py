"""A home folder with the files that other programs leave there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tailrace.clouds.cloud import Told
from tailrace.clouds.finding import Given

ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


class Home:
    """Files below a folder: those of the user under `home`, those of the machine under `etc`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self.home.mkdir(parents=True)
        self.environ: dict[str, str] = {}
        self.clouds: dict[str, dict[str, Any]] = {}

    def write(self, name: str, content: str) -> Path:
        path = self.home / name.removeprefix("~/") if name.startswith("~") else self.folder / name.removeprefix("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def given(self, **told: Told) -> Given:
        environ: Mapping[str, str] = self.environ
        return Given(environ=environ, home=self.home, root=self.folder, clouds=self.clouds, **told)


def euca(host: str = "clc.example.net", **options: str) -> str:
    """The services of a Eucalyptus, as an administrator's `euca-generate-environment-config` lists them."""
    paths = {
        "autoscaling": "AutoScaling", "cloudformation": "CloudFormation", "ec2": "compute", "elasticloadbalancing": "LoadBalancing",
        "iam": "Euare", "monitoring": "CloudWatch", "s3": "objectstorage", "sts": "Tokens", "swf": "SimpleWorkflow",
    }  # fmt: skip
    lines = [f"{service}-url = http://{host}:8773/services/{path}/" for service, path in paths.items()]
    return "\n".join([*lines, *(f"{name.replace('_', '-')} = {value}" for name, value in options.items())]) + "\n"


def user(name: str, access: str = ACCESS) -> str:
    return f"[user {name}]\nkey-id = {access}\nsecret-key = {SECRET}\naccount-id = 000165102303\n"
