"""From settings to a run: sources, and for each worker its sinks with the places where their receipts are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from tailrace import registry
from tailrace.changes import Setup
from tailrace.clouds import client
from tailrace.errors import UsageError
from tailrace.homes import Home
from tailrace.kernel.layout import Format
from tailrace.kinds import SinkKind, Surroundings
from tailrace.ports import Sink, Source, State
from tailrace.settings import Resolved, Settings, struct_of
from tailrace.store.isolating import isolate
from tailrace.store.opening import Store, open_store


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A sink that was asked for: its kind, its address, and its own settings, which are not read yet."""

    asked: str
    name: str
    kind: SinkKind
    address: str
    options: Mapping[str, Any]

    def opened(self, given: Surroundings) -> Callable[[], Sink]:
        """Makes a sink for each thread. Raises UsageError."""
        own = struct_of(self.kind.settings, self.options, f"sink {self.asked}")
        return self.kind.open(self.address, own, given)

    def setup(self, given: Surroundings, formats: Sequence[Format]) -> Setup:
        """What prepares the other side for records of these formats. Raises UsageError if nothing does."""
        own = struct_of(self.kind.settings, self.options, f"sink {self.asked}")
        if self.kind.setup is None:
            message = f"{self.name} needs no setup"
            raise UsageError(message)
        return self.kind.setup(self.address, own, given, formats)


def clients(settings: Settings) -> Callable[[str], Any]:
    """Makes clients of a cloud's services as the settings tell."""

    def made(service: str) -> Any:
        return client(
            service,
            region=settings.region or None,
            endpoint_url=(service == "s3" and settings.endpoint_url) or None,
            profile=settings.profile or None,
            private=bool(settings.endpoint_url),
        )

    return made


def opened_sources(words: Sequence[str], given: Surroundings) -> list[Source]:
    """The sources that the words of a command line mean, in their order; a word given twice means one. Raises UsageError."""
    found: list[Source] = []
    for kind, following in groupby(dict.fromkeys(words), key=registry.source_of):
        together = list(following)
        groups = [together] if kind.fallback else [[word] for word in together]
        found += [kind.open(group, given) for group in groups]
    return found


def targets(resolved: Resolved) -> list[Target]:
    """The sinks that the settings ask for. Raises UsageError."""
    settings = resolved.settings
    asked = [_target(word, settings) for word in settings.to or ("store",)]
    for key, value in resolved.loose.items():
        takers = [number for number, target in enumerate(asked) if key in target.kind.settings.__struct_fields__]
        if len(takers) != 1:
            raise UsageError(_homeless(key, [asked[number] for number in takers]))
        (number,) = takers
        asked[number] = replace(asked[number], options={**asked[number].options, key: value})
    return asked


def _target(word: str, settings: Settings) -> Target:
    options = dict(settings.sinks.get(word, {}))
    url = str(options.pop("url", word))
    name, _, address = url.partition(":")
    return Target(asked=word, name=name, kind=registry.sink_named(name), address=address, options=options)


def _homeless(key: str, takers: Sequence[Target]) -> str:
    if not takers:
        return f"--set {key}: neither the run nor a sink it delivers to has such a setting; see `tailrace settings`"
    names = " and ".join(target.asked for target in takers)
    return f"--set {key}: {names} take it; write --set sinks.NAME.{key}=… with the name of one of them"


class Depot:
    """Where receipts and rejects of a run are kept: one folder for each store, and one for all other sinks."""

    def __init__(self, resolved: Resolved, asked: Sequence[Target], given: Surroundings) -> None:
        self._closing = ExitStack()
        self._stores: dict[Path, Store] = {}
        self._sinks: dict[Path, list[Callable[[], Sink]]] = {}
        places = [self._place(target, resolved, asked) for target in asked]
        with ExitStack() as undo:
            undo.callback(self._closing.close)
            for place in dict.fromkeys(places):
                self._stores[place] = self._closing.enter_context(open_store(place, given.clock))
            for place, target in zip(places, asked, strict=True):
                self._sinks.setdefault(place, []).append(target.opened(given))
            self._refuse_twins(asked)
            undo.pop_all()

    @staticmethod
    def _place(target: Target, resolved: Resolved, asked: Sequence[Target]) -> Path:
        settings = resolved.settings
        own = [one.kind.home(one.address, settings) for one in asked if one.kind.home]
        if target.kind.home:
            return target.kind.home(target.address, settings).absolute()
        return (Path(settings.store) if "store" in resolved.origins or not own else own[0]).absolute()

    def _refuse_twins(self, asked: Sequence[Target]) -> None:
        names = [sink.name for home in self.crew() for sink in home.sinks]
        if len(set(names)) < len(names):
            message = f"two of the sinks {', '.join(target.asked for target in asked)} are the same; give it once"
            raise UsageError(message)

    def crew(self) -> list[Home]:
        """What one worker needs for itself."""
        return [
            Home(store.state, store.dead_letters(), [make() for make in self._sinks[place]], partial(isolate, store))
            for place, store in self._stores.items()
        ]

    @property
    def folders(self) -> list[Path]:
        """The folders in which something is kept."""
        return list(self._stores)

    @property
    def states(self) -> Iterator[State]:
        """Where the receipts are."""
        return (store.state for store in self._stores.values())

    def known(self, kind: str, container: str, key: str) -> list[str]:
        """The etags of an object that have receipts."""
        return [etag for state in self.states for etag in state.etags(kind, container, key)]

    def close(self) -> None:
        """Let others use the folders."""
        self._closing.close()
