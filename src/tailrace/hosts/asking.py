"""From settings to a run: sources, and for each worker its sinks with the places where their receipts are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tailrace import registry
from tailrace.changes import Setup
from tailrace.clouds import client
from tailrace.deadletters import DeadFolder
from tailrace.deadsink import DeadSink
from tailrace.errors import UsageError
from tailrace.homes import Home
from tailrace.hosts.reading import plan_of
from tailrace.hosts.states import shared_state
from tailrace.kernel.layout import Format
from tailrace.kinds import SinkKind, SourceKind, Surroundings
from tailrace.model import View
from tailrace.ports import DeadLetters, Sink, Source, State
from tailrace.retry import Patience
from tailrace.settings import Resolved, Settings, struct_of
from tailrace.transforms import Discreet, Seen, Transforms, split, view_of

if TYPE_CHECKING:
    from tailrace.store.opening import Store  # only where a disk is; a Lambda starts without it


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A source that was asked for: its kind, the words that mean it, and its own settings, which are not read yet."""

    asked: str
    words: Sequence[str]
    kind: SourceKind
    options: Mapping[str, Any]
    room: ClassVar = "sources"

    def takes(self, key: str) -> bool:
        """Whether it has such a setting."""
        return key in self.kind.settings.__struct_fields__

    def having(self, key: str, value: Any) -> Origin:
        """The same with a setting."""
        return replace(self, options={**self.options, key: value})

    def opened(self, given: Surroundings) -> Source:
        """The source. Raises UsageError."""
        own = struct_of(self.kind.settings, self.options, f"source {self.asked}")
        return self.kind.open(self.words, own, given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A sink that was asked for: its kind, its address, and its own settings, which are not read yet."""

    asked: str
    name: str
    kind: SinkKind
    address: str
    options: Mapping[str, Any]
    room: ClassVar = "sinks"

    def takes(self, key: str) -> bool:
        """Whether it has such a setting."""
        return key in self.kind.settings.__struct_fields__ or key in Transforms.__struct_fields__

    def having(self, key: str, value: Any) -> Target:
        """The same with a setting."""
        return replace(self, options={**self.options, key: value})

    def opened(self, given: Surroundings) -> Callable[[], Sink]:
        """Makes a sink for each thread, which sees what it is to see. Raises UsageError."""
        _, options = split(self.options)
        own = struct_of(self.kind.settings, options, f"sink {self.asked}")
        made, view = self.kind.open(self.address, own, given), self.view(given)
        return made if view == View() else lambda: Seen(made(), view)

    def view(self, given: Surroundings) -> View:
        """What it is to see of records. Raises UsageError."""
        told, options = split(self.options)
        if not told:
            return View()
        origin = f"sink {self.asked}"
        transforms = struct_of(Transforms, told, origin)
        own = struct_of(self.kind.settings, options, origin)
        key = given.vault.read(transforms.redact_key).encode()
        try:
            return view_of(transforms, plan_of(given.settings).formats, key, fixed=self.kind.fixed(own))
        except UsageError as error:
            message = f"{origin}: {error}"
            raise UsageError(message) from error

    def setup(self, given: Surroundings, formats: Sequence[Format]) -> Setup:
        """What prepares the other side for records of these formats. Raises UsageError if nothing does."""
        _, options = split(self.options)
        own = struct_of(self.kind.settings, options, f"sink {self.asked}")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The sources and sinks that were asked for."""

    sources: Sequence[Origin]
    sinks: Sequence[Target] = ()

    def opened(self, given: Surroundings) -> list[Source]:
        """The sources. Raises UsageError."""
        return [origin.opened(given) for origin in self.sources]


def asked_for(resolved: Resolved, words: Sequence[str], **flags: Any) -> Asked:
    """The sources that words mean and the sinks that the settings ask for, each with its own settings. Raises UsageError.

    A word given twice means one source. `flags`: settings for every source that has them, by key.
    """
    settings = resolved.settings
    found = Asked(
        sources=list(_origins(words, settings)), sinks=[target_of(word, settings) for word in settings.to or ("store",)]
    )
    return _with_loose(_with_flags(found, flags), resolved.loose)


def asked_sources(resolved: Resolved, words: Sequence[str]) -> Asked:
    """The sources that words mean, where the sink is none of the settings'. Raises UsageError."""
    return _with_loose(Asked(sources=list(_origins(words, resolved.settings))), resolved.loose)


def _with_flags(asked: Asked, flags: Mapping[str, Any]) -> Asked:
    for key, value in flags.items():
        if not any(origin.takes(key) for origin in asked.sources):
            message = f"--{key.replace('_', '-')}: none of the sources has such a setting; see `tailrace settings`"
            raise UsageError(message)
        taken = [origin.having(key, value) if origin.takes(key) else origin for origin in asked.sources]
        asked = replace(asked, sources=taken)
    return asked


def _with_loose(asked: Asked, loose: Mapping[str, str]) -> Asked:
    for key, value in loose.items():
        every: list[Origin | Target] = [*asked.sources, *asked.sinks]
        takers = [each for each in every if each.takes(key)]
        if len(takers) != 1:
            raise UsageError(_homeless(key, asked, takers))
        asked = Asked(
            sources=[each.having(key, value) if each.takes(key) else each for each in asked.sources],
            sinks=[each.having(key, value) if each.takes(key) else each for each in asked.sinks],
        )
    return asked


def _origins(words: Sequence[str], settings: Settings) -> Iterator[Origin]:
    asked = [_origin(word, settings) for word in dict.fromkeys(words)]
    for together, following in groupby(asked, key=lambda each: each.kind.fallback and not each.options):
        found = list(following)
        if together:
            yield replace(found[0], words=tuple(word for each in found for word in each.words))
        else:
            yield from found


def _origin(word: str, settings: Settings) -> Origin:
    options = dict(settings.sources.get(word, {}))
    url = str(options.pop("url", word))
    return Origin(asked=word, words=(url,), kind=registry.source_of(url), options=options)


def target_of(word: str, settings: Settings) -> Target:
    """The sink that a word means, or a URL, or the name of a table. Raises UsageError."""
    options = dict(settings.sinks.get(word, {}))
    url = str(options.pop("url", word))
    name, _, address = url.partition(":")
    return Target(asked=word, name=name, kind=registry.sink_named(name), address=address, options=options)


def _homeless(key: str, asked: Asked, takers: Sequence[Origin | Target]) -> str:
    if not takers:
        of = "the run nor a source or sink of it" if asked.sinks else "the command nor a source it reads"
        return f"--set {key}: neither {of} has such a setting; see `tailrace settings`"
    names = " and ".join(each.asked for each in takers)
    ways = " or ".join(dict.fromkeys(f"{each.room}.NAME.{key}=…" for each in takers))
    return f"--set {key}: {names} take it; write --set {ways} with the name of one of them"


class Depot:
    """Where receipts of a run are kept: one folder for each store, and one for all other sinks.

    Dead letters are kept beside them, unless the settings name another place.
    """

    def __init__(self, resolved: Resolved, asked: Sequence[Target], given: Surroundings) -> None:
        self._closing = ExitStack()
        self._stores: dict[Path, Store] = {}
        self._sinks: dict[Path, list[Callable[[], Sink]]] = {}
        stores = [target.asked for target in asked if target.kind.home]
        self._shared = shared_state(resolved.settings, given, stores)
        self.receipts_at = resolved.settings.state if self._shared else ""
        """The word for where receipts are kept, if not in the folders."""
        places = [self.place(target, resolved, asked) for target in asked]
        with ExitStack() as undo:
            undo.callback(self._closing.close)
            for place in () if self._shared else dict.fromkeys(places):
                self._stores[place] = self._opened(place, given)
            for place, target in zip(places, asked, strict=True):
                self._sinks.setdefault(place, []).append(target.opened(given))
            self._dead = self._dead_letters(resolved.settings, given)
            self._discreet = any(target.view(given).redact for target in asked)
            self._refuse_twins(asked)
            undo.pop_all()

    @staticmethod
    def place(target: Target, resolved: Resolved, asked: Sequence[Target]) -> Path:
        """The folder in which the receipts of one of the sinks are kept."""
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

    def _dead_letters(self, settings: Settings, given: Surroundings) -> Callable[[], DeadLetters] | None:
        """Makes where one worker's letters go, if that is not beside the receipts. Raises UsageError."""
        if not settings.dead_letters:
            return None
        target = target_of(settings.dead_letters, settings)
        if target.kind.home:
            return self._dead_folder(target.kind.home(target.address, settings).absolute(), given)
        opened = target.opened(given)

        def made() -> DeadLetters:
            sink = opened()
            self._closing.callback(sink.close)
            return DeadSink(sink, given.clock, Patience(settings.retry, given.clock, given.stop.wait).trying)

        return made

    def _dead_folder(self, place: Path, given: Surroundings) -> Callable[[], DeadLetters]:
        """The folder `dead` of a store, which the run may have open already."""
        if len(self._stores) > 1:
            raise UsageError("dead_letters: several stores cannot share a folder for them; leave it out or name a sink")
        store = self._stores.get(place) or self._opened(place, given)
        return store.dead_letters

    def _opened(self, place: Path, given: Surroundings) -> Store:
        from tailrace.store.opening import open_store  # noqa: PLC0415 - only where a disk is

        return self._closing.enter_context(open_store(place, given.clock))

    def crew(self) -> list[Home]:
        """What one worker needs for itself."""
        dead = self._dead and self._dead()
        if self._shared:
            return [
                Home(self._shared, self._told(dead or DeadFolder(place)), [make() for make in sinks])
                for place, sinks in self._sinks.items()
            ]
        from tailrace.store.isolating import isolate  # noqa: PLC0415 - only where a disk is

        return [
            Home(
                store.state,
                self._told(dead or store.dead_letters()),
                [make() for make in self._sinks[place]],
                partial(isolate, store),
            )
            for place, store in self._stores.items()
        ]

    def _told(self, dead: DeadLetters) -> DeadLetters:
        """Where rejects go, which show nothing where a sink of the run is not to see everything."""
        return Discreet(dead) if self._discreet else dead

    @property
    def folders(self) -> list[Path]:
        """The folders in which something is kept."""
        return list(self._sinks)

    @property
    def states(self) -> Iterator[State]:
        """Where the receipts are."""
        return iter([self._shared] if self._shared else [store.state for store in self._stores.values()])

    def known(self, kind: str, container: str, key: str) -> list[str]:
        """The etags of an object that have receipts."""
        return [etag for state in self.states for etag in state.etags(kind, container, key)]

    def close(self) -> None:
        """Let others use the folders."""
        if self._shared:
            self._shared.close()
        self._closing.close()
