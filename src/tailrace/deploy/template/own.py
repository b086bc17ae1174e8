"""The function's own settings: what of the deployment's settings it needs, where that differs from what it would do anyway.

What cannot be in a function is refused here, before anything is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from tailrace.deploy.wanted import Wanted
from tailrace.errors import UsageError
from tailrace.hosts.asking import Target, asked_for, target_of
from tailrace.quantities import Secret
from tailrace.settings import TABLES, Settings, declared
from tailrace.transforms import Transforms

_HERE: Final = {"from", "to", "store", "dead_letters", "listen", "listen_token", "workers", "endpoint_url", "profile"}
"""What concerns this machine, or is written otherwise."""
_FILES: Final = ("ca", "certificate", "key")
"""Settings of TLS that name files."""
_MADE: Final = "awslambda.continuation_queue"


def targets(wanted: Wanted) -> list[Target]:
    """The sinks of the function. Raises UsageError."""
    return list(asked_for(replace(wanted.resolved, settings=wanted.settings), ()).sinks)


def function_settings(wanted: Wanted) -> dict[str, Any]:
    """The settings as a document of TOML. Raises UsageError if a function cannot run with them."""
    settings, asked = wanted.settings, targets(wanted)
    dead = target_of(settings.dead_letters, settings)
    _check(settings)
    for target in (*asked, dead):
        _check_sink(target)
    found: dict[str, Any] = {"to": [_name(target, number) for number, target in enumerate(asked, 1)]}
    if wanted.resolved.settings.dead_letters:
        found["dead_letters"] = _name(dead, 0)
    for key, value in _differing(settings, wanted):
        at = found
        *path, name = key.split(".")
        for part in path:
            at = at.setdefault(part, {})
        at[name] = value
    tables = {_name(each, number): _table(each) for number, each in ((0, dead), *enumerate(asked, 1)) if each.options}
    return {**found, **({"sinks": tables} if tables else {})}


def _name(target: Target, number: int) -> str:
    """What a sink is called in the settings: its table, if it needs one."""
    if not target.options:
        return f"{target.name}:{target.address}" if target.address else target.name
    if ":" not in target.asked and target.asked != target.name:
        return target.asked
    return f"sink{number}" if number else "dead"


def _table(target: Target) -> dict[str, Any]:
    return {"url": f"{target.name}:{target.address}" if target.address else target.name, **target.options}


def _differing(settings: Settings, wanted: Wanted) -> Iterator[tuple[str, Any]]:
    default = Settings()
    for each in declared(Settings):
        if each.key in _HERE or each.path[0] in ("deploy", *TABLES):
            continue
        value = each.value_in(settings)
        if each.key == "state" and value == f"dynamodb:{wanted.names.receipts}":
            continue
        if value != each.value_in(default):
            yield each.key, msgspec.to_builtins(value, enc_hook=_written)


def _written(value: Any) -> Any:
    """A size or a duration as its number; a secret as its reference, which is all that may be told of it."""
    if isinstance(value, Secret):
        if not _is_reference(value.told):
            raise UsageError("a secret of the settings must be told by reference only: ssm:NAME or secretsmanager:ID")
        return value.told
    return int(value) if isinstance(value, int) else float(value)


def _check(settings: Settings) -> None:
    if settings.from_:
        raise UsageError(
            "from: a function reads the objects that its events name; leave it out, or set from = [] in the environment's table"
        )
    word, _, table = settings.state.partition(":")
    if word != "dynamodb" or not table:
        message = f"state: receipts of a function are kept in dynamodb:TABLE, not in {settings.state!r}; leave it out to have a table made"
        raise UsageError(message)
    if settings.awslambda.continuation_queue:
        message = f"{_MADE}: the deployment makes this queue; leave it out"
        raise UsageError(message)


def _check_sink(target: Target) -> None:
    """Raise UsageError if a function cannot send there."""
    if target.kind.home:
        raise _refused(target, "it is a folder on a disk, and a Lambda keeps none")
    if target.name == "stdout":
        raise _refused(target, "a function's output is its own log, where nothing is confirmed")
    for key, value in target.options.items():
        if key in _secrets(target) and not _is_reference(value):
            message = f"sink {target.asked}: {key} must be told by reference only: ssm:NAME or secretsmanager:ID"
            raise UsageError(message)
    if "@" in urlsplit(target.address).netloc:
        message = f"a sink of {target.name} names a user in its URL: write username, and password by reference, as its settings"
        raise UsageError(message)
    _check_libraries(target)
    _check_files(target)


def _check_libraries(target: Target) -> None:
    told = target.options.get("form"), target.options.get("compression")
    if target.name == "s3" and told[0] == "parquet":
        raise _refused(target, "form = parquet needs a library that is too large for a function; write ndjson")
    if target.name == "s3" and told[1] == "zstd":
        raise _refused(target, "compression = zstd needs a library that a function has not; write gzip")


def _check_files(target: Target) -> None:
    fields = target.kind.settings.__struct_fields__
    if "certificate" not in fields:
        return
    for key in _FILES:
        if target.options.get(key):
            message = f"{key} is a file of this machine, which a function has not"
            raise _refused(target, message)


def _secrets(target: Target) -> Sequence[str]:
    return [each.key for kind in (target.kind.settings, Transforms) for each in declared(kind) if each.type is Secret]


def _is_reference(value: Any) -> bool:
    kind, _, name = str(value).partition(":")
    return not value or (kind in ("ssm", "secretsmanager") and bool(name))


def _refused(target: Target, why: str) -> UsageError:
    return UsageError(f"sink {target.asked} cannot be one of a function: {why}")


def ports(wanted: Wanted) -> Mapping[int, str]:
    """The ports of servers outside of AWS to which the function sends, and the sink of each. Raises UsageError."""
    asked = [*targets(wanted), target_of(wanted.settings.dead_letters, wanted.settings)]
    found = {}
    for target in asked:
        place = urlsplit(target.address)
        if place.scheme and place.hostname:
            found[_port(target, place.port, place.scheme)] = target.name
    return dict(sorted(found.items()))


def _port(target: Target, port: int | None, scheme: str) -> int:
    known = {"http": 80, "https": 443}
    if port is None and scheme not in known:
        raise _refused(target, "its URL names no port")
    return port or known[scheme]
