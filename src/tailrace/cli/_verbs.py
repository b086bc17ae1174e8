"""Verbs that are files of their names in a package, loaded when they are called."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

import click


class Verbs(click.Group):
    """The verbs of a package: each of its modules, but for those that begin with an underscore, has a `command`."""

    def __init__(self, *args: Any, package: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._package = package

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of all verbs."""
        modules = pkgutil.iter_modules(import_module(self._package).__path__)
        return sorted(module.name.replace("_", "-") for module in modules if module.name[0] != "_")

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The verb of that name."""
        if name not in self.list_commands(ctx):
            return None
        command = import_module(f"{self._package}.{name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command
