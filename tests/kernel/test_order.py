"""Whose a line is does not depend on the lines before it."""

from __future__ import annotations

from typing import Any

import pytest

from parsing import Kernel, read
from tailrace.registry import formats

EXAMPLES = {name: known.example.encode() for name, known in formats().items()}
NLB = EXAMPLES["nlb"]


def records(kernel: Kernel, *lines: bytes) -> list[dict[str, Any]]:
    return read(kernel, b"\n".join(lines)).records()


@pytest.mark.parametrize("before", EXAMPLES)
def test_lines_of_another_format_before_change_nothing(kernel: Kernel, before: str) -> None:
    for name, line in EXAMPLES.items():
        (expected,) = records(kernel, line)
        *_, record = records(kernel, EXAMPLES[before], EXAMPLES[before], line)
        assert record == expected, name


def test_a_line_that_begins_with_a_space_has_no_name_there(kernel: Kernel) -> None:
    told = read(kernel, NLB + b"\n" + NLB + b"\n " + NLB.partition(b" ")[2])
    assert told.reasons == ["unknown_format"]
    assert told.counts.records == 2


def test_a_line_that_two_templates_match_is_of_the_first(kernel: Kernel) -> None:
    """Although the one that read the lines before matches it too."""
    either = b"Server app/s1 is DOWN, reason: Layer4 timeout"
    *_, record = records(kernel, *[b"Server app/s1 is going DOWN for maintenance"] * 2, either)
    assert (record["state"], record["detail"]) == ("DOWN", "reason: Layer4 timeout")


def test_the_day_may_change_from_line_to_line(kernel: Kernel) -> None:
    days = (b"20/Nov/2026", b"21/Nov/2026", b"29/Feb/2024", b"20/Nov/2026", b"30/Feb/2024")
    lines = [EXAMPLES["haproxy_tcp"].replace(days[0], day) for day in days]
    times = [record["time"][:10] for record in records(kernel, *lines[:4])]
    assert times == ["2026-11-20", "2026-11-21", "2024-02-29", "2026-11-20"]
    assert len(read(kernel, b"\n".join(lines)).rejects) == 1
