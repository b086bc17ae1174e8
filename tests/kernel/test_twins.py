"""The native kernel and its reference twin tell the same of the same bytes: every word of it."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from generating import Case, cases, log_format_cases
from parsing import Told, kernel_named, objects, read
from tailrace.kernel import reference
from tailrace.kernel.names import SCHEMAS
from tailrace.model import Batch

SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck)}
quick = settings(max_examples=150, **SETTINGS)
campaign = settings(max_examples=25_000, **SETTINGS)


def both(case: Case) -> tuple[Told, Told]:
    plan, item = case.way
    kernels = kernel_named("native"), reference
    native, twin = (read(kernel, case.pieces, plan=plan, item=item, truncated=case.truncated) for kernel in kernels)
    return native, twin


def check_told(case: Case) -> None:
    native, twin = both(case)
    for ours, theirs in zip(native.batches, twin.batches, strict=True):
        assert (ours.counts, ours.end) == (theirs.counts, theirs.end)
        assert list(ours.rejects) == list(theirs.rejects)
        assert len(ours.records) == len(theirs.records) == ours.counts.records
        assert ours.records.partitions() == theirs.records.partitions()
    assert native.lines == twin.lines
    for schema in SCHEMAS:
        for ids in (True, False):
            assert native.ndjson(schema, ids=ids) == twin.ndjson(schema, ids=ids)


def check_account(case: Case) -> None:
    """What is true whatever the bytes: of each kernel, and whatever the other says."""
    for told in both(case):
        counts, newlines = told.counts, case.data.count(b"\n")
        assert counts.balanced
        rest = not case.data.endswith(b"\n") and bool(case.data) and not case.truncated
        assert counts.lines == newlines + rest
        assert counts.rejects + case.truncated == len(told.rejects)
        assert counts.reject_lines == sum(reject.lines for reject in told.rejects)
        assert told.ends == sorted(told.ends)
        assert told.ends[-1] == case.way[1].offset + len(case.data)
        for schema in SCHEMAS:
            assert len(objects(told.ndjson(schema, ids=True))) == counts.records
        for reject in told.rejects:
            assert case.data[reject.offset - case.way[1].offset :].startswith(reject.payload.split(b"\n")[0])


def check_columns(case: Case) -> None:
    native, twin = both(case)
    for ours, theirs in zip(native.batches, twin.batches, strict=True):
        assert [table.type for table in tables(ours)] == [table.type for table in tables(theirs)]
        for our, their in zip(tables(ours), tables(theirs), strict=True):
            our.validate(full=True)
            assert our.to_pylist() == their.to_pylist()


def tables(batch: Batch) -> list[pa.StructArray]:
    """The records of every format and day as columns, through the PyCapsule interface."""
    parts = batch.records.partitions()
    found = [pa.array(batch.records.columns(name, day)) for name, day, _ in parts]
    assert [len(table) for table in found] == [count for _, _, count in parts]
    return found


CHECKS = [check_told, check_account, check_columns]


@pytest.mark.parametrize("check", CHECKS)
@quick
@given(case=cases())
def test_twins_agree_on_lines_of_every_kind(check: Callable[[Case], None], case: Case) -> None:
    check(case)


@pytest.mark.parametrize("check", CHECKS)
@quick
@given(case=log_format_cases())
def test_twins_agree_on_any_log_format(check: Callable[[Case], None], case: Case) -> None:
    check(case)


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("check", CHECKS)
@campaign
@given(case=cases())
def test_twins_agree_on_lines_of_every_kind_at_length(check: Callable[[Case], None], case: Case) -> None:
    check(case)


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("check", CHECKS)
@campaign
@given(case=log_format_cases())
def test_twins_agree_on_any_log_format_at_length(check: Callable[[Case], None], case: Case) -> None:
    check(case)
