"""What is found by name, and what is told of what is not."""

from __future__ import annotations

import pytest

from tailrace import registry
from tailrace.errors import UsageError
from tailrace.kernel.layout import Format


def test_formats_are_offered_a_line_in_the_agreed_order() -> None:
    names = list(registry.formats())
    assert set(names) >= {
        "alb",
        "alb_connection",
        "alb_health",
        "nlb",
        "clb",
        "haproxy_http",
        "haproxy_tcp",
        "haproxy_https",
    }
    assert names.index("haproxy_https") < names.index("haproxy_clf") < names.index("haproxy_error")


@pytest.mark.parametrize(
    ("word", "form"),
    [("s3://b/p", "s3://BUCKET/PREFIX"), ("-", "-"), ("a.log", "PATH"), ("./-", "PATH"), ("**/*.gz", "PATH")],
)
def test_a_source_is_known_by_how_it_is_written(word: str, form: str) -> None:
    assert registry.source_of(word).form == form


def test_a_name_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"no sink is called 'kafka'; there are: .*stdout, store"):
        registry.sink_named("kafka")
    with pytest.raises(UsageError, match="no format is called 'x'; there are: auto, alb"):
        registry.format_named("x")


def test_a_file_that_holds_no_format_is_a_mistake_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("tailrace.formats.nlb.FORMAT")
    registry.formats.cache_clear()
    with pytest.raises(TypeError, match="expected a Format, found None"):
        registry.formats()
    monkeypatch.undo()
    assert isinstance(registry.formats()["nlb"], Format)
