"""Every field of every sample of AWS's load balancers is what the truth says, neither more nor less."""

from __future__ import annotations

import pytest

from parsing import ALL, ITEM, SAMPLES, Kernel, only, promised, read, sample, truths, typed
from tailrace.kernel.plan import ItemPlan, Plan

KINDS = ("alb", "alb_connection", "alb_health", "nlb", "clb")
WAYS = {
    "by_key": lambda kind: (ALL, promised(kind)),
    "by_line": lambda _: (ALL, ITEM),
    "named": lambda kind: (only(kind), ITEM),
}
OBJECTS = sorted(str(path.relative_to(SAMPLES / "s3")) for path in (SAMPLES / "s3" / "AWSLogs").rglob("*.log*"))


def check(kernel: Kernel, log: bytes, truth_path: str, kind: str, how: tuple[Plan, ItemPlan]) -> None:
    told = read(kernel, log, plan=how[0], item=how[1])
    records, expected = told.records(), truths(truth_path)
    assert told.rejects == []
    for record, truth in zip(records, expected, strict=True):
        assert record.pop("format") == kind
        assert typed(record) == typed(truth.record), truth.shapes
    counts = told.counts
    assert counts.balanced
    assert counts.records == len(expected)
    assert counts.lines == counts.record_lines == sum(truth.lines for truth in expected)
    assert counts.invalid == counts.mismatched == counts.cut == 0
    assert counts.unknown == sum("extra" in truth.record for truth in expected)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_the_corpus_is_true(kernel: Kernel, kind: str, way: str) -> None:
    check(kernel, sample(f"aws/{kind}.log"), f"aws/{kind}.truth.jsonl.gz", kind, WAYS[way](kind))


@pytest.mark.parametrize("key", OBJECTS)
def test_every_field_of_the_objects_in_a_bucket_is_true(kernel: Kernel, key: str) -> None:
    name = key.rpartition("/")[2]
    kinds = {"conn_log_": "alb_connection", "health_check_log_": "alb_health", "_app.": "alb", "_net.": "nlb"}
    kind = next((kind for mark, kind in kinds.items() if mark in name), "clb")
    check(kernel, sample(f"s3/{key}"), f"s3/truth/{key}.truth.jsonl", kind, (ALL, promised(kind)))


def test_there_is_an_object_of_every_kind() -> None:
    assert len(OBJECTS) == len(KINDS)


def test_the_test_file_of_a_bucket_is_a_control_line_and_no_record(kernel: Kernel) -> None:
    told = read(kernel, sample("s3/AWSLogs/123456789012/ELBAccessLogTestFile"))
    assert (told.records(), told.rejects) == ([], [])
    assert (told.counts.lines, told.counts.control) == (1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_corpus_in_three_files_at_once_is_told_apart_line_by_line(kernel: Kernel, kind: str) -> None:
    """Every other line is of another kind; each comes out as its own and none is lost."""
    other = {"alb": "nlb", "nlb": "clb", "clb": "alb_health", "alb_health": "alb_connection", "alb_connection": "alb"}[
        kind
    ]
    logs = [sample(f"s3/{key}") for key in OBJECTS]
    told = read(kernel, b"".join(logs), item=promised(other))
    counts = told.counts
    assert counts.records == 50
    assert counts.mismatched == 40
    assert sorted({record["format"] for record in told.records()}) == sorted(KINDS)
