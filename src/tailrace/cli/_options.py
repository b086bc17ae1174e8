"""Options that settings declare: their help is the text below the setting, and `resolve` reads their values."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import click
import msgspec

from tailrace.settings import Resolved, Settings, declared, resolve

F = TypeVar("F", bound=Callable[..., Any])
READING = ("format", "log_format", "captures", "schema", "timezone", "reference_time", "kernel")
CLOUD = ("region", "endpoint_url", "profile")
_SHOWN = {"to": "SINK", "store": "DIR", "state": "WHERE", "workers": "N", "format": "NAME", "log_format": "STRING", "captures": "REQ,RESP",
          "timezone": "ZONE", "reference_time": "TIME", "region": "NAME", "endpoint_url": "URL", "profile": "NAME",
          "from": "SOURCE", "listen": "HOST:PORT", "since": "TIME", "until": "TIME", "start_after": "KEY", "list": "FILE",
          "include": "PATTERN", "exclude": "PATTERN"}  # fmt: skip


def settings_options(*keys: str) -> Callable[[F], F]:
    """Options for these settings, and `--set` and `--config` for all others. The command is given `**flags`."""

    def decorated(function: F) -> F:
        function = click.option("--config", metavar="FILE", help="Read settings from FILE, not from ./tailrace.toml.")(
            function
        )
        function = click.option(
            "--set", "assignments", metavar="KEY=VALUE", multiple=True,
            help="Another setting, of the run, a source or a sink; see `tailrace settings`. May be repeated.",
        )(function)  # fmt: skip
        for key in reversed(keys):
            function = _option(key)(function)
        return function

    return decorated


def resolved(flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ, environment: str = "") -> Resolved:
    """The settings of a run, or of an environment, from what click has read of its options. Raises UsageError."""
    rest = dict(flags)
    assignments, config = rest.pop("assignments", ()), rest.pop("config", None)
    told = {key: value for key, value in rest.items() if value not in (None, ())}
    return resolve(told, assignments, environ, Path(config) if config else None, environment)


def own_options(kind: type[msgspec.Struct], *keys: str) -> Callable[[F], F]:
    """Options for these settings of a source or sink. The command is given them among its `**flags`."""

    def decorated(function: F) -> F:
        for key in reversed(keys):
            function = _option(key, kind)(function)
        return function

    return decorated


def _option(key: str, kind: type[msgspec.Struct] = Settings) -> Callable[[F], F]:
    (setting,) = (each for each in declared(kind) if each.key == key)
    wanted, text = setting.type, setting.meaning
    choices = get_args(wanted) if get_origin(wanted) is Literal else ()
    return click.option(
        f"--{key.replace('_', '-')}",
        metavar=None if choices else _SHOWN[key],
        type=click.Choice(choices) if choices else str,
        multiple=get_origin(wanted) is tuple,
        help=f"{text[:1].upper()}{text[1:]}",
    )
