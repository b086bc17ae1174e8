"""How HAProxy's lines are read before they are written anew."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from importlib import import_module
from typing import BinaryIO, Final, get_type_hints

from tailrace import formats
from tailrace.errors import UsageError
from tailrace.formats._haproxy import compile_log_format
from tailrace.kernel.layout import Format
from tailrace.kernel.plan import KEPT_OF_REJECT, MAX_LINE, Plan
from tailrace.kernel.zones import UTC_ZONE, Zone
from tailrace.loadbalancer.forms._logged import CUSTOM, CUSTOM_WITH_IDLE, Logged
from tailrace.model import Batch, Reason, Reject

CHUNK: Final = 64 << 10
KEPT_REJECTS: Final = 1000
KEPT_BYTES: Final = 1 << 20
"""So many rejects, and so many bytes of them, are handed on; all are counted."""
_TYPES: Final = {"text": str, "int": int, "texts": list[str], "time": str}


def plan(log_format: str = "", *, zone: Zone = UTC_ZONE, captures: tuple[int, int] | None = None) -> Plan:
    """How the lines are read: each in whichever of HAProxy's formats it has, first that of the `log-format` given.

    `zone`: of the machine's dates, which most formats write without one. Raises UsageError for a string that HAProxy
    would refuse, or in which a name means something else than in Tailrace.
    """
    own = (_custom(log_format),) if log_format else ()
    return Plan(formats=own + _known(), zone=zone, captures=captures)


@lru_cache(maxsize=1)
def _known() -> tuple[Format, ...]:
    """HAProxy's formats as the registry has them; it itself would take megabytes of the agent's memory."""
    names = [module.name for module in pkgutil.iter_modules(formats.__path__) if module.name.startswith("haproxy_")]
    found = [import_module(f"{formats.__name__}.{name}").FORMAT for name in names]
    return tuple(sorted(found, key=lambda known: (known.precedence, known.name)))


def _custom(log_format: str) -> Format:
    made = Format(
        name=CUSTOM_WITH_IDLE if "%Tq" in log_format else CUSTOM, title="HAProxy, by log-format", about="Lines as the given log-format string makes them.",
        source="https://docs.haproxy.org/3.2/configuration.html#8.2.6", layouts=(compile_log_format(log_format),),
        framing="syslog", vendor="haproxy", example="",
    )  # fmt: skip
    hints = get_type_hints(Logged)
    for column in made.columns:
        wanted = hints.get(column.name)
        if wanted is not None and _TYPES.get(column.type) not in (wanted, *getattr(wanted, "__args__", ())):
            message = f"log-format: the name {column.name!r} is given to a {column.type}; give it another name"
            raise UsageError(message)
    return made


def whole_lines(lines: BinaryIO) -> Iterator[bytes]:
    """The content in chunks that end where a line does, unless a line is longer than any record; the last one ends too."""
    rest, ended = b"", True
    while data := lines.read(CHUNK):
        end = data.rfind(b"\n") + 1
        if end:
            yield rest + data[:end]
            rest, ended = data[end:], True
        else:
            rest += data
            if len(rest) > MAX_LINE:
                yield rest
                rest, ended = b"", False
    if rest or not ended:
        yield rest + b"\n"


def reject(offset: int, reason: Reason, line: bytes) -> Reject:
    """A line that is no request."""
    return Reject(offset, 1, reason, line[:KEPT_OF_REJECT], len(line), sha256(line).hexdigest())


def controls(chunk: bytes, begin: int, batch: Batch) -> Iterator[Reject]:
    """The lines of a chunk that the kernel passes over as comments and test files' lines: here they are rejects like others."""
    told = {*batch.records.raw().offsets, *(found.offset for found in batch.rejects)}
    at = begin
    for line in chunk.split(b"\n"):
        if line.startswith((b"#", b"Enable ")) and at not in told:
            yield reject(at, "unknown_format", line)
        at += len(line) + 1
