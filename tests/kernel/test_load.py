"""The native kernel where it is installed; else its twin, which is said."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from parsing import kernel_named
from tailrace import kernel as room
from tailrace.errors import UsageError
from tailrace.kernel import reference
from tailrace.kernel.load import parser_class
from tailrace.kernel.plan import Plan
from tailrace.registry import formats


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
    assert len(told) == 1
    assert re.match(
        r"the native kernel is not installed, so its reference twin .*; pip install 'tailrace\[kernel\]'$", told[0]
    )


@pytest.mark.usefixtures("without_native")
def test_a_kernel_that_was_built_for_another_machine_is_a_missing_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tailrace_kernel.py").write_text("raise ImportError('version GLIBC_2.99 not found')")
    monkeypatch.delitem(sys.modules, "tailrace_kernel")
    monkeypatch.syspath_prepend(tmp_path)
    told: list[str] = []
    assert parser_class("auto", told.append) is reference.Parser
    assert told[0].startswith(
        "the native kernel cannot be loaded here (version GLIBC_2.99 not found), so its reference"
    )
    with pytest.raises(UsageError, match=r"cannot be loaded here \(version GLIBC_2.99 not found\): pip install"):
        parser_class("native", told.append)


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


def test_equal_plans_are_compiled_once() -> None:
    """Memory that was lent for one reader's tables is used again only under the same plan."""
    native = kernel_named("native")
    plans = [Plan(formats=tuple(formats().values()), captures=(1, number % 2)) for number in range(20)]
    compiled = [native._compiled(plan) for plan in plans]
    assert all(native._compiled(plan) is known for plan, known in zip(plans, compiled, strict=True))
    assert len({id(known) for known in compiled}) == 2
