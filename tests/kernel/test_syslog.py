"""Syslog headers of every framing, and lines without one."""

from __future__ import annotations

from typing import Any

import pytest

from parsing import Kernel, only, read

TCP = "192.0.2.7:44464 [20/Nov/2026:19:54:44.064] db pg/s1 1/0/9 91 -- 1/1/0/0/0 0/0"
OWN = "2026-11-20T19:54:44.064Z"
DEFAULT = "Connect from 192.0.2.7:34534 to 198.51.100.4:80 (web/HTTP)"


def said(record: dict[str, Any]) -> dict[str, Any]:
    """What the record says of its header, by short names."""
    return {name.removeprefix("syslog_"): value for name, value in record.items() if name.startswith("syslog_")}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", {}),
        ("<134>Nov 20 19:54:26 lb1 haproxy[8482]: ", {"priority": 134, "host": "lb1", "program": "haproxy", "pid": "8482"}),
        ("<134>Nov  2 19:54:26 lb1 haproxy[8482]: ", {"priority": 134, "host": "lb1", "program": "haproxy", "pid": "8482"}),
        ("<134>Nov 20 19:54:26 lb1 haproxy: ", {"priority": 134, "host": "lb1", "program": "haproxy"}),
        ("<150>Nov 20 19:54:26 haproxy[8482]: ", {"priority": 150, "program": "haproxy", "pid": "8482"}),
        ("Dec 11 04:32:11 localhost haproxy[1070]: ", {"host": "localhost", "program": "haproxy", "pid": "1070"}),
        ("Dec 11 04:32:11 localhost haproxy[1070]", {"host": "localhost", "program": "haproxy", "pid": "1070"}),
        ("2026-11-20T20:31:50.242247+00:00 lb1 haproxy[10337]: ", {"host": "lb1", "program": "haproxy", "pid": "10337"}),
        ("2026-11-20T20:31:50+00:00 lb1 haproxy[10337]", {"host": "lb1", "program": "haproxy", "pid": "10337"}),
        ("<63>", {"priority": 63}),
        ("<0>", {"priority": 0}),
        ("<3>2026-11-20T19:54:26+00:00 ", {"priority": 3}),
        ("<142>1 2026-11-20T19:54:26.481597+00:00 lb1 haproxy 8482 - - ",
         {"priority": 142, "host": "lb1", "program": "haproxy", "pid": "8482"}),
        ("<142>1 2026-11-20T19:54:26Z - haproxy - - - ", {"priority": 142, "program": "haproxy"}),
        ("<142>1 - - - - - - ", {"priority": 142}),
        ('<142>1 2026-11-20T19:54:26Z lb1 haproxy 8482 id [a b="c"] ',
         {"priority": 142, "host": "lb1", "program": "haproxy", "pid": "8482"}),
        (r'<142>1 2026-11-20T19:54:26Z lb1 haproxy 8482 - [a b="\"] \\" c="]"][d@1] ',
         {"priority": 142, "host": "lb1", "program": "haproxy", "pid": "8482"}),
        ("<142>1 2026-11-20T19:54:26Z lb1 haproxy 8482 - - \ufeff",
         {"priority": 142, "host": "lb1", "program": "haproxy", "pid": "8482"}),
    ],
)  # fmt: skip
def test_a_header_is_told_and_the_line_behind_it_read(kernel: Kernel, header: str, expected: dict[str, Any]) -> None:
    for line in (header + TCP, header + DEFAULT):
        for how in ({}, {"plan": only("haproxy_tcp" if line.endswith(TCP) else "haproxy_default")}):
            record = read(kernel, line.encode(), **how).record
            assert said(record) == expected
            assert record["client_ip"] == "192.0.2.7"
            assert read(kernel, line.encode(), **how).lines[0][0] == line.encode()


@pytest.mark.parametrize(
    "line",
    ["< 13>" + TCP, "<142>1 yesterday lb1 haproxy 8482 - - " + TCP,
     '<142>1 2026-11-20T19:54:26Z lb1 haproxy 8482 - [a b="c] ' + TCP, "<142>2 2026-11-20T19:54:26Z lb1 haproxy 8482 - - " + TCP,
     "Nov 20 19:54:26 lb1 haproxy[8482: " + TCP, "Nov 32 19:54:26 lb1 haproxy[8482]: " + TCP, "nov 20 19:54:26 haproxy[1]: " + TCP],
)  # fmt: skip
def test_what_is_no_header_is_not_guessed(kernel: Kernel, line: str) -> None:
    assert read(kernel, line.encode(), plan=only("haproxy_tcp")).reject.reason == "no_match"


@pytest.mark.parametrize("start", ["<1345>", "<>", "<x>", "<13"])
def test_what_is_no_priority_is_part_of_the_first_field(kernel: Kernel, start: str) -> None:
    record = read(kernel, (start + TCP).encode(), plan=only("haproxy_tcp")).record
    assert record["invalid"] == {"client_ip": f"{start}192.0.2.7"}
    assert said(record) == {}


def test_the_own_time_of_a_line_wins_and_that_of_the_header_is_named(kernel: Kernel) -> None:
    header = "<134>Nov 20 19:54:26 lb1 haproxy[8482]: "
    own, borrowed = (read(kernel, (header + line).encode()).record for line in (TCP, DEFAULT))
    assert (own["time"], "time_source" in own) == (OWN, False)
    assert (borrowed["time"], borrowed["time_source"]) == ("2026-11-20T19:54:26Z", "syslog")
    modern = read(kernel, f"<134>1 2026-11-20T19:54:26.481597+01:00 - - - - - {DEFAULT}".encode()).record
    assert modern["time"] == "2026-11-20T18:54:26.481597Z"


def test_a_line_without_any_time_is_a_record_all_the_same(kernel: Kernel) -> None:
    for header in ("", "<63>", "<142>1 - - - - - - "):
        told = read(kernel, (header + DEFAULT).encode())
        assert told.record["time_source"] == "none"
        assert "time" not in told.record
        (batch,) = (batch for batch in told.batches if len(batch.records))
        assert batch.records.partitions() == [("haproxy_default", None, 1)]
        assert told.lines[0][1] == -(1 << 63)


def test_the_host_may_be_an_address_or_look_like_a_tag(kernel: Kernel) -> None:
    for host in ("192.0.2.1", "2001:db8::1", "lb-1.example.com", "lb_1"):
        record = read(kernel, f"<134>Nov 20 19:54:26 {host} haproxy[1]: {TCP}".encode()).record
        assert said(record) == {"priority": 134, "host": host, "program": "haproxy", "pid": "1"}


def test_aws_lines_behind_a_header_are_no_records(kernel: Kernel) -> None:
    """They come in files; a header before them is not AWS's."""
    told = read(kernel, b"<134>Nov 20 19:54:26 lb1 x[1]: tls 2.0 2026-10-03T22:15:00 net/web/1 g3 - - 5 2 98 246 -")
    assert told.reject.reason == "unknown_format"
