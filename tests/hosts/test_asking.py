"""Which sources and sinks words mean, and whose settings are whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from tailrace import registry
from tailrace.errors import UsageError
from tailrace.hosts.asking import Asked, asked_for, asked_sources
from tailrace.kinds import SourceKind
from tailrace.quantities import Duration
from tailrace.settings import Resolved, Settings


class Own(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pace: Duration = Duration(1)
    only: tuple[str, ...] = ()


class Other(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pace: Duration = Duration(2)


def kind(name: str, settings: type[msgspec.Struct]) -> SourceKind:
    """A kind whose source is what it was made of."""
    opened: Any = lambda words, own, _given: (tuple(words), own)  # noqa: E731
    return SourceKind(form=name, about="", claims=lambda word: word.startswith(name), settings=settings, open=opened)


@pytest.fixture(autouse=True)
def _kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    files: Any = lambda words, own, _given: (tuple(words), own)  # noqa: E731
    fallback = SourceKind(form="PATH", about="", claims=lambda _: True, open=files, fallback=True)
    found = {"one": kind("one:", Own), "two": kind("two:", Other), "files": fallback}
    monkeypatch.setattr(registry, "sources", lambda: found)


def opened(asked: Asked) -> Sequence[Any]:
    return asked.opened(None)  # type: ignore[arg-type]


def asked(words: Sequence[str], *, loose: Mapping[str, str] = {}, **settings: Any) -> Asked:
    return asked_for(Resolved(settings=Settings(**settings), origins={}, loose=loose), words)


def test_words_mean_sources_in_their_order() -> None:
    found = opened(asked(["a", "b", "one:x", "a", "two:y", "c", "one:x"]))
    assert [words for words, _own in found] == [("a", "b"), ("one:x",), ("two:y",), ("c",)]
    assert found[1][1] == Own()


def test_a_name_means_the_table_of_that_name() -> None:
    tables = {"queue": {"url": "one:x", "pace": "5s"}, "logs": {"url": "logs/*.gz"}, "two:y": {"pace": 3}}
    found = opened(asked(["queue", "logs", "z", "two:y"], sources=tables))
    assert [words for words, _own in found] == [("one:x",), ("logs/*.gz", "z"), ("two:y",)]
    assert found[0][1] == Own(pace=Duration(5))
    assert found[2][1] == Other(pace=Duration(3))


def test_a_bare_key_goes_to_the_only_one_that_takes_it() -> None:
    assert opened(asked(["one:x", "a"], loose={"pace": "5s"}))[0][1] == Own(pace=Duration(5))
    assert asked(["one:x", "a"], loose={"pace": "5s"}).sinks[0].options == {}
    with pytest.raises(UsageError) as caught:
        asked(["one:x", "two:y"], loose={"pace": "5s"})
    assert str(caught.value) == (
        "--set pace: one:x and two:y take it; write --set sources.NAME.pace=… with the name of one of them"
    )
    with pytest.raises(
        UsageError, match=r"^--set colour: neither the run nor a source or sink of it has such a setting"
    ):
        asked(["one:x"], loose={"colour": "red"})


def test_where_no_sink_is_asked_for_the_sources_are() -> None:
    resolved = Resolved(settings=Settings(), origins={}, loose={"only": "a b"})
    found = asked_sources(resolved, ["one:x"])
    assert (opened(found)[0][1], list(found.sinks)) == (Own(only=("a", "b")), [])
    with pytest.raises(UsageError, match=r"^--set only: neither the command nor a source it reads has such a setting"):
        asked_sources(resolved, ["two:x"])


def test_a_flag_is_for_every_source_that_takes_it() -> None:
    resolved = Resolved(settings=Settings(sources={"one:x": {"pace": 9}}), origins={})
    found = opened(asked_for(resolved, ["one:x", "two:y", "a"], pace="5s"))
    assert [getattr(own, "pace", None) for _words, own in found] == [5, 5, None]
    with pytest.raises(UsageError, match=r"^--start-after: none of the sources has such a setting"):
        asked_for(resolved, ["two:y"], start_after="x")


def test_what_a_source_does_not_know_is_told_with_its_name() -> None:
    with pytest.raises(UsageError, match=r"^source queue: there is no setting pase; did you mean pace"):
        opened(asked(["queue"], sources={"queue": {"url": "one:x", "pase": 1}}))
