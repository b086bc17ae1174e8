"""What each worker needs for itself: its sinks, with the places where their receipts and dead letters are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tailrace.deadletters import DeadFolder
from tailrace.deadsink import DeadSink
from tailrace.errors import UsageError
from tailrace.homes import Home
from tailrace.hosts.asking import Target, refuse_twins, target_of
from tailrace.hosts.states import shared_state
from tailrace.kinds import Surroundings
from tailrace.ports import DeadLetters, Sink, State
from tailrace.retry import Patience
from tailrace.settings import Resolved, Settings
from tailrace.transforms import Discreet

if TYPE_CHECKING:
    from tailrace.store.opening import Store  # only where a disk is; a Lambda starts without it


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
        self.shared_at = resolved.settings.state if self._shared else ""
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
            crew = self.crew()
            refuse_twins(asked, (sink for home in crew for sink in home.sinks))
            self.kept_in = [place for place, home in zip(self.folders, crew, strict=True) if _keeps_receipts(home)]
            """Of the folders those whose receipts are kept: there, or in the shared state."""
            undo.pop_all()

    @staticmethod
    def place(target: Target, resolved: Resolved, asked: Sequence[Target]) -> Path:
        """The folder in which the receipts of one of the sinks are kept."""
        settings = resolved.settings
        own = [one.kind.home(one.address, settings) for one in asked if one.kind.home]
        if target.kind.home:
            return target.kind.home(target.address, settings).absolute()
        return (Path(settings.store) if "store" in resolved.origins or not own else own[0]).absolute()

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


def _keeps_receipts(home: Home) -> bool:
    return any(sink.keeps_receipts for sink in home.sinks)
