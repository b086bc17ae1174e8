"""What generated and fuzzed input has found, each in its smallest form."""

from __future__ import annotations

import pyarrow as pa

from fuzzing.plans import log_format
from parsing import Kernel, only, promised, read
from tailrace.registry import formats

NLB = formats()["nlb"].example.encode()


def test_a_dash_in_quotes_is_no_list_of_offers(kernel: Kernel) -> None:
    """In plain lines and in those that need a closer look."""
    line = NLB.replace(b'"h2","http/1.1"', b'"-"')
    for text in (line, line.replace(b" web.example.com ", b' we"b '), line.replace(b" ", b"\t")):
        record = read(kernel, text, plan=only("nlb")).record
        assert "alpn_client_preference_list" not in record
        assert record["tls_connection_creation_time"] == "2026-10-03T22:14:58Z"


def test_a_number_at_the_end_of_a_cut_line_has_no_value_although_no_headers_follow(kernel: Kernel) -> None:
    known = log_format("%ci %{+Q}CC %B%hr/%ST")
    record = read(kernel, b'192.0.2.7 "a" 12', plan=only(known)).record
    assert record["truncated"] is True
    assert "bytes_read" not in record


def test_a_decimal_number_without_a_fraction_may_be_larger_than_an_integer(kernel: Kernel) -> None:
    line = formats()["alb"].example.replace(" 0.001 ", " 99999999999999999999 ")
    told = read(kernel, line.encode(), plan=only("alb"))
    (batch,) = (batch for batch in told.batches if len(batch.records))
    (row,) = pa.array(batch.records.columns("alb", "2026-09-23")).to_pylist()
    assert told.record["request_processing_time"] == 99999999999999999999
    assert row["request_processing_time"] == 1e20


def test_a_line_separated_by_tabs_is_of_the_keys_format_only_if_it_begins_so(kernel: Kernel) -> None:
    line = formats()["alb_health"].example.replace(" ", "\t") + "\tx\ty\tz"
    told = read(kernel, line.encode(), item=promised("alb"))
    assert told.record["format"] == "alb_health"
    assert told.counts.mismatched == 1
