"""Lines that a real HAProxy wrote say what was sent through it, and lose nothing."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

import pytest

from parsing import SAMPLES, Kernel, read, sample, sample_lines, sample_objects
from tailrace.kernel.plan import Plan
from tailrace.registry import formats
from writing import line_of, without_plus

FRAMINGS = {
    "rfc3164": {"syslog_priority": 134, "syslog_host": "myhost", "syslog_program": "haproxy", "syslog_pid": "8482"},
    "rfc5424": {"syslog_priority": 142, "syslog_host": "myhost", "syslog_program": "haproxy", "syslog_pid": "8482"},
    "local": {"syslog_priority": 150, "syslog_program": "haproxy", "syslog_pid": "8482"},
}
ERRORS = ("tls plain http", "proxyproto bad")
FORMATS = {"f_tls": "haproxy_https", "f_clf": "haproxy_clf", "f_default_fmt": "haproxy_default"} | dict.fromkeys(
    ("l_tcp", "l_tcp_dead"), "haproxy_tcp"
)
HEADER = re.compile(r"<[0-9]+>(?:1 \S+ \S+ haproxy [0-9]+ - - |\w{3} [ 0-9]{2} [0-9:]{8} (?:\S+ )?haproxy\[[0-9]+\]: )")
RSYSLOG = re.compile(r"\S+ \S+ haproxy\[[0-9]+\](?:: )?")


class Case(NamedTuple):
    """A line, what it was caused by, and the record that came of it."""

    name: str
    line: str
    cause: dict[str, Any]
    record: dict[str, Any]


@pytest.fixture(params=FRAMINGS)
def framing(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cases(kernel: Kernel, framing: str) -> list[Case]:
    causes = [cause for cause in sample_objects("haproxy/truth.jsonl") if cause[framing] is not None]
    told = read(kernel, sample(f"haproxy/{framing}.log"))
    assert told.rejects == []
    lines = [line.decode("latin-1") for line in sample_lines(f"haproxy/{framing}.log")]
    assert lines == [cause[framing] for cause in causes]
    return [
        Case(cause["case"], cause[framing], cause, record) for cause, record in zip(causes, told.records(), strict=True)
    ]


def sent(cause: dict[str, Any]) -> tuple[str, dict[str, list[str]]]:
    """The request line and the headers by name that went over the wire, as bytes read as ISO 8859-1."""
    lines = [line for line in cause["sent"].split("\r\n") if not line.startswith("PROXY ")]
    headers: dict[str, list[str]] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.lower(), []).append(value.strip(" ").encode("latin-1").decode())
    return lines[0], headers


def test_each_line_is_read_in_the_format_of_its_frontend(cases: list[Case]) -> None:
    for case in cases:
        expected = "haproxy_error" if case.name in ERRORS else FORMATS.get(case.cause["frontend"], "haproxy_http")
        assert case.record["format"] == expected, case.name
        assert case.record["frontend"].removesuffix("~") == case.cause["frontend"]


def test_the_syslog_header_is_told(cases: list[Case], framing: str) -> None:
    for case in cases:
        told = {name: value for name, value in case.record.items() if name.startswith("syslog_")}
        assert told == FRAMINGS[framing], case.name


def cut(framing: str) -> list[str]:
    """Cases whose line is longer than `log … len` allows."""
    return [] if framing == "local" else ["long uri 900", "long uri 3000"]


def test_method_url_and_version_are_those_that_were_sent(cases: list[Case], framing: str) -> None:
    seen = Counter[str]()
    for case in cases:
        if case.record["format"] not in ("haproxy_http", "haproxy_https", "haproxy_clf"):
            continue
        record = case.record
        parts = [record.get(name) for name in ("request_method", "request_url", "request_protocol")]
        if record["request"] == "<BADREQ>":
            assert parts == [None, None, None], case.name
            assert record["status_code"] in (400, 408)
            seen["bad"] += 1
        elif case.name in cut(framing) or case.name == "long uri 3000":  # of which HAProxy itself keeps 1024 bytes
            method, url, _ = sent(case.cause)[0].split(" ")
            assert (parts[0], parts[2]) == (method, None)
            assert len(str(parts[1])) > 850
            assert url.startswith(str(parts[1]))
        else:
            request = case.cause.get("request")
            expected = (
                [request[name] for name in ("method", "url", "version")] if request else sent(case.cause)[0].split(" ")
            )
            assert parts == expected, case.name
            seen["good"] += 1
    assert seen == {"bad": 9, "good": 43 if framing == "local" else 42}


def test_a_line_cut_at_its_limit_is_a_truncated_record_and_no_other_is(cases: list[Case], framing: str) -> None:
    assert [case.name for case in cases if "truncated" in case.record] == cut(framing)


def test_captured_headers_are_those_that_were_sent(cases: list[Case]) -> None:
    captured = [case for case in cases if case.cause["frontend"] == "f_cap"]
    for case in captured:
        headers = sent(case.cause)[1]
        names = ("host", "user-agent", "x-nasty")
        assert case.record["captured_request_headers"] == [headers.get(name, [""])[0] for name in names], case.name
        answers = {
            "cap location": ["application/json", '/a|b{c}"d'],
            "cap ctype quoted": ['text/html; charset="utf-8"', ""],
        }
        assert case.record["captured_response_headers"] == answers.get(case.name, ["application/json", ""])
    assert len(captured) == 11


def test_cookies_come_out_although_haproxy_does_not_escape_them(cases: list[Case]) -> None:
    cookies = {
        "cap cookie quoted": ('SID="q v"', 'SID="quoted v"'),
        "cap cookie brace": ('SID={x}|"y"#z', None),
        "cap cookie utf8": ("SID=é", None),
    }
    for case in cases:
        found = (case.record.get("captured_request_cookie"), case.record.get("captured_response_cookie"))
        assert found == cookies.get(case.name, (None, None)), case.name


def test_the_status_is_that_of_the_answer(cases: list[Case]) -> None:
    compared = 0
    for case in cases:
        if case.cause["answer"] and "status_code" in case.record:
            assert case.record["status_code"] == int(case.cause["answer"].split(" ")[1]), case.name
            compared += 1
    assert compared == 50


def test_addresses_are_those_of_the_client(cases: list[Case]) -> None:
    addresses = {"ipv6": "::1", "unix": "unix", "proxyproto v4": "203.0.113.9", "proxyproto v6": "2001:db8::9"}
    for case in cases:
        assert case.record["client_ip"] == addresses.get(case.name, "127.0.0.1"), case.name
        if case.name.startswith("proxyproto v"):
            assert case.record["client_port"] == 4242


def test_the_line_can_be_written_again_from_its_record(cases: list[Case]) -> None:
    for case in cases:
        text = HEADER.sub("", case.line, count=1).encode("latin-1").decode()
        written = line_of(case.record)
        if "truncated" in case.record:
            written = written.removesuffix('"')
        elif case.name == "rescap only":  # one block of headers alone is taken for the request's
            assert case.record["captured_request_headers"] == ["application/json"]
        assert written == without_plus(text), case.name


@pytest.mark.parametrize("path", sorted((SAMPLES / "haproxy_traffic").glob("*.log")), ids=lambda path: path.stem)
def test_lines_of_traffic_can_be_written_again_from_their_records(kernel: Kernel, path: Any) -> None:
    told = read(kernel, path.read_bytes())
    lines = path.read_text("utf-8").splitlines()
    assert told.rejects == []
    for line, record in zip(lines, told.records(), strict=True):
        text = (RSYSLOG if path.stem == "rsyslog_text" else HEADER).sub("", line, count=1)
        assert line_of(record) == without_plus(text).rstrip(" ")
    assert told.counts.invalid == told.counts.unknown == told.counts.cut == 0


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("httplog", {"haproxy_http": 32}),
        ("custom_httplog_format", {"haproxy_eucalyptus_http": 33}),
        ("httplog_clf", {"haproxy_clf": 25}),
        ("tcplog", {"haproxy_tcp": 8}),
        ("tcplog_no_server", {"haproxy_tcp": 1}),
        ("custom_tcplog_format", {"haproxy_eucalyptus_tcp": 8}),
        ("httpslog_and_tls_errors", {"haproxy_https": 2, "haproxy_error": 2}),
        ("no_log_option", {"haproxy_default": 18}),
        ("server_state", {"haproxy_admin": 4}),
    ],
)
@pytest.mark.parametrize("socket", ["udp_rfc5424", "unixgram_rfc3164"])
def test_traffic_is_read_in_the_format_it_was_configured_with(
    kernel: Kernel, form: str, socket: str, expected: dict[str, int]
) -> None:
    told = read(kernel, sample(f"haproxy_traffic/{form}.{socket}.log"))
    assert Counter(record["format"] for record in told.records()) == expected


def test_the_same_traffic_says_the_same_in_both_framings(kernel: Kernel) -> None:
    """But for the header: RFC 3164 has no year and no fraction, and the line's own time wins where there is one."""

    def said(path: str) -> list[dict[str, Any]]:
        records = read(kernel, sample(path)).records()
        for record in records:
            if record.pop("time_source", None):
                record["time"] = record["time"][:19]
            record.pop("syslog_priority")
        return [record | {"time": record["time"].removesuffix("Z")} for record in records]

    for path in (SAMPLES / "haproxy_traffic").glob("*.udp_rfc5424.log"):
        form = path.name.partition(".")[0]
        both = [said(f"haproxy_traffic/{form}.{end}.log") for end in ("udp_rfc5424", "unixgram_rfc3164")]
        assert both[0] == both[1], form


@pytest.mark.parametrize(("captures", "request_", "response"), [((0, 1), None, ["application/json"]), ((1, 0), ["application/json"], None)])  # fmt: skip
def test_a_single_block_of_headers_belongs_where_the_captures_say(
    kernel: Kernel, captures: tuple[int, int], request_: list[str] | None, response: list[str] | None
) -> None:
    (line,) = (cause["local"] for cause in sample_objects("haproxy/truth.jsonl") if cause["case"] == "rescap only")
    record = read(kernel, line.encode(), plan=Plan(formats=tuple(formats().values()), captures=captures)).record
    assert record.get("captured_request_headers") == request_
    assert record.get("captured_response_headers") == response
