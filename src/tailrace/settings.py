"""What can be set, written once: each field's text below it is its documentation, in `--help` and in the reference.

A value comes from a flag (or `--set KEY=VALUE`), else from the environment (`TAILRACE_STORE`; two underscores stand for
the dot of a nested key, `TAILRACE_RETRY__DEADLINE`), else from `tailrace.toml` or `--config`, else from its default.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import reduce
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from tailrace.deployment import Deploy
from tailrace.documentation import field_docs
from tailrace.errors import UsageError
from tailrace.quantities import Duration, Secret, Size

PREFIX = "TAILRACE_"
CONFIG = "tailrace.toml"
TABLES = ("sources", "sinks")
"""Settings that are tables by name."""
ENVIRONMENTS = "environments"
"""The table of a file whose own tables, by name, tell what is different in an environment: any setting."""
_TYPES = {"int": "a whole number", "str": "text", "array": "a list of texts"}
"""How people call what TOML's values are."""
S = TypeVar("S", bound=msgspec.Struct)


def _workers() -> int:
    return min(4, len(os.sched_getaffinity(0)))


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do when a sink says: not now."""

    deadline: Duration = Duration(300)
    """For how long a batch is offered again before its item is given back."""
    first_pause: Duration = Duration(0.5)
    """The longest pause before the second try; the pause is random and its limit doubles each time."""
    longest_pause: Duration = Duration(30)
    """The limit that the pause between two tries does not pass."""


class Lambda(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What concerns the Lambda handler only."""

    continuation_queue: str = ""
    """URL of the SQS queue through which an object that takes longer than one invocation is continued; it must call the same
    function, and `state` must be dynamodb:TABLE."""
    margin: Duration = Duration(30)
    """So long before the end of an invocation its work stops, to be confirmed and continued; never more than a third of the time
    there is. When two thirds of it are left, nothing is tried again."""
    metrics_namespace: str = "Tailrace"
    """Namespace of the metrics in CloudWatch; empty for none."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """The settings of a run."""

    from_: tuple[str, ...] = ()
    """Where logs come from, for `tailrace run`: a source as it is written for `tailrace ship`, a queue of events, or the name of
    a [sources.NAME] table."""
    to: tuple[str, ...] = ()
    """Where records go: a sink as one word or URL, or the name of a [sinks.NAME] table; the local store if not given."""
    store: str = "tailrace-store"
    """Folder of the local store: records, receipts and dead letters."""
    state: str = ""
    """Where receipts are kept of what goes to other sinks than the local store: sqlite (in the folder of the store, as if not
    given), dynamodb:TABLE (for several machines, and Lambda), or memory (gone with the process)."""
    state_retention: Duration = Duration(0)
    """So long after an object was delivered its receipt may be removed from dynamodb:TABLE, by the table's time to live; 0 keeps
    it for ever."""
    dead_letters: str = ""
    """Where rejects go, and records that a sink will never take: a sink as one word or URL, or a [sinks.NAME]; if not given,
    the folder `dead` beside the receipts."""
    format: str = "auto"
    """Read every line as this format (see `tailrace formats`); auto finds it from the key or from the line."""
    log_format: str = ""
    """Read every line as HAProxy writes it with this log-format string, as it stands in HAProxy's configuration."""
    captures: str = ""
    """How many headers HAProxy captures from requests and from responses, REQ,RESP, where a line has one {…} block only."""
    schema: Literal["aws", "ecs", "otel"] = "aws"
    """Names of the fields: the vendor's in snake_case, Elastic Common Schema, or OpenTelemetry."""
    timezone: str = "UTC"
    """IANA name of the zone of dates that are logged without one."""
    reference_time: str = ""
    """A time shortly after the last line (RFC 3339), to find the year of dates without one; the file's own if not given."""
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = msgspec.field(default_factory=_workers)
    """How many objects are carried at a time; one for each processor, up to four, if not given."""
    checkpoint: Size = Size(256 << 20)
    """After so many decompressed bytes of an object what was delivered is confirmed, so that it is never read again."""
    listen: str = "127.0.0.1:9464"
    """Where `tailrace run` tells whether it lives and is ready, and its metrics (Prometheus); empty for nowhere."""
    listen_token: Secret = Secret("")
    """Who asks for metrics must send this as a bearer token; needed where others than this machine can ask."""
    region: str = ""
    """Region of the cloud, where its configuration does not tell."""
    endpoint_url: str = ""
    """URL of S3 in a cloud that is not AWS."""
    profile: str = ""
    """Profile of the AWS configuration files."""
    kernel: Literal["auto", "native", "reference"] = "auto"
    """Which parser reads: the native kernel, its reference twin in Python, or the native one where it is installed."""
    retry: Retry = Retry()
    """What to do when a sink says: not now."""
    awslambda: Lambda = Lambda()
    """What concerns the Lambda handler only."""
    deploy: Deploy = Deploy()
    """What `tailrace deploy` makes in an account of AWS."""
    sources: dict[str, dict[str, Any]] = {}
    """Named sources: `url`, and the settings of that kind of source (see `tailrace settings`)."""
    sinks: dict[str, dict[str, Any]] = {}
    """Named sinks: `url`, and the settings of that kind of sink (see `tailrace settings`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Settings, where each of those that were set comes from, and those that must belong to a source or sink.

    `loose`: values of `--set` whose key is no setting of the run; the source or sink that takes it is not known yet.
    """

    settings: Settings
    origins: Mapping[str, str]
    loose: Mapping[str, str] = field(default_factory=dict)
    ignored: Sequence[str] = ()
    """Variables of the environment that look like settings but are none."""


class Document(NamedTuple):
    """Settings in TOML that are not in a file: where they come from, and their text."""

    origin: str
    text: str


class Declared(NamedTuple):
    """A setting: its key, the attributes that lead to it, its type, and the class that declares and documents it."""

    key: str
    path: tuple[str, ...]
    type: Any
    owner: type[msgspec.Struct]

    def value_in(self, settings: msgspec.Struct) -> Any:
        """Its value."""
        return reduce(getattr, self.path, settings)

    @property
    def meaning(self) -> str:
        """Its documentation, in one line."""
        return field_docs(self.owner)[self.path[-1]].replace("\n", " ")


@dataclass(frozen=True, slots=True)
class _Value:
    value: Any
    origin: str


def resolve(
    flags: Mapping[str, Any],
    assignments: Sequence[str],
    environ: Mapping[str, str],
    config: Path | Document | None = None,
    environment: str = "",
) -> Resolved:
    """The settings of a run. `flags` by key of the setting; `assignments` as given to `--set`.

    `environment`: whose table [environments.NAME] counts before the rest of the file; a file without such tables is for all.
    Raises UsageError that names the file, flag or variable, the key, and the remedy.
    """
    variables, ignored = _from_environment(environ)
    told, loose = _from_assignments(assignments)
    flag_values = {
        key: _Value(value, f"--{key.replace('_', '-')}") for key, value in flags.items() if value is not None
    }
    if clash := sorted(told.keys() & flag_values.keys()):
        message = f"{clash[0]} is given by {flag_values[clash[0]].origin} and by --set; give it once"
        raise UsageError(message)
    found = {**_from_file(config or _config(environ), environment), **variables, **told, **flag_values}
    return Resolved(
        settings=_built(Settings, found),
        origins={key: value.origin for key, value in found.items()},
        loose=loose,
        ignored=ignored,
    )


def struct_of(kind: type[S], values: Mapping[str, Any], origin: str) -> S:
    """The own settings of a source or sink. Raises UsageError that names the origin, the key, and the remedy."""
    return _built(kind, {key: _Value(value, origin) for key, value in values.items()})


def _config(environ: Mapping[str, str]) -> Path | None:
    told = environ.get(f"{PREFIX}CONFIG")
    if told:
        return Path(told)
    return Path(CONFIG) if Path(CONFIG).is_file() else None


def _from_file(config: Path | Document | None, environment: str) -> dict[str, _Value]:
    if config is None:
        return {}
    try:
        origin, text = config if isinstance(config, Document) else (str(config), config.read_text(encoding="utf-8"))
        document = tomllib.loads(text)
    except OSError as error:
        message = f"cannot read the settings in {config}: {error.strerror}"
        raise UsageError(message) from error
    except ValueError as error:
        message = f"{config.origin if isinstance(config, Document) else config} is no valid TOML: {error}"
        raise UsageError(message) from error
    environments = document.pop(ENVIRONMENTS, {})
    found = {key: _Value(value, origin) for key, value in _flat(document)}
    if environment and environments:
        special = _of_environment(environment, environments, origin)
        found |= {key: _Value(value, f"{origin} [{ENVIRONMENTS}.{environment}]") for key, value in _flat(special)}
    return found


def _of_environment(environment: str, environments: Any, origin: str) -> Mapping[str, Any]:
    known = environments if isinstance(environments, dict) else {}
    if isinstance(known.get(environment), dict):
        special: Mapping[str, Any] = known[environment]
        return special
    there = ", ".join(sorted(known)) or "none"
    message = (
        f"{origin}: there is no environment {environment} ({there}); write its table [{ENVIRONMENTS}.{environment}]"
    )
    raise UsageError(message)


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        of_sink = prefix.startswith("sinks.") and prefix.count(".") > 1
        if isinstance(value, dict) and not of_sink:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _from_environment(environ: Mapping[str, str]) -> tuple[dict[str, _Value], list[str]]:
    """Settings among the variables, and those that are none: clusters set some of their own with any prefix."""
    found, ignored = {}, []
    for name, value in sorted(environ.items()):
        key = name.removeprefix(PREFIX).lower().replace("__", ".")
        if not name.startswith(PREFIX) or name == f"{PREFIX}CONFIG":
            continue
        if _is_known(key):
            found[key] = _Value(value, name)
        else:
            ignored.append(name)
    return found, ignored


def _from_assignments(assignments: Sequence[str]) -> tuple[dict[str, _Value], dict[str, str]]:
    found, loose = {}, {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            message = f"--set {assignment}: write KEY=VALUE"
            raise UsageError(message)
        if _is_known(key):
            found[key] = _Value(value, "--set")
        elif "." in key:
            raise UsageError(_unknown(key, "--set", keys_of(Settings)))
        else:
            loose[key] = value
    return found, loose


def _is_known(key: str) -> bool:
    match key.split("."):
        case [room, _, _] if room in TABLES:
            return True
        case [room, *_] if room in TABLES:
            return False
    return key in keys_of(Settings)


def keys_of(kind: type[msgspec.Struct]) -> list[str]:
    """The keys of settings, those of nested ones behind a dot."""
    return [each.key for each in declared(kind)]


def declared(kind: type[msgspec.Struct], prefix: str = "", path: tuple[str, ...] = ()) -> Iterator[Declared]:
    """All that can be set, but for what named sources and sinks have."""
    for info in msgspec.structs.fields(kind):
        key, here = f"{prefix}{info.encode_name}", (*path, info.name)
        if isinstance(info.type, type) and issubclass(info.type, msgspec.Struct):
            yield from declared(info.type, f"{key}.", here)
        elif info.name not in TABLES or kind is not Settings:
            yield Declared(key, here, info.type, kind)


def _built(kind: type[S], found: Mapping[str, _Value]) -> S:
    """The struct with these values, each converted by itself so that an error can tell where it came from."""
    types = {each.key: each.type for each in declared(kind)}
    document: dict[str, Any] = {}
    for key, value in found.items():
        *path, name = key.split(".")
        if path and path[0] in TABLES and kind is Settings:
            converted = _of_named(key, path, value)
        elif key not in types:
            raise UsageError(_unknown(key, value.origin, types))
        else:
            converted = _converted(key, value, types[key])
        at = document
        for part in path:
            at = at.setdefault(part, {})
        at[name] = converted
    return msgspec.convert(document, kind, dec_hook=_as_is)


def _of_named(key: str, path: Sequence[str], value: _Value) -> Any:
    if len(path) == 2:  # noqa: PLR2004 - sinks.NAME
        return value.value
    room = path[0]
    message = f'{value.origin}: {key} cannot be; write [{room}.NAME] with url = "..." and the {room[:-1]}\'s settings'
    raise UsageError(message)


def _converted(key: str, value: _Value, wanted: Any) -> Any:
    given = value.value
    if isinstance(given, str) and getattr(wanted, "__origin__", None) is tuple:
        given = given.split()
    try:
        return msgspec.convert(given, wanted, strict=not isinstance(given, str), dec_hook=_parsed)
    except msgspec.ValidationError as error:
        where = value.origin if _names(value.origin, key) else f"{value.origin}: {key}"
        message = f"{where}: {_told(error, value.value, wanted)}"
        raise UsageError(message) from error


def _names(origin: str, key: str) -> bool:
    """Whether the origin names the key already, as a flag does and a variable."""
    return origin in (f"--{key.replace('_', '-')}", PREFIX + key.upper().replace(".", "__"))


def _parsed(wanted: Any, given: Any) -> Any:
    """Read a quantity."""
    return wanted.parse(given)


def _as_is(wanted: Any, given: Any) -> Any:
    """Take a quantity that has been read already."""
    assert isinstance(given, wanted)
    return given


def _told(error: msgspec.ValidationError, given: Any, wanted: Any) -> str:
    text = str(error)
    if choices := _choices(wanted):
        return f"expected one of {', '.join(choices)}, not {given!r}"
    if text.startswith("Expected `int`, got "):
        return f"expected a whole number, not {given!r}"
    for name, words in _TYPES.items():
        text = text.replace(f"`{name}`", words)
    return text[:1].lower() + text[1:].replace("`", "")


def _choices(wanted: Any) -> list[str]:
    """The values that there are, where there are few."""
    if wanted is bool:
        return ["true", "false"]
    if get_origin(wanted) is Literal:
        return list(get_args(wanted))
    return (
        [value for each in get_args(wanted) for value in _choices(each)]
        if get_origin(wanted) in (Union, UnionType)
        else []
    )


def _unknown(key: str, origin: str, keys: Iterable[str]) -> str:
    close = get_close_matches(key, list(keys), n=1)
    hint = f"did you mean {close[0]}?" if close else "see `tailrace settings` for what there is"
    return f"{origin}: there is no setting {key}; {hint}"
