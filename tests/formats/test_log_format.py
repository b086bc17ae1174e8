"""Any `log-format` string of HAProxy, compiled; among them those of Eucalyptus' load balancer."""

from __future__ import annotations

from typing import Any

import pytest

from fuzzing.plans import log_format
from parsing import Kernel, Told, only, read, sample_lines
from tailrace.errors import UsageError
from tailrace.formats import haproxy_clf, haproxy_default, haproxy_http, haproxy_https, haproxy_tcp
from tailrace.formats._haproxy import compile_log_format
from tailrace.formats._haproxy_names import ALIASES
from tailrace.kernel.layout import Objects, Template
from tailrace.registry import formats

EUCALYPTUS_HTTP = r"httplog\ %f\ %b\ %s\ %ST\ %ts\ %Tq\ %Tw\ %Tc\ %Tr\ %Tt\ %{+Q}r\ %ci:%cp\ %fi:%fp\ %si:%sp\ req_size=%U\ resp_size=%B"
EUCALYPTUS_TCP = r"tcplog\ %f\ %b\ %s\ %ts\ %Tw\ %Tc\ %Tt\ %{+Q}r\ %ci:%cp\ %fi:%fp\ %si:%sp\ req_size=%U\ resp_size=%B"
HEADER = "Dec 11 04:32:11 localhost haproxy[1070]: "


def told(kernel: Kernel, text: str, line: str | bytes, **how: Any) -> Told:
    return read(kernel, line.encode() if isinstance(line, str) else line, plan=only(log_format(text), **how))


def record(kernel: Kernel, text: str, line: str | bytes, **how: Any) -> dict[str, Any]:
    """What the line says, without what every record of this kind says."""
    found = told(kernel, text, line, **how).record
    return {name: value for name, value in found.items() if name not in ("format", "time_source")}


HTTP_TOLD = {
    "syslog_host": "localhost", "syslog_program": "haproxy", "syslog_pid": "1070", "time": "2025-12-11T04:32:11Z",
    "frontend": "f_web", "backend": "b_web", "server": "i-1a2b3c4d", "status_code": 200, "termination_state": "--",
    "time_request_ms": 0, "time_queue_ms": 0, "time_connect_ms": 0, "time_response_ms": 1, "time_total_ms": 1,
    "request": "GET /ok?q=#22a#22 HTTP/1.1", "request_method": "GET", "request_url": '/ok?q="a"', "request_protocol": "HTTP/1.1",
    "client_ip": "192.0.2.7", "client_port": 53952, "frontend_ip": "10.0.0.4", "frontend_port": 80,
    "server_ip": "10.0.0.9", "server_port": 8080, "bytes_uploaded": 86, "bytes_read": 160,
}  # fmt: skip
HTTP_LINE = (
    'httplog f_web b_web i-1a2b3c4d 200 -- 0 0 0 1 1 "GET /ok?q=#22a#22 HTTP/1.1" 192.0.2.7:53952 10.0.0.4:80 10.0.0.9:8080 '
    "req_size=86 resp_size=160"
)
TCP_LINE = (
    "tcplog f_db b_db i-1a2b3c4d -- 1 0 9 %s 192.0.2.7:39914 10.0.0.4:5432 10.0.0.9:5432 req_size=87 resp_size=165"
)


def test_the_http_format_of_eucalyptus_is_read_field_by_field(kernel: Kernel) -> None:
    assert record(kernel, EUCALYPTUS_HTTP, HEADER + HTTP_LINE) == HTTP_TOLD
    found = read(kernel, (HEADER + HTTP_LINE).encode()).record
    assert (found.pop("format"), found.pop("time_source")) == ("haproxy_eucalyptus_http", "syslog")
    assert found == HTTP_TOLD


def test_requests_that_the_http_format_of_eucalyptus_could_not_read_are_records(kernel: Kernel) -> None:
    line = HTTP_LINE.replace("i-1a2b3c4d 200 -- 0 0 0 1 1", "<NOSRV> 400 PR -1 -1 -1 -1 3")
    line = line.replace("GET /ok?q=#22a#22 HTTP/1.1", "<BADREQ>").replace("10.0.0.9:8080", "-:0")
    found = record(kernel, EUCALYPTUS_HTTP, line)
    assert (found["server"], found["status_code"], found["time_total_ms"]) == ("<NOSRV>", 400, 3)
    assert found["request"] == "<BADREQ>"
    assert not {"request_method", "request_url", "time_request_ms", "time_response_ms", "server_ip"} & set(found)


@pytest.mark.parametrize("request_", ['""', '"-"', '"<BADREQ>"', "-"])
@pytest.mark.parametrize("way", ["named", "auto"])
def test_the_tcp_format_of_eucalyptus_has_nothing_in_the_requests_place(
    kernel: Kernel, request_: str, way: str
) -> None:
    """HAProxy refuses `%{+Q}r` in TCP mode; what stands there instead differs."""
    line = HEADER + TCP_LINE % request_
    found = record(kernel, EUCALYPTUS_TCP, line) if way == "named" else read(kernel, line.encode()).record
    expected = HTTP_TOLD | {
        "frontend": "f_db", "backend": "b_db", "time_queue_ms": 1, "time_connect_ms": 0, "time_total_ms": 9,
        "client_port": 39914, "frontend_port": 5432, "server_port": 5432, "bytes_uploaded": 87, "bytes_read": 165,
    }  # fmt: skip
    for name in (
        "status_code",
        "time_request_ms",
        "time_response_ms",
        "request",
        "request_method",
        "request_url",
        "request_protocol",
    ):
        del expected[name]
    if request_ == '"<BADREQ>"':
        assert found.pop("request") == "<BADREQ>"
    if way == "auto":
        assert (found.pop("format"), found.pop("time_source")) == ("haproxy_eucalyptus_tcp", "syslog")
    assert found == expected


def test_auto_reads_the_tcp_format_of_eucalyptus_without_the_request_as_well(kernel: Kernel) -> None:
    line = (TCP_LINE % "@").replace("@ ", "")
    assert read(kernel, line.encode()).record["client_port"] == 39914


@pytest.mark.parametrize(
    ("text", "known"),
    [(haproxy_http.LOG_FORMAT, "haproxy_http"), (haproxy_https.LOG_FORMAT, "haproxy_https"), (haproxy_tcp.LOG_FORMAT, "haproxy_tcp"),
     (haproxy_clf.HTTP, "haproxy_clf")],
)  # fmt: skip
def test_a_format_of_haproxys_own_given_as_a_string_reads_the_same(kernel: Kernel, text: str, known: str) -> None:
    example = formats()[known].example
    assert told(kernel, text, example).record | {"format": known} == read(kernel, example.encode()).record


def test_the_default_format_can_be_given_as_well(kernel: Kernel) -> None:
    found = record(kernel, haproxy_default.LOG_FORMAT, "Connect from 192.0.2.7:1 to 198.51.100.4:80 (web/HTTP)")
    assert found == {"client_ip": "192.0.2.7", "client_port": 1, "frontend_ip": "198.51.100.4", "frontend_port": 80,
                     "frontend": "web", "mode": "HTTP"}  # fmt: skip


@pytest.mark.parametrize(
    "text", [r"%ci\ %ST", '"%ci %ST"', "'%ci %ST'", r'"%ci\ %ST"', "%ci  %ST", " %ci  %ST ", "%{+Q}o %{-Q}ci %ST",
     "%{Q}ci %ST"],
)  # fmt: skip
def test_quotes_and_escapes_of_the_configuration_are_no_part_of_the_format(kernel: Kernel, text: str) -> None:
    assert record(kernel, text, "192.0.2.7 200") == {"client_ip": "192.0.2.7", "status_code": 200}


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("%%%ST%%", "%200%", {"status_code": 200}),
        ("{%ST|%B}", "{200|79}", {"status_code": 200, "bytes_read": 79}),
        ("é=%ST", "é=200", {"status_code": 200}),
        ("%{+Q}f %{+Q}ST", '"a b" 200', {"frontend": "a b", "status_code": 200}),
        ("%{+Q}o %f %b", '"a" "b c"', {"frontend": "a", "backend": "b c"}),
        ("%{+Q}o %f %{-Q}b", '"a" b', {"frontend": "a", "backend": "b"}),
        ("%{+E}[capture.req.hdr(0)] %ST", r"a\"b\\c\]d 200", {"capture.req.hdr(0)": r'a"b\c]d', "status_code": 200}),
        ("%{+Q,+E}[var(txn.a)] %ST", r'"a\"b" 200', {"var(txn.a)": 'a"b', "status_code": 200}),
        ("%[var(txn.a)] %ST", "any thing 200", {"var(txn.a)": "any thing", "status_code": 200}),
        ("%(who)[src] %(code)ST", "192.0.2.7 200", {"who": "192.0.2.7", "code": 200}),
        ("%(code:int)ST", "200", {"code": 200}),
        ("%[ssl_fc_sni]/%sslv/%sslc", "a b/TLSv1.3/X", {"ssl_sni": "a b", "ssl_version": "TLSv1.3", "ssl_cipher": "X"}),
        ("%ci", "2001:db8::1", {"client_ip": "2001:db8::1"}),
        ("%ci:%cp", "2001:db8::1:80", {"client_ip": "2001:db8::1", "client_port": 80}),
        ("%ci:%cp", "unix:3", {"client_ip": "unix", "client_port": 3}),
        ("%si:%sp|", "-:0|", {"server_port": 0}),
        ("[%tr] %ST", "[20/Nov/2026:19:54:26.480] 200", {"time": "2026-11-20T19:54:26.480Z", "status_code": 200}),
        ("%Ts.%ms %ST", "1795204466.480 200", {"time": "2026-11-20T19:54:26Z", "ms": 480, "status_code": 200}),
        ("%trg %ST", "20/Nov/2026:19:54:26 +0000 200", {"time": "2026-11-20T19:54:26Z", "status_code": 200}),
        ("%(when)trl %ST", "20/Nov/2026:19:54:26 +0100 200", {"time": "2026-11-20T18:54:26Z", "status_code": 200}),
        ("%HM %HP %HQ %HV", "GET /a ?b HTTP/2.0", {"request_method": "GET", "HP": "/a", "HQ": "?b", "request_protocol": "HTTP/2.0"}),
        ("%HU", "/a#22b", {"request_url": '/a"b'}),
        ("%ci\t%HM\t%ST", "192.0.2.7\tGET\t200", {"client_ip": "192.0.2.7", "request_method": "GET", "status_code": 200}),
        ("%HM %HP %HQ %HV", "GET /a  HTTP/1.1", {"request_method": "GET", "HP": "/a", "request_protocol": "HTTP/1.1"}),
        ("%HP%HQ %ST", "/a?b=#22 200", {"HP": "/a", "HQ": '?b="', "status_code": 200}),
        ("%{+X}o %ci:%cp_%fi:%fp_%Ts_%rt:%pid %{-X}cp %ST", "7F000001:BB2E_7F000001:5210_6B01DC52_0070:3988 47918 200",
         {"ci": "7F000001", "cp": "BB2E", "fi": "7F000001", "fp": "5210", "Ts": "6B01DC52", "rt": "0070", "pid": "3988",
          "client_port": 47918, "status_code": 200}),
        ("%HP%HQ %ST", "/a 200", {"HP": "/a", "status_code": 200}),
        ("p=%HP q=%HQ s=%ST", "p=/a q= s=200", {"HP": "/a", "status_code": 200}),
        ("p=%HP q=%HQ s=%ST", "p=<BADREQ> q=<BADREQ> s=400", {"HP": "<BADREQ>", "HQ": "<BADREQ>", "status_code": 400}),
        ("%{+Q}HQ %ST", '"" 200', {"status_code": 200}),
        ("%{+Q}hr %{+Q}hs %ST", '"{a#7C|b}" "{c}" 200', {"captured_request_headers": ["a|", "b"], "captured_response_headers": ["c"],
                                                          "status_code": 200}),
        ("%{+Q}hr %{+Q}hs %ST %{+Q}r", '200 "<BADREQ>"', {"status_code": 200, "request": "<BADREQ>"}),
        ("%{+Q}o %ST %hsl %HM", '200 "a" "b" "GET"', {"status_code": 200, "captured_response_headers": ["a", "b"], "request_method": "GET"}),
        ("%{+Q}o %hrl %ST %hsl %HM", '400 "<BADREQ>"', {"status_code": 400, "request_method": "<BADREQ>"}),
        ("%{+Q}o %hrl %hsl %HM", '"a" "b" "GET"', {"captured_request_headers": ["a"], "captured_response_headers": ["b"],
                                                   "request_method": "GET"}),
        ("%{+Q}o %hrl %ST", '"a""b" 200', None),
        ("%{+E}HU %ST", r"/#22\\a\]b\x 200", {"request_url": r'/"\a]b\x', "status_code": 200}),
        ("%{+E,+Q}hr %ST", r'"{\\#7C\]|#C3#A9}" 200', {"captured_request_headers": [r"\|]", "é"], "status_code": 200}),
        ("%r %ST", "GET /a b c HTTP/1.1 200", {"request": "GET /a b c HTTP/1.1", "request_method": "GET", "request_url": "/a b c",
                                                "request_protocol": "HTTP/1.1", "status_code": 200}),
        ("%r %ST", "<BADREQ> 400", {"request": "<BADREQ>", "status_code": 400}),
        ("%ID %lc %rt %pid", "a-b 1 2 3", {"ID": "a-b", "lc": 1, "rt": 2, "pid": 3}),
        ("%TR/%Tw/%Ta %B", "-1/0/+7 +350", {"time_queue_ms": 0, "time_total_ms": 7, "bytes_read": 350}),
        ("%rc", "+2", {"retries": 2}),
        ("%CC %CS %ST", "a=x y a=z 200", {"captured_request_cookie": "a=x y", "captured_response_cookie": "a=z", "status_code": 200}),
        ("%CC %CS %ST", "- x y z 200", {"captured_response_cookie": "x y z", "status_code": 200}),
        ("%CC %CS %ST", "x y z - 200", {"captured_request_cookie": "x y z", "status_code": 200}),
        ("%CC %CS %ST", "a b c d 200", {"extra": ["a b c d"], "status_code": 200}),
        ("%{+Q}hrl %ST", '"a" "b#22" 200', {"captured_request_headers": ["a", 'b"'], "status_code": 200}),
        ("%f%b", "ab", None),
    ],
)  # fmt: skip
def test_aliases_flags_and_names_are_read_as_haproxy_writes_them(
    kernel: Kernel, text: str, line: str, expected: dict[str, Any] | None
) -> None:
    if expected is None:
        assert told(kernel, text, line).reasons == ["no_match"]
    else:
        assert record(kernel, text, line) == expected


def test_a_list_of_captured_headers_ends_where_no_space_follows(kernel: Kernel) -> None:
    glued = record(kernel, "%B/%{+Q}hrl%{+Q}hrl/", '5/"a" "b""c" ""/')
    assert glued == {"bytes_read": 5, "captured_request_headers": ["a", "b"], "hrl": ["c", ""]}


def test_no_two_columns_of_a_record_have_one_name(kernel: Kernel) -> None:
    """An alias that comes twice, or names that records have anyway."""
    twice = "%ST %ST %ci %(mine)ci %Tq %TR %tr %t %(format)f %(time)b %(_id)s %(extra)ID %(syslog_host)H"
    line = "200 201 192.0.2.1 192.0.2.2 1 2 1795204466 1795204467 f b s i h"
    found = told(kernel, twice, line)
    for schema in ("aws", "ecs", "otel"):
        assert len(found.records(schema)[0]) == 16 - 2
    assert found.record == {
        "format": "haproxy_custom", "time": "2026-11-20T19:54:26Z", "status_code": 200, "ST": 201, "client_ip": "192.0.2.1",
        "mine": "192.0.2.2", "time_request_ms": 1, "TR": 2, "t": "2026-11-20T19:54:27Z", "format_": "f", "time_": "b", "_id_": "s",
        "extra_": "i", "syslog_host_": "h",
    }  # fmt: skip
    ecs = found.records("ecs")[0]
    assert (ecs["source.ip"], ecs["haproxy.mine"], ecs["http.response.status_code"], ecs["haproxy.ST"]) == (
        "192.0.2.1",
        "192.0.2.2",
        200,
        201,
    )


JSON = "%{+json}o %(client)ci %(port)cp %(at)tr %(line)r %(heads)hr %ST"


def test_json_holds_what_is_named(kernel: Kernel) -> None:
    line = '{"client":"192.0.2.7","port":80,"at":"20/Nov/2026:19:54:26.480","line":"GET /#22 HTTP/1.1","heads":"{a|b}","x":null}'
    found = record(kernel, JSON, line)
    assert (found["client"], found["port"], found["time"]) == ("192.0.2.7", 80, "2026-11-20T19:54:26.480Z")
    assert (found["line"], found["request_url"]) == ("GET /#22 HTTP/1.1", '/"')
    assert found["extra"] == ["x=-"]
    assert record(kernel, JSON, "<134>Nov 20 19:54:26 lb1 haproxy[1]: " + line) | found == record(
        kernel, JSON, "<134>Nov 20 19:54:26 lb1 haproxy[1]: " + line
    )
    assert told(kernel, JSON, "no object").reasons == ["bad_json"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("%ci %zz", "unknown alias %zz at column 5"),
        ("100%", "column 4"),
        ("% ci", "column 1"),
        ("%[src", "never closed"),
        ("no variable", "no variable"),
        ("", "no variable"),
        ("%{+cbor}o %(a)ci", r"\+cbor"),
        ("%{+bin}o %(a)ci", r"\+bin"),
        ("%{+json}o %ci", "only named"),
    ],
)
def test_what_haproxy_would_refuse_is_refused_with_the_place(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        compile_log_format(text)


def test_every_alias_can_stand_alone_and_has_names_and_a_text() -> None:
    for alias in ALIASES:
        layout = compile_log_format(f"%{alias}")
        assert isinstance(layout, Template)
        (field,) = layout.fields
        for column in field.columns:
            assert column.name
            assert column.doc
            assert column.ecs
            assert column.otel
    assert isinstance(compile_log_format("%{+json}o %(a)ci"), Objects)


CAPTURES = "%ST %hr %hs %{+Q}r"


@pytest.mark.parametrize(
    ("captures", "blocks", "request_", "response"),
    [
        (None, "{a|b} {c} ", ["a", "b"], ["c"]),
        (None, "{a|b} ", ["a", "b"], None),
        (None, "", None, None),
        (None, "{} {} ", [""], [""]),
        (None, "{#22|#7B#7C} ", ['"', "{|"], None),
        ((0, 1), "{c} ", None, ["c"]),
        ((1, 0), "{a} ", ["a"], None),
        ((2, 2), "{a|} {|d} ", ["a", ""], ["", "d"]),
        ((0, 0), "", None, None),
    ],
)  # fmt: skip
def test_blocks_of_captured_headers_belong_where_the_captures_say(
    kernel: Kernel,
    captures: tuple[int, int] | None,
    blocks: str,
    request_: list[str] | None,
    response: list[str] | None,
) -> None:
    found = record(kernel, CAPTURES, f'200 {blocks}"GET /{{x}} HTTP/1.1"', captures=captures)
    assert found.get("captured_request_headers") == request_
    assert found.get("captured_response_headers") == response
    assert found["request_url"] == "/{x}"


@pytest.mark.parametrize(
    ("line", "agent"),
    [("#C3#A9 200", "é"), ("#Fields: a 200", "#Fields: a"), ("Enable x for ELB: y 200", "Enable x for ELB: y")],
)
def test_a_header_at_the_beginning_of_a_line_makes_no_control_line(kernel: Kernel, line: str, agent: str) -> None:
    assert record(kernel, "%hrl %ST", line) == {"captured_request_headers": [agent], "status_code": 200}
    assert told(kernel, "%hrl %ST", line).counts.control == 0


def test_what_is_no_record_of_the_named_format_may_be_a_control_line(kernel: Kernel) -> None:
    counts = told(kernel, "%ci %ST", "#Fields: a\n192.0.2.7 200\n").counts
    assert (counts.control, counts.records, counts.rejects) == (1, 1, 0)


def test_a_block_of_headers_in_quotes_may_be_cut_anywhere(kernel: Kernel) -> None:
    whole = '200 "{a|b#22}" "{c}"'
    for end in range(len('200 "{'), whole.index('" ')):
        found = told(kernel, "%ST %{+Q}hr %{+Q}hs", whole[:end]).record
        assert found["truncated"] is True, whole[:end]
        assert "|".join(found["captured_request_headers"]) in ("", "a", "a|", "a|b", "a|b#", "a|b#2", 'a|b"')


@pytest.mark.parametrize(
    ("captures", "listed", "request_", "response", "extra"),
    [
        (None, '"a" "b"', ["a"], ["b"], None),
        (None, '"a"', ["a"], None, None),
        (None, '"a" "b" "c"', None, None, ["a", "b", "c"]),
        ((2, 1), '"a" "b" "c"', ["a", "b"], ["c"], None),
        ((0, 3), '"a" "b" "c"', None, ["a", "b", "c"], None),
        ((1, 1), '"a" "b" "c"', None, None, ["a", "b", "c"]),
    ],
)
def test_listed_headers_are_shared_as_the_captures_say(
    kernel: Kernel, captures: tuple[int, int] | None, listed: str, request_: list[str] | None, response: list[str] | None,
    extra: list[str] | None,
) -> None:  # fmt: skip
    found = record(kernel, "%{+Q}o %ST %hrl %hsl", f"200 {listed}", captures=captures)
    assert found.get("captured_request_headers") == request_
    assert found.get("captured_response_headers") == response
    assert found.get("extra") == extra


def test_a_line_cut_at_any_byte_behind_the_last_field_of_haproxy_is_truncated(kernel: Kernel) -> None:
    line = '192.0.2.7:1 [20/Nov/2026:19:54:26.882] web app/s1 0/0/0/1/1 200 79 - - ---- 1/1/0/0/0 0/0 {h|a#22b} {t} "GET /a HTTP/1.1"'
    begins = line.index(" - -") + 1
    for end in range(begins, len(line)):
        found = told(kernel, haproxy_http.LOG_FORMAT, line[:end])
        assert found.record["truncated"] is True, line[:end]
        assert found.counts.cut == 1
        assert found.record["bytes_read"] == 79
    for end in (begins - 1, begins - 2):  # a number at the end may have lost digits
        found = told(kernel, haproxy_http.LOG_FORMAT, line[:end])
        assert (found.record["truncated"], found.record["status_code"], "bytes_read" in found.record) == (
            True,
            200,
            False,
        )
    for end in range(1, begins - 2):
        assert told(kernel, haproxy_http.LOG_FORMAT, line[:end]).reasons == ["no_match"], line[:end]


def test_a_cut_line_has_at_least_one_whole_field(kernel: Kernel) -> None:
    assert told(kernel, "%{+Q}r %ST", '"GET /a').reasons == ["no_match"]
    assert record(kernel, "%{+Q}r %ST", '"GET /a HTTP/1.1" ')["truncated"] is True


def test_a_line_that_would_need_endless_tries_is_a_reject(kernel: Kernel) -> None:
    text = "%[var(a)] x %[var(b)] x %[var(c)] x %[var(d)] x %[var(e)] end"
    assert told(kernel, text, "y x " * 200).reasons == ["no_match"]


def test_lines_of_the_custom_formats_in_real_traffic_are_read_by_the_strings(kernel: Kernel) -> None:
    for line in sample_lines("haproxy_traffic/custom_httplog_format.udp_rfc5424.log"):
        found = told(kernel, EUCALYPTUS_HTTP, line)
        assert found.record | {"format": "haproxy_eucalyptus_http"} == read(kernel, line).record
