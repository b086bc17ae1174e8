"""The shapes of older log processors: each name from where docs/logstash.md says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from making import alb, batch, item
from tailrace.model import Batch, Identity, Item, Rendering
from tailrace.registry import formats
from tailrace.sinks._shapes import Constants, Shape, rendering_of, writer

FORM = Rendering("otel", ids=True)
CONSTANTS = Constants(component="lb", source_module_name="elb-logs", environment="prod", application="shop", type="ELB")
CONSTANT = {"Component": "lb", "SourceModuleName": "elb-logs", "Environment": "prod", "Application": "shop"}


def line(name: str, *changes: tuple[str, str]) -> str:
    text = formats()[name].example
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def shaped(
    shape: Shape, found: Batch, of: Item | None = None, constants: Constants = CONSTANTS
) -> list[dict[str, Any]]:
    written = bytes(writer(shape, FORM, constants)(of or item(), found))
    assert written == b"" or written.endswith(b"\n")
    return [json.loads(each) for each in written.split(b"\n")[:-1]]


def elb(text: str) -> dict[str, Any]:
    (told,) = shaped("elb", batch(text.encode() + b"\n"), constants=Constants())
    return told


def test_a_record_is_as_the_kernel_writes_it() -> None:
    found = batch(alb("2026-09-23") * 3)
    assert bytes(writer("record", FORM, CONSTANTS)(item(), found)) == bytes(found.records.ndjson("otel", ids=True))
    assert (rendering_of("record", FORM), rendering_of("elb", FORM)) == (FORM, Rendering("aws"))
    assert rendering_of("message", FORM) is None


def test_elb_of_an_application_load_balancer() -> None:
    (told,) = shaped("elb", batch(line("alb").encode() + b"\n"))
    assert list(told.items()) == [
        ("EventReceivedTime", "2026-09-23T07:15:47.805298Z"),
        ("LoadBalancerName", "app/web/ae5aa1d99ee1b260"),
        ("PublicIpAndPort", "198.51.100.165:5815"),
        ("InternalIpAndPort", "10.20.20.37:80"),
        ("TimeToForwardRequest", 1.0),
        ("TimeTaken", 3.0),
        ("TimeToForwardResponse", 0.0),
        ("Status", 200),
        ("BackendStatus", 200),
        ("BytesUploadedFromClient", 153),
        ("BytesDownloadedByClient", 3860),
        ("FullRequest", r"GET https://www.example.com:443/search?q=\x22tail\x22 HTTP/1.1"),
        *CONSTANT.items(),
        ("Type", "ELB"),
    ]


def test_elb_of_a_classic_load_balancer() -> None:
    assert elb(line("clb", ("203.0.113.147:15729", "[2001:db8::7]:15729"))) == {
        "EventReceivedTime": "2026-10-14T11:30:00.365759Z",
        "LoadBalancerName": "web",
        "PublicIpAndPort": "[2001:db8::7]:15729",
        "InternalIpAndPort": "10.0.10.77:8080",
        "TimeToForwardRequest": 0.073,
        "TimeTaken": 1.048,
        "TimeToForwardResponse": 0.057,
        "Status": 200,
        "BackendStatus": 200,
        "BytesUploadedFromClient": 0,
        "BytesDownloadedByClient": 29,
        "FullRequest": "GET http://www.example.com:80/ HTTP/1.1",
    }


def test_elb_of_a_network_load_balancer() -> None:
    assert elb(line("nlb")) == {
        "EventReceivedTime": "2026-10-03T22:15:00Z",
        "LoadBalancerName": "net/web/c6e77e28c25b2234",
        "PublicIpAndPort": "198.51.100.112:51341",
        "InternalIpAndPort": "203.0.113.185:443",
        "TimeTaken": 5.0,
        "BytesUploadedFromClient": 98,
        "BytesDownloadedByClient": 246,
    }


def test_elb_of_haproxy() -> None:
    assert elb(line("haproxy_eucalyptus_http")) == {
        "EventReceivedTime": "2025-12-11T04:32:11Z",
        "LoadBalancerName": "f_web",
        "PublicIpAndPort": "192.0.2.7:53952",
        "InternalIpAndPort": "10.0.0.9:8080",
        "TimeTaken": 1.0,
        "Status": 200,
        "BytesUploadedFromClient": 86,
        "BytesDownloadedByClient": 160,
        "FullRequest": "GET /ok?a=1 HTTP/1.1",
    }
    assert elb(line("haproxy_tcp"))["TimeTaken"] == 9.0


def test_elb_leaves_out_what_is_not_there() -> None:
    told = elb(line("alb", ("10.20.20.37:80", "-"), ("0.001 0.003 0.000 200 200", "-1 -1 -1 460 -")))
    gone = {"InternalIpAndPort", "TimeToForwardRequest", "TimeTaken", "TimeToForwardResponse", "BackendStatus"}
    assert gone.isdisjoint(told)
    assert told["Status"] == 460


def test_elb_of_lines_whose_fields_have_other_types() -> None:
    text = json.dumps({"time": "2026-09-23T07:15:47Z", "elb_status_code": "abc", "listener": "x"})
    found = batch(alb("2026-09-23") + text.encode() + b"\n")
    assert len(shaped("elb", found)) == len(found.records)


def test_message_of_an_object() -> None:
    of = Item(Identity("s3", 'bu"cket', "a/ü.log", "e1"), item().open, None, 0.0)
    lines = [alb("2026-09-23", number) for number in range(3)]
    told = shaped("message", batch(b"junk\n" + b"".join(lines), of), of)
    offsets = [5, 5 + len(lines[0]), 5 + len(lines[0] + lines[1])]
    for each, raw, offset in zip(told, lines, offsets, strict=True):
        source = {"S3": {"Bucket": 'bu"cket', "Key": "a/ü.log", "ETag": "e1", "Offset": offset}}
        expected = {**CONSTANT, "message": raw.decode().rstrip("\n"), "type": "ELB", "Source": source}
        assert list(each.items()) == list(expected.items())


def test_message_without_constants_of_a_file() -> None:
    (told,) = shaped("message", batch(alb("2026-09-23")), constants=Constants())
    assert told == {
        "message": alb("2026-09-23").decode().rstrip("\n"),
        "Source": {"File": {"Name": "/logs/a.log", "Offset": 0}},
    }


def test_message_of_a_record_over_several_lines_is_one_line() -> None:
    raw = line("clb", ('"\\"probe\\" 1.0"', '"a\r\nb\u2028c"')).encode()
    (told,) = shaped("message", batch(raw + b"\n"))
    assert told["message"].encode() == raw.replace(b"\r\n", b"\n")


@given(agents=st.lists(st.binary(max_size=20).filter(lambda agent: not set(agent) & set(b'"\n\r\\')), max_size=4))
@settings(max_examples=100, deadline=None)
def test_message_of_any_bytes_is_json_and_the_line(agents: list[bytes]) -> None:
    lines = [alb("2026-09-23").replace(b"Dart/3.11 (dart:io)", agent) for agent in agents]
    found = batch(b"".join(lines))
    told = shaped("message", found)
    assert [each["message"] for each in told] == [raw[:-1].decode("utf-8", "replace") for raw in lines]


@pytest.mark.parametrize("shape", ["record", "elb", "message"])
def test_nothing_is_nothing(shape: Shape) -> None:
    assert shaped(shape, batch(b"")) == []
