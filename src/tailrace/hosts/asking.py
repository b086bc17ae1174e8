"""What is asked for: the words and settings of sources and sinks, before any of them is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, ClassVar

import msgspec

from tailrace import registry
from tailrace.changes import Setup
from tailrace.clouds import secrets
from tailrace.errors import UsageError
from tailrace.hosts.reading import plan_of
from tailrace.kernel.layout import Format
from tailrace.kinds import SinkKind, SourceKind, Surroundings
from tailrace.model import View
from tailrace.permissions import Need
from tailrace.ports import Sink, Source
from tailrace.quantities import Secret
from tailrace.settings import Resolved, Settings, declared, struct_of
from tailrace.transforms import Seen, Transforms, split, view_of


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

    def needs(self) -> list[Need]:
        """What it calls in a cloud, and for its secrets. Raises UsageError."""
        own = struct_of(self.kind.settings, self.options, f"source {self.asked}")
        return [*_of_secrets(own), *(need for word in self.words for need in self.kind.needs(word, own))]


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

    def needs(self) -> list[Need]:
        """What it calls in a cloud, and for its secrets. Raises UsageError."""
        told, options = split(self.options)
        own = struct_of(self.kind.settings, options, f"sink {self.asked}")
        transforms = struct_of(Transforms, told, f"sink {self.asked}")
        return [*_of_secrets(own), *_of_secrets(transforms), *self.kind.needs(self.address, own)]

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


def refuse_twins(asked: Sequence[Target], sinks: Iterable[Sink]) -> None:
    """Raises UsageError if two of the sinks that were made of these are the same."""
    names = [sink.name for sink in sinks]
    if len(set(names)) < len(names):
        message = f"two of the sinks {', '.join(target.asked for target in asked)} are the same; give it once"
        raise UsageError(message)


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


def _of_secrets(own: msgspec.Struct) -> list[Need]:
    told = (each.value_in(own) for each in declared(type(own)))
    return [need for secret in told if isinstance(secret, Secret) for need in secrets.needs(secret)]


def _homeless(key: str, asked: Asked, takers: Sequence[Origin | Target]) -> str:
    if not takers:
        of = "the run nor a source or sink of it" if asked.sinks else "the command nor a source it reads"
        return f"--set {key}: neither {of} has such a setting; see `tailrace settings`"
    names = " and ".join(each.asked for each in takers)
    ways = " or ".join(dict.fromkeys(f"{each.room}.NAME.{key}=…" for each in takers))
    return f"--set {key}: {names} take it; write --set {ways} with the name of one of them"
