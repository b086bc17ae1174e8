"""Lines: where they end, which of them count as what, and what happens to bytes that no text should hold."""

from __future__ import annotations

import hashlib

import pytest

from parsing import ITEM, Kernel, only, pieces, promised, read
from tailrace.kernel.plan import KEPT_OF_REJECT, MAX_LINE, ItemPlan
from tailrace.model import record_id
from tailrace.registry import formats

ALB = formats()["alb"].example.encode()
NLB = formats()["nlb"].example.encode()
ODD_BREAKS = (b"\x0b", b"\x0c", b"\x1c", b"\x1d", b"\x1e", "\x85".encode(), "\u2028".encode(), "\u2029".encode())


def with_agent(agent: bytes) -> bytes:
    """An ALB line with this user agent."""
    return ALB.replace(b"Dart/3.11 (dart:io)", agent)


def with_word(length: int) -> bytes:
    """An ALB line of so many bytes, by a word behind the known fields."""
    return ALB + b" " + b"x" * (length - len(ALB) - 1)


def test_no_bytes_are_no_lines(kernel: Kernel) -> None:
    told = read(kernel, [b"", b""])
    assert (told.records(), told.rejects, told.counts.lines, told.ends) == ([], [], 0, [0, 0, 0])


def test_a_last_line_without_a_newline_is_a_line(kernel: Kernel) -> None:
    told = read(kernel, NLB + b"\n" + ALB)
    assert [record["format"] for record in told.records()] == ["nlb", "alb"]
    assert [len(batch.records) for batch in told.batches] == [1, 1]
    assert told.counts.lines == 2
    assert told.ends == [len(NLB) + 1, len(NLB) + 1 + len(ALB)]


def test_empty_lines_are_blank_and_headers_and_test_files_are_control(kernel: Kernel) -> None:
    lines = [b"", b"\r", b"#Version: 1.0", b"#", b"Enable AccessLog for ELB: app/web/1 at 2020-11-20T09:55:52.806Z",
             b"Enable ConnectionLog for ELB: app/web/1 at 2020-11-20T09:55:52.806Z", ALB, b""]  # fmt: skip
    told = read(kernel, b"\n".join(lines) + b"\n")
    counts = told.counts
    assert (counts.lines, counts.blank, counts.control, counts.records, counts.rejects) == (8, 3, 4, 1, 0)
    assert counts.balanced


@pytest.mark.parametrize("line", [b" ", b"\t", b" #", b"Enable it", b"enable AccessLog for ELB: x", b"\r\r", b"\x00"])
def test_what_only_resembles_a_blank_or_control_line_is_a_reject(kernel: Kernel, line: bytes) -> None:
    reject = read(kernel, line + b"\n").reject
    assert (reject.reason, reject.payload, reject.lines) == ("unknown_format", line, 1)


def test_one_carriage_return_before_a_newline_is_no_part_of_the_line(kernel: Kernel) -> None:
    plain, dos = read(kernel, ALB + b"\n" + NLB + b"\n"), read(kernel, ALB + b"\r\n" + NLB + b"\r\n")
    assert dos.records() == plain.records()
    assert dos.lines == plain.lines
    ids = [record["_id"] for record in dos.records(ids=True)]
    assert ids == [record_id(b"item", 0), record_id(b"item", len(ALB) + 2)]


def test_only_one_carriage_return_is_dropped_and_one_at_the_end_of_the_item_as_well(kernel: Kernel) -> None:
    assert read(kernel, ALB + b"\r").record == read(kernel, ALB).record
    assert read(kernel, NLB + b"\r\r\n").record["invalid"] == {"tls_connection_creation_time": "2026-10-03T22:14:58\r"}


def test_a_reject_keeps_its_carriage_return(kernel: Kernel) -> None:
    reject = read(kernel, b"nothing known\r\n").reject
    assert (reject.payload, reject.length) == (b"nothing known\r", 14)


def test_a_lone_carriage_return_ends_no_line(kernel: Kernel) -> None:
    told = read(kernel, with_agent(b"a\rb") + b"\n")
    assert told.record["user_agent"] == "a\rb"
    assert told.counts.lines == 1


@pytest.mark.parametrize("between", ODD_BREAKS)
def test_other_line_breaks_of_unicode_end_no_line(kernel: Kernel, between: bytes) -> None:
    told = read(kernel, with_agent(b"a" + between + b"b") + b"\n")
    assert told.record["user_agent"] == "a" + between.decode() + "b"
    assert told.ndjson().count(b"\n") == told.counts.lines == 1


def test_every_byte_may_stand_in_a_quoted_field(kernel: Kernel) -> None:
    for byte in set(range(256)) - {*b'\n"\\'}:
        agent = bytes([b"a"[0], byte, b"b"[0]])
        told = read(kernel, with_agent(agent) + b"\n")
        assert told.record["user_agent"] == agent.decode("utf-8", "replace"), byte
        assert told.lines[0][0] == with_agent(agent)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"\xff", "\ufffd"),
        (b"\xc3\xa9", "é"),
        (b"\xc3", "\ufffd"),
        (b"\xe2\x82", "\ufffd"),
        (b"\xe2\x28", "\ufffd("),
        (b"\xf0\x9f\x92", "\ufffd"),
        (b"\xf0\x9f\x92\xa9", "💩"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"\xc0\x80", "\ufffd\ufffd"),
        (b"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"),
        (b"\xf8\x88", "\ufffd\ufffd"),
        (rb"\xC3\xA9", "é"),
        (rb"\xc3\xa9", "é"),
        (rb"\xE2\x82", "\ufffd"),
        (b"\xc3" + rb"\xA9", "é"),
    ],
)
def test_bytes_that_are_not_utf_8_read_as_one_replacement_for_each_maximal_part(
    kernel: Kernel, written: bytes, told: str
) -> None:
    """As Unicode advises (3.9, table 3-8), and as Python and Rust do."""
    line = with_agent(b"<" + written + b">")
    result = read(kernel, line)
    assert result.record["user_agent"] == f"<{told}>"
    assert result.lines == [(line, result.lines[0][1])]


def test_a_line_may_be_as_long_as_the_limit_and_no_longer(kernel: Kernel) -> None:
    fits, too_long = with_word(MAX_LINE), with_word(MAX_LINE + 1)
    told = read(kernel, b"\n".join([fits, too_long, NLB]))
    assert [len(batch.records) for batch in told.batches] == [1, 1]
    assert told.records()[0]["extra"] == ["-", "-", "x" * (MAX_LINE - len(ALB) - 1)]
    (reject,) = told.rejects
    assert (reject.reason, reject.offset, reject.lines) == ("line_too_long", MAX_LINE + 1, 1)
    assert (reject.payload, reject.length) == (too_long[:KEPT_OF_REJECT], MAX_LINE + 1)
    assert reject.sha256 == hashlib.sha256(too_long).hexdigest()
    assert told.counts.balanced
    assert read(kernel, fits).record == told.records()[0]


@pytest.mark.parametrize("step", [4_096, 65_536, 999_999, MAX_LINE, MAX_LINE + 1])
@pytest.mark.parametrize("end", [b"\n", b"\n" + NLB + b"\n", b""])
def test_a_line_that_is_too_long_is_one_reject_in_whatever_pieces_it_comes(
    kernel: Kernel, step: int, end: bytes
) -> None:
    line = b"<0>" + b"y" * (2 * MAX_LINE)
    data = NLB + b"\n" + line + end
    told = read(kernel, pieces(data, range(step, len(data), step)))
    (reject,) = told.rejects
    assert (reject.reason, reject.offset, reject.length) == ("line_too_long", len(NLB) + 1, len(line))
    assert (reject.payload, reject.sha256) == (line[:KEPT_OF_REJECT], hashlib.sha256(line).hexdigest())
    assert len(told.records()) == 1 + (NLB in end)
    assert told.counts.balanced
    assert told.ends[-1] == len(data)


def test_the_limit_of_a_line_can_be_set(kernel: Kernel) -> None:
    told = read(kernel, NLB + b"\n" + ALB, plan=only("nlb", max_line=len(NLB)))
    assert (len(told.records()), told.reasons) == (1, ["line_too_long"])
    told = read(kernel, NLB + b"\n", plan=only("nlb", max_line=len(NLB) - 1))
    assert (len(told.records()), told.reasons) == (0, ["line_too_long"])


def test_a_long_reject_keeps_its_beginning_its_length_and_its_digest(kernel: Kernel) -> None:
    line = b"?" * (KEPT_OF_REJECT + 1)
    reject = read(kernel, line + b"\n").reject
    assert (reject.reason, reject.payload, reject.length) == ("unknown_format", line[:-1], len(line))
    assert reject.sha256 == hashlib.sha256(line).hexdigest()


def test_data_that_break_off_are_one_reject_beside_the_lines(kernel: Kernel) -> None:
    told = read(kernel, NLB + b"\n" + ALB, truncated=True)
    (reject,) = told.rejects
    assert (reject.reason, reject.lines, reject.offset) == ("truncated", 0, len(NLB) + 1)
    assert (reject.payload, reject.length) == (ALB, len(ALB))
    assert reject.sha256 == hashlib.sha256(ALB).hexdigest()
    counts = told.counts
    assert (counts.lines, counts.records, counts.rejects) == (1, 1, 0)
    assert told.ends == [len(NLB) + 1, len(NLB) + 1 + len(ALB)]


def test_data_that_break_off_behind_a_whole_line_are_told_as_well(kernel: Kernel) -> None:
    reject = read(kernel, b"\n", truncated=True).reject
    assert (reject.reason, reject.offset, reject.payload, reject.length) == ("truncated", 1, b"", 0)


def test_data_that_break_off_in_too_long_a_line_keep_its_beginning(kernel: Kernel) -> None:
    line = b"z" * (MAX_LINE + 100)
    reject = read(kernel, [line[:50], line[50:]], truncated=True).reject
    assert (reject.reason, reject.payload, reject.length) == ("truncated", line[:KEPT_OF_REJECT], len(line))
    assert reject.sha256 == hashlib.sha256(line).hexdigest()


def test_ids_are_made_of_the_item_and_the_offset_of_the_first_byte(kernel: Kernel) -> None:
    item = ItemPlan(reference_us=ITEM.reference_us, identity=b"another", offset=1 << 40)
    told = read(kernel, b"junk\n\n" + ALB + b"\n" + NLB, item=item)
    places = [(1 << 40) + 6, (1 << 40) + 6 + len(ALB) + 1]
    for schema in ("aws", "ecs", "otel"):
        records = told.records(schema, ids=True)
        assert [record["_id"] for record in records] == [record_id(b"another", place) for place in places]
        assert all(next(iter(record)) == "_id" for record in records)
        assert "_id" not in told.records(schema)[0]
    assert told.rejects[0].offset == 1 << 40
    assert told.ends == [places[1], places[1] + len(NLB)]


def test_fields_may_be_separated_by_tabs(kernel: Kernel) -> None:
    line = b"\t".join(NLB.split(b" "))
    for item in (ITEM, promised("nlb"), promised("alb")):
        assert read(kernel, line, item=item).record == read(kernel, NLB).record


def test_a_tab_inside_a_field_separates_nothing_where_spaces_do(kernel: Kernel) -> None:
    assert read(kernel, with_agent(b"a\tb\tc")).record["user_agent"] == "a\tb\tc"
    line = NLB.replace(b" web.example.com ", b" web\texample.com ")
    assert read(kernel, line).record["domain_name"] == "web\texample.com"
