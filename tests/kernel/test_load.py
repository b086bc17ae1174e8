"""The native kernel where it is installed; else its twin, which is said."""

from __future__ import annotations

import sys

import pytest

from parsing import kernel_named
from tailrace import kernel as room
from tailrace.errors import UsageError
from tailrace.kernel import reference
from tailrace.kernel.load import MISSING, parser_class


@pytest.fixture
def without_native(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the native kernel were not installed."""
    monkeypatch.setitem(sys.modules, "tailrace_kernel", None)
    monkeypatch.delitem(sys.modules, "tailrace.kernel.native", raising=False)
    monkeypatch.delattr(room, "native", raising=False)


def test_the_native_kernel_reads_where_it_is_installed() -> None:
    native = kernel_named("native")
    told: list[str] = []
    assert parser_class("auto", told.append) is native.Parser
    assert parser_class("native", told.append) is native.Parser
    assert told == []


def test_the_twin_reads_where_it_is_asked_for() -> None:
    told: list[str] = []
    assert parser_class("reference", told.append) is reference.Parser
    assert told == []


@pytest.mark.usefixtures("without_native")
def test_the_twin_reads_instead_of_a_missing_kernel_and_that_is_said() -> None:
    told: list[str] = []
    assert parser_class("auto", told.append) is reference.Parser
    assert told == [MISSING]


@pytest.mark.usefixtures("without_native")
def test_a_kernel_that_is_asked_for_and_missing_is_an_error() -> None:
    with pytest.raises(UsageError, match="pip install"):
        parser_class("native", lambda _: None)


def test_an_import_that_fails_for_another_reason_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tailrace.kernel.spec", None)
    monkeypatch.delitem(sys.modules, "tailrace.kernel.native", raising=False)
    monkeypatch.delattr(room, "native", raising=False)
    monkeypatch.setitem(sys.modules, "tailrace_kernel", sys)
    with pytest.raises(ModuleNotFoundError, match="spec"):
        parser_class("auto", lambda _: None)
