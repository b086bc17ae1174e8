"""What the text of a field becomes: values, nothing, or `invalid` with the text."""

from __future__ import annotations

from typing import Any

import pytest

from parsing import Kernel, only, read
from tailrace.kernel.layout import Columns
from tailrace.registry import formats

EXAMPLES = {kind: formats()[kind].example.encode() for kind in ("alb", "alb_connection", "alb_health", "clb", "nlb")}
AGENT = b'"Dart/3.11 (dart:io)"'
REQUEST = rb'"GET https://www.example.com:443/search?q=\x22tail\x22 HTTP/1.1"'


def with_field(kind: str, label: str, text: bytes) -> bytes:
    """The example line of a kind with another text in the field of that label."""
    layout = next(layout for layout in formats()[kind].layouts if isinstance(layout, Columns))
    number = [field.label for field in layout.fields].index(label)
    fields = []
    for part in EXAMPLES[kind].split(b" "):
        if fields and fields[-1].count(b'"') % 2 and not layout.fields[len(fields) - 1].bare:
            fields[-1] += b" " + part
        else:
            fields.append(part)
    fields[number] = text
    return b" ".join(fields)


def alb(kernel: Kernel, label: str, text: bytes) -> dict[str, Any]:
    return read(kernel, with_field("alb", label, text), plan=only("alb")).record


@pytest.mark.parametrize(
    ("label", "text", "value"),
    [
        ("elb_status_code", b"007", 7),
        ("elb_status_code", b"+200", 200),
        ("elb_status_code", b"-5", -5),
        ("elb_status_code", b"9223372036854775807", 2**63 - 1),
        ("elb_status_code", b"-9223372036854775808", -(2**63)),
        ("request_processing_time", b"00.100", 0.1),
        ("request_processing_time", b"3", 3),
        ("request_processing_time", b"1.", 1.0),
        ("request_processing_time", b"-2.5", -2.5),
        ("request_creation_time", b"2026-09-23T07:15:47Z", "2026-09-23T07:15:47Z"),
        ("request_creation_time", b"2026-09-23T07:15:47.123456789Z", "2026-09-23T07:15:47.123456789Z"),
        ("request_creation_time", b"2026-09-23T07:15:47+02:00", "2026-09-23T05:15:47Z"),
        ("request_creation_time", b"2024-02-29T00:00:00-0530", "2024-02-29T05:30:00Z"),
        ("target_status_code_list", b'"200 - 404"', [200, None, 404]),
        ("target_status_code_list", b"200", [200]),
        ("target_port_list", b'"10.0.0.1:80 10.0.0.2:81"', ["10.0.0.1:80", "10.0.0.2:81"]),
        ("actions_executed", b'"waf,forward"', ["waf", "forward"]),
        ("actions_executed", b'""', []),
        ("matched_rule_priority", b"-1", -1),
        ("matched_rule_priority", b"0", 0),
        ("user_agent", b'""', ""),
        ("trace_id", b'" a  b "', " a  b "),
        ("type", b"grpcs", "grpcs"),
    ],
)
def test_a_text_that_fits_has_a_value(kernel: Kernel, label: str, text: bytes, value: object) -> None:
    record = alb(kernel, label, text)
    assert record[label] == value
    assert "invalid" not in record


@pytest.mark.parametrize("label", ["elb_status_code", "target_status_code", "user_agent", "domain_name", "actions_executed",
                                   "target_port_list", "target_status_code_list", "request_creation_time",
                                   "matched_rule_priority", "ip_address", "request_processing_time"])  # fmt: skip
def test_a_dash_is_no_value_in_any_field(kernel: Kernel, label: str) -> None:
    for text in (b"-", b'"-"'):
        record = alb(kernel, label, text)
        assert label not in record
        assert "invalid" not in record


@pytest.mark.parametrize("label", ["request_processing_time", "target_processing_time", "response_processing_time"])
def test_minus_one_is_no_time(kernel: Kernel, label: str) -> None:
    assert label not in alb(kernel, label, b"-1")


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("elb_status_code", b"2OO"),
        ("elb_status_code", b"9223372036854775808"),
        ("elb_status_code", b"1.5"),
        ("elb_status_code", b"0x1f"),
        ("elb_status_code", "٣".encode()),
        ("received_bytes", b"1e3"),
        ("request_processing_time", b"NaN"),
        ("request_processing_time", b"inf"),
        ("request_processing_time", b".5"),
        ("request_processing_time", b"+1.5"),
        ("request_processing_time", b"0,001"),
        ("request_creation_time", b"2026-02-29T00:00:00Z"),
        ("request_creation_time", b"2026-09-23_07:15:47"),
        ("request_creation_time", b"2026-09-23T07:15:47Zjunk"),
        ("target_status_code_list", b'"200 OK"'),
        ("target_status_code_list", b'"200  404"'),
    ],
)
def test_a_text_that_does_not_fit_is_invalid_and_the_line_a_record(kernel: Kernel, label: str, text: bytes) -> None:
    told = read(kernel, with_field("alb", label, text), plan=only("alb"))
    assert told.record["invalid"] == {label: text.strip(b'"').decode()}
    assert label not in told.record
    assert told.counts.invalid == 1
    assert told.record["domain_name"] == "www.example.com"


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        (b"192.0.2.1:80", "192.0.2.1", 80),
        (b"[2001:db8::1]:443", "2001:db8::1", 443),
        (b"2001:db8:0:0:0:0:0:1:443", "2001:db8:0:0:0:0:0:1", 443),
        (b"::1:59326", "::1", 59326),
        (b"[fe80::202:b3ff:fe1e:8329]", "fe80::202:b3ff:fe1e:8329", None),
        (b"::ffff:192.0.2.1:80", "::ffff:192.0.2.1", 80),
        (b"192.0.2.1", "192.0.2.1", None),
        (b"192.0.2.1:-", "192.0.2.1", None),
        (b"-:22222", None, 22222),
        (b"-", None, None),
    ],
)
def test_an_address_and_its_port_are_told_apart_at_the_last_colon(
    kernel: Kernel, text: bytes, address: str | None, port: int | None
) -> None:
    record = alb(kernel, "client:port", text)
    assert (record.get("client_ip"), record.get("client_port")) == (address, port)
    assert "invalid" not in record


@pytest.mark.parametrize(
    ("text", "record", "invalid"),
    [
        (b"host.example.com:80", {"client_port": 80}, {"client_ip": "host.example.com"}),
        (b"192.0.2.1:http", {"client_ip": "192.0.2.1"}, {"client_port": "http"}),
        (b"1.2.3.4.5:80", {"client_port": 80}, {"client_ip": "1.2.3.4.5"}),
        (b"256.0.2.1:80", {"client_port": 80}, {"client_ip": "256.0.2.1"}),
        (b"192.0.02.1:80", {"client_port": 80}, {"client_ip": "192.0.02.1"}),
        (b"fe80::1%eth0:80", {"client_port": 80}, {"client_ip": "fe80::1%eth0"}),
        (b"192.0.2.1:", {"client_ip": "192.0.2.1"}, {"client_port": ""}),
        (b":80", {"client_port": 80}, {"client_ip": ""}),
    ],
)
def test_what_is_no_address_or_port_is_kept_as_text(
    kernel: Kernel, text: bytes, record: dict[str, object], invalid: dict[str, str]
) -> None:
    told = alb(kernel, "client:port", text)
    assert {name: told[name] for name in ("client_ip", "client_port") if name in told} == record
    assert told["invalid"] == invalid


@pytest.mark.parametrize(
    ("text", "method", "url", "version"),
    [
        ("GET https://h:443/p HTTP/2.0", "GET", "https://h:443/p", "HTTP/2.0"),
        ("GET https://h:443/p HTTP/2", "GET", "https://h:443/p", "HTTP/2"),
        ("- http://host:80- -", None, "http://host:80-", None),
        ("- http://host:80- ", None, "http://host:80-", None),
        ("- http://host:80-/ ", None, "http://host:80-/", None),
        ("- - -", None, None, None),
        ("- - - ", None, None, None),
        ("GET http://h:80/ HTTP/1.0 ", "GET", "http://h:80/", "HTTP/1.0"),
        ("GET http://h:80/hello", "GET", "http://h:80/hello", None),
        ("SSTP_DUPLEX_POST https://h:443/ HTTP/1.1", "SSTP_DUPLEX_POST", "https://h:443/", "HTTP/1.1"),
        ("--location https://h:443/ HTTP/2.0", "--location", "https://h:443/", "HTTP/2.0"),
        ("GET https://[2001:db8::1]:443/ HTTP/1.1", "GET", "https://[2001:db8::1]:443/", "HTTP/1.1"),
        ("GET http://h:80/a b  c HTTP/1.1", "GET", "http://h:80/a b  c", "HTTP/1.1"),
        ("GET http://h:80/{}[]%%32%65 HTTP/1.1", "GET", "http://h:80/{}[]%%32%65", "HTTP/1.1"),
        ("GET http://h:80/ HTTP/11", "GET", "http://h:80/ HTTP/11", None),
        ("GET http://h:80/ HTTP/1.1x", "GET", "http://h:80/ HTTP/1.1x", None),
        ("GET", "GET", None, None),
        (r"G\x45T http://h:80/\xC3\xA9\x00000041 HTTP/1.1", "GET", "http://h:80/éA", "HTTP/1.1"),
    ],
)
def test_requests_of_every_shape_are_split(
    kernel: Kernel, text: str, method: str | None, url: str | None, version: str | None
) -> None:
    record = alb(kernel, "request", f'"{text}"'.encode())
    assert record["request"] == text
    parts = [record.get(name) for name in ("request_method", "request_url", "request_protocol")]
    assert parts == [method, url, version]


@pytest.mark.parametrize(
    ("kind", "written", "decoded"),
    [
        ("alb", r"\x22a\x22", '"a"'),
        ("alb", r"\x00000022a", '"a'),
        ("alb", r"\x000000e9", "\ufffd"),
        ("alb", r"\xec\x97\x90", "에"),
        ("alb", r"\x5Cx22", r"\x22"),
        ("alb", r"\x5Cx5Cx22", r"\x5Cx22"),
        ("alb", r"\\x22", r"\""),
        ("alb", r"\xZZ\x2", r"\xZZ\x2"),
        ("alb", r"a\nb\tc\u0041", r"a\nb\tc\u0041"),
        ("alb", r"%22#22", "%22#22"),
        ("alb", r"a\"b", 'a"b'),
        ("clb", r"\"a\"", '"a"'),
        ("clb", r"\x22a", r"\x22a"),
        ("clb", r"\\\"", r'\\"'),
        ("clb", "#22", "#22"),
    ],
)
def test_escapes_are_decoded_once_and_the_text_kept_where_that_changed_it(
    kernel: Kernel, kind: str, written: str, decoded: str
) -> None:
    record = read(kernel, with_field(kind, "user_agent", f'"{written}"'.encode()), plan=only(kind)).record
    assert record["user_agent"] == decoded
    assert record.get("user_agent_raw") == (written if written != decoded else None)
    assert [name for name in record if name.endswith("_raw")] == (["user_agent_raw"] if written != decoded else [])


def test_a_redirect_keeps_its_text_as_well_and_other_fields_are_not_decoded(kernel: Kernel) -> None:
    record = alb(kernel, "redirect_url", rb'"https://h:443/\x22 a"')
    assert record["redirect_url"] == 'https://h:443/" a'
    assert record["redirect_url_raw"] == r"https://h:443/\x22 a"
    record = alb(kernel, "trace_id", rb'"Root=1;a=\x22"')
    assert (record["trace_id"], "trace_id_raw" in record) == (r"Root=1;a=\x22", False)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_more_fields_than_are_known_are_extra(kernel: Kernel, kind: str) -> None:
    known = read(kernel, EXAMPLES[kind], plan=only(kind)).record
    told = read(kernel, EXAMPLES[kind] + b' new "two words" - "" "-"', plan=only(kind))
    assert told.record == known | {"extra": [*known.get("extra", []), "new", "two words", "-", "", "-"]}
    assert told.counts.unknown == 1


@pytest.mark.parametrize("kind", EXAMPLES)
def test_fewer_fields_leave_the_missing_ones_out(kernel: Kernel, kind: str) -> None:
    layout = next(layout for layout in formats()[kind].layouts if isinstance(layout, Columns))
    whole = read(kernel, EXAMPLES[kind], plan=only(kind)).record
    cut = b" ".join(EXAMPLES[kind].split(b" ")[: layout.required])
    record = read(kernel, cut, plan=only(kind)).record
    named = {column.name for field in layout.fields[: layout.required] for column in field.columns}
    assert record == {name: value for name, value in whole.items() if name in named | {"format"}}


@pytest.mark.parametrize(
    ("text", "ip", "port"),
    [
        (b"172.31.20.97:80", "172.31.20.97", 80),
        (b"[2001:db8::1]:80", "2001:db8::1", 80),
        (b"arn:aws:lambda:us-east-1:123456789012:function:f", None, None),
        (b"arn:aws:lambda:us-east-1:123456789012:function:f:7", None, None),
    ],
)
def test_the_target_of_a_check_is_kept_as_written(
    kernel: Kernel, text: bytes, ip: str | None, port: int | None
) -> None:
    record = read(kernel, with_field("alb_health", "target_addr", text), plan=only("alb_health")).record
    assert record["target_addr"] == text.decode()
    assert (record.get("target_ip"), record.get("target_port")) == (ip, port)
    assert "invalid" not in record


@pytest.mark.parametrize(
    ("text", "offers"),
    [
        (b'"h2","http/1.1"', ["h2", "http/1.1"]),
        (b'"h2"', ["h2"]),
        (b'"h2","http/1', ["h2", "http/1"]),
        (b'"h2",', ["h2", ""]),
        (rb"\"http/1.1\"", ["http/1.1"]),
        (b"h2", ["h2"]),
        (b"-", None),
        (b'"%22"', ["%22"]),
    ],
)
def test_the_protocols_that_a_client_offered_are_a_list(kernel: Kernel, text: bytes, offers: list[str] | None) -> None:
    record = read(kernel, with_field("nlb", "alpn_client_preference_list", text), plan=only("nlb")).record
    assert record.get("alpn_client_preference_list") == offers
    assert record["tls_connection_creation_time"] == "2026-10-03T22:14:58Z"
