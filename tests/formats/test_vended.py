"""The vended JSON copies of AWS's logs say the same as the lines they copy, and so do copies separated by tabs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from parsing import Kernel, only, promised, read, sample_records
from tailrace.kernel.layout import Columns, Field, Objects
from tailrace.registry import formats

KINDS = ("alb", "alb_connection", "alb_health", "nlb")
VENDED_KEYS = {
    "alb": "type time elb client_port target_port request_processing_time target_processing_time response_processing_time elb_status_code "
    "target_status_code received_bytes sent_bytes request_line user_agent ssl_cipher ssl_protocol target_group_arn trace_id domain_name "
    "chosen_cert_arn matched_rule_priority request_creation_time actions_executed redirect_url error_reason target_port_list "
    "target_status_code_list classification classification_reason conn_trace_id transformed_host transformed_uri "
    "request_transform_status ip_address",
    "alb_connection": "time client_ip client_port listener_port tls_protocol tls_cipher tls_handshake_latency leaf_client_cert_subject "
    "leaf_client_cert_validity leaf_client_cert_serial_number tls_verify_status conn_trace_id tls_keyexchange elb ip_address",
    "alb_health": "type time latency target_addr target_group_id status status_code reason_code elb ip_address",
    "nlb": "type version time elb listener client_port destination_port connection_time tls_handshake_time received_bytes sent_bytes "
    "incoming_tls_alert chosen_cert_arn chosen_cert_serial tls_cipher tls_protocol_version tls_keyexchange domain_name alpn_fe_protocol "
    "alpn_be_protocol alpn_client_preference_list tls_connection_creation_time",
}
"""The keys of AWS's own list of vended fields, in its order."""


def fields_of(line: bytes, kind: str) -> list[str]:
    """The fields of a plain line of the samples, quotes removed."""
    layout = next(layout for layout in formats()[kind].layouts if isinstance(layout, Columns))
    fields: list[str] = []
    rest = line.decode()
    while rest:
        bare = len(fields) < len(layout.fields) and layout.fields[len(fields)].bare
        if rest[0] == '"' and not bare:
            field, _, rest = rest[1:].partition('"')
            rest = rest.removeprefix(" ")
        else:
            field, _, rest = rest.partition(" ")
        fields.append(field)
    return fields


def plain_samples(kind: str) -> list[tuple[bytes, dict[str, Any]]]:
    """Lines without escaped quotes or missing spaces, with the truth about them."""
    return [
        (line, truth.record)
        for line, truth in sample_records(kind)
        if b'\\"' not in line and "extra" not in truth.record
    ][::3]


def typed(field: Field, text: str) -> Any:
    """A value as a JSON writer might give it: numbers as numbers, nothing as null."""
    if text == "-":
        return None
    if field.kind in ("int", "float"):
        return json.loads(text)
    if field.kind == "ints":
        return [None if part == "-" else int(part) for part in text.split(" ")]
    return text


def vended(kind: str) -> tuple[Field, ...]:
    return next(layout.fields for layout in formats()[kind].layouts if isinstance(layout, Objects))


@pytest.mark.parametrize("kind", KINDS)
def test_the_keys_are_those_that_aws_publishes(kind: str) -> None:
    assert [field.key for field in vended(kind)] == VENDED_KEYS[kind].split()


@pytest.mark.parametrize("typing", ["texts", "typed"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_json_copy_says_what_the_line_says(kernel: Kernel, kind: str, typing: str) -> None:
    keys, samples = VENDED_KEYS[kind].split(), plain_samples(kind)
    objects = []
    for line, _ in samples:
        pairs = list(zip(keys, zip(vended(kind), fields_of(line, kind), strict=False), strict=False))
        objects.append({key: typed(field, text) if typing == "typed" else text for key, (field, text) in pairs})
    for dump in ({}, {"separators": (",", ":")}, {"ensure_ascii": False}):
        data = "".join(json.dumps(each, **dump) + "\n" for each in objects).encode()
        told = read(kernel, data)
        assert told.rejects == []
        for record, (_, truth) in zip(told.records(), samples, strict=True):
            assert record.pop("format") == kind
            assert record == truth
        assert (
            told.ndjson()
            == read(kernel, data, item=promised(kind)).ndjson()
            == read(kernel, data, plan=only(kind)).ndjson()
        )
    assert len(samples) > 40


@pytest.mark.parametrize("kind", [*KINDS, "clb"])
def test_a_copy_separated_by_tabs_says_what_the_line_says(kernel: Kernel, kind: str) -> None:
    samples = [(line, truth) for line, truth in plain_samples(kind) if b"\t" not in line and b"\n" not in line]
    data = b"".join("\t".join(fields_of(line, kind)).encode() + b"\n" for line, _ in samples)
    told = read(kernel, data)
    assert told.rejects == []
    for record, (_, truth) in zip(told.records(), samples, strict=True):
        assert record.pop("format") == kind
        assert record == truth
    assert len(samples) > 40


def test_the_header_of_a_w3c_copy_is_a_control_line(kernel: Kernel) -> None:
    line, _ = plain_samples("alb")[0]
    told = read(kernel, b"#Version: 1.0\n#Fields: type time elb\n" + line)
    assert (told.counts.control, told.counts.records, told.counts.lines) == (2, 1, 3)


def test_unknown_keys_are_extra_and_a_key_that_comes_twice_counts_last(kernel: Kernel) -> None:
    line = (
        b'{"listener":"a","time":"2026-10-03T22:15:00","listener":"b","new":0,"also\\n":true,"e":[],"new":[1,"x",null]}'
    )
    told = read(kernel, line)
    assert told.record == {
        "format": "nlb", "time": "2026-10-03T22:15:00Z", "listener": "b", "extra": ["also\n=true", "e=", "new=1 x -"],
    }  # fmt: skip
    assert told.counts.unknown == 1


def test_escapes_of_json_are_decoded_before_those_of_the_field(kernel: Kernel) -> None:
    line = rb'{"elb_status_code":"x","time":"2026-09-23T07:15:47Z","user_agent":"\\x22\u0041\ud83d\ude00\"\\\/\b","client_port":"192.0.2.1:1"}'
    record = read(kernel, line).record
    assert record["user_agent"] == '"A😀"\\/\b'
    assert record["user_agent_raw"] == '\\x22A😀"\\/\b'
    assert record["invalid"] == {"elb_status_code": "x"}
