"""What there is by name: formats, sources and sinks, found by looking into their folders and at installed entry points.

The name of a file is the name that users write. A third party adds one by an entry point of the group
`tailrace.formats`, `tailrace.sources` or `tailrace.sinks` that leads to a `Format`, `SourceKind` or `SinkKind`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TypeVar

from tailrace.errors import UsageError
from tailrace.kernel.layout import Format
from tailrace.kinds import SinkKind, SourceKind

T = TypeVar("T")


@lru_cache(maxsize=1)
def formats() -> dict[str, Format]:
    """Every format by name, in the order in which a line is offered to them."""
    found = dict(_found("formats", "FORMAT", Format))
    return dict(sorted(found.items(), key=lambda entry: (entry[1].precedence, entry[0])))


@lru_cache(maxsize=1)
def sources() -> dict[str, SourceKind]:
    """Every kind of source by name; those that take what is nobody's come last."""
    found = dict(_found("sources", "SOURCE", SourceKind))
    return dict(sorted(found.items(), key=lambda entry: (entry[1].fallback, entry[0])))


@lru_cache(maxsize=1)
def sinks() -> dict[str, SinkKind]:
    """Every kind of sink by name."""
    return dict(sorted(_found("sinks", "SINK", SinkKind)))


def format_named(name: str) -> Format:
    """The format of that name. Raises UsageError with the names that there are."""
    known = formats()
    if name not in known:
        message = f"no format is called {name!r}; there are: auto, {', '.join(known)}"
        raise UsageError(message)
    return known[name]


def source_of(word: str) -> SourceKind:
    """The kind of source that a word of the command line means."""
    return next(kind for kind in sources().values() if kind.claims(word))


def sink_named(name: str) -> SinkKind:
    """The kind of sink of that name. Raises UsageError with the names that there are."""
    known = sinks()
    if name not in known:
        message = f"no sink is called {name!r}; there are: {', '.join(known)}, and the [sinks.NAME] of tailrace.toml"
        raise UsageError(message)
    return known[name]


def _found(room: str, attribute: str, wanted: type[T]) -> Iterator[tuple[str, T]]:
    package = import_module(f"tailrace.{room}")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name[0] != "_":
            yield (
                module.name,
                _checked(getattr(import_module(f"{package.__name__}.{module.name}"), attribute, None), wanted),
            )
    for point in entry_points(group=f"tailrace.{room}"):
        yield point.name, _checked(point.load(), wanted)


def _checked(found: object, wanted: type[T]) -> T:
    if not isinstance(found, wanted):
        message = f"expected a {wanted.__name__}, found {found!r}"
        raise TypeError(message)
    return found
