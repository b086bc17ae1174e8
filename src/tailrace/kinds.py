"""What a source and a sink tell of themselves, so that they are found by name, opened from settings, and documented."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO, Protocol

import msgspec

from tailrace.changes import Setup
from tailrace.clock import Clock
from tailrace.permissions import Need
from tailrace.ports import Sink, Source
from tailrace.quantities import Secret
from tailrace.settings import Settings


class Vault(Protocol):
    """Reads secrets from where the settings say they are; threads may share it."""

    def read(self, secret: Secret, *, anew: bool = False) -> str:
        """The text itself; `anew` after it was refused, for it may have been replaced. Raises UsageError, Fatal, Retryable."""


Known = Callable[[str, str, str], Sequence[str]]
"""The etags of a kind, container and key that have receipts, the latest first."""


def unheard(_message: str) -> None:
    """What is said where nobody listens."""


def nothing_known(_kind: str, _container: str, _key: str) -> Sequence[str]:
    """What is known where no receipts are kept."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a run gives to each source and sink that it opens.

    `stdin` and `stdout`: the process's streams, `stdout` as a file descriptor. `client`: makes the client of a cloud's
    service, by the service's name. `vault`: reads secrets. `known`: what has been delivered. `outputs`: device and inode of the files that the
    run writes, which must not be read. `environ`: the process's environment. `notice`: is told, by any thread, in a sentence,
    what is wrong and stops nothing. `stop`: set when the process is to end; a source that waits for more gives none then.
    `stays`: the run goes on until it is stopped, so that a source which can wait for more does.
    """

    settings: Settings
    clock: Clock
    stdin: BinaryIO
    stdout: int
    client: Callable[[str], Any]
    vault: Vault
    known: Known = field(default=nothing_known)
    outputs: Collection[tuple[int, int]] = ()
    notice: Callable[[str], None] = unheard
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    stop: Event = field(default_factory=Event)
    stays: bool = False


def nothing_needed(_address: str, _own: Any) -> Sequence[Need]:
    """What is called in a cloud by what calls nothing there."""
    return ()


class NoSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source or sink without settings of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkKind:
    """A kind of sink. Its URL is its name, or its name, a colon and an address.

    `form`: how the URL is written. `settings`: its own. `open`: from the address and these settings makes what makes one
    sink for each thread. `home`: the folder in which such a sink keeps receipts and rejects itself. `fixed`: whether
    with these settings its columns cannot be other ones. `setup`: what prepares
    the other side for records of these formats, if anything does. `needs`: what it calls in a cloud, from the address and its settings.
    """

    form: str
    about: str
    settings: type[msgspec.Struct] = NoSettings
    open: Callable[[str, Any, Surroundings], Callable[[], Sink]]
    home: Callable[[str, Settings], Path] | None = None
    fixed: Callable[[Any], bool] = field(default=lambda _own: False)
    setup: Callable[[str, Any, Surroundings, Sequence[Any]], Setup] | None = None
    needs: Callable[[str, Any], Sequence[Need]] = field(default=nothing_needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind:
    """A kind of source.

    `claims`: whether a word of the command line is its own. `fallback`: it takes what no other kind claims, and words that
    follow one another together. `settings`: its own. `open`: makes the source of one word, or of several for a fallback, and
    of these settings. `takes_away`: what is acknowledged is gone from there, so receipts or sinks must have it. `needs`: what it
    calls in a cloud, from a word and its settings.
    """

    form: str
    about: str
    claims: Callable[[str], bool]
    settings: type[msgspec.Struct] = NoSettings
    open: Callable[[Sequence[str], Any, Surroundings], Source]
    fallback: bool = False
    takes_away: bool = False
    needs: Callable[[str, Any], Sequence[Need]] = field(default=nothing_needed)
