"""What there is by name: formats, found by looking into their folder and at installed entry points.

The name of a file is the name that users write. A third party adds a format by an entry point of the group
`tailrace.formats` that leads to a `Format`.
"""

from __future__ import annotations

import pkgutil
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points

from tailrace import formats as formats_package
from tailrace.errors import UsageError
from tailrace.kernel.layout import Format


@lru_cache(maxsize=1)
def formats() -> dict[str, Format]:
    """Every format by name, in the order in which a line is offered to them."""
    found = [_format(module.name) for module in pkgutil.iter_modules(formats_package.__path__) if module.name[0] != "_"]
    found += [point.load() for point in entry_points(group="tailrace.formats")]
    return {known.name: known for known in sorted(found, key=lambda known: (known.precedence, known.name))}


def _format(name: str) -> Format:
    found = import_module(f"{formats_package.__name__}.{name}").FORMAT
    if not isinstance(found, Format) or found.name != name:
        message = f"formats/{name}.py must hold FORMAT, a Format of that name"
        raise TypeError(message)
    return found


def format_named(name: str) -> Format:
    """The format of that name. Raises UsageError with the names that there are."""
    known = formats()
    if name not in known:
        message = f"no format is called {name!r}; there are: auto, {', '.join(known)}"
        raise UsageError(message)
    return known[name]
