"""Names for ECS and OpenTelemetry: complete, each once, and those that the vocabularies have for the common values."""

from __future__ import annotations

import pytest

from parsing import Kernel, only, read
from tailrace.kernel.layout import Columns
from tailrace.kernel.names import EXTRA, FORMAT, INVALID, SCHEMAS, TIME_SOURCE, TRUNCATED, name_of
from tailrace.registry import formats

ROWS = [
    ("alb", "time", "@timestamp", "timestamp"),
    ("alb", "client_ip", "source.ip", "client.address"),
    ("alb", "client_port", "source.port", "client.port"),
    ("alb", "elb_status_code", "http.response.status_code", "aws.elb.status.code"),
    ("alb", "request_method", "http.request.method", "http.request.method"),
    ("alb", "request_url", "url.original", "url.full"),
    ("alb", "user_agent", "user_agent.original", "user_agent.original"),
    ("alb", "ssl_cipher", "tls.cipher", "tls.cipher"),
    ("alb", "trace_id", "aws.elb.trace_id", "aws.elb.aws_trace_id"),
    ("clb", "backend_ip", "aws.elb.backend.ip", "destination.address"),
    ("clb", "sent_bytes", "http.response.body.bytes", "http.response.body.size"),
    ("nlb", "destination_ip", "destination.ip", "destination.address"),
    ("nlb", "domain_name", "tls.client.server_name", "url.domain"),
    ("alb_connection", "tls_cipher", "tls.cipher", "tls.cipher"),
    ("alb_health", "status_code", "http.response.status_code", "http.response.status_code"),
    ("haproxy_http", "client_ip", "source.ip", "client.address"),
    ("haproxy_http", "frontend", "haproxy.frontend_name", "haproxy.frontend"),
    ("haproxy_http", "status_code", "http.response.status_code", "http.response.status_code"),
    ("haproxy_tcp", "backend", "haproxy.backend_name", "haproxy.backend"),
    ("haproxy_https", "ssl_sni", "tls.client.server_name", "url.domain"),
]
VERSIONS = [("alb", "request_protocol", "1.1"), ("alb", "ssl_protocol", "1.2"), ("haproxy_https", "ssl_version", "1.3"),
            ("clb", "request_protocol", "1.1"), ("alb_connection", "tls_protocol", "1.2")]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "ecs", "otel"), ROWS)
def test_common_values_have_the_names_that_the_vocabularies_give_them(
    kernel: Kernel, kind: str, name: str, ecs: str, otel: str
) -> None:
    known = formats()[kind]
    told = read(kernel, known.example.encode(), plan=only(kind))
    value = told.record[name]
    assert told.records("ecs")[0][ecs] == value
    assert told.records("otel")[0][otel] == value


@pytest.mark.parametrize("kind", formats())
def test_a_record_says_as_much_in_every_schema(kernel: Kernel, kind: str) -> None:
    """The same values in the same order under other names; versions without the protocol's name."""
    known = formats()[kind]
    told = read(kernel, known.example.encode(), plan=only(kind))
    columns = {column.name: column for column in known.columns}
    for schema in ("ecs", "otel"):
        (record,) = told.records(schema)
        for (name, value), (other, same) in zip(told.record.items(), record.items(), strict=True):
            column = columns.get(name)
            assert same == (value.removeprefix(column.drop_prefix) if column and column.drop_prefix else value)
            assert other != name or "." not in other
            if column:
                assert other == getattr(column, schema)


@pytest.mark.parametrize(("kind", "name", "version"), VERSIONS)
def test_versions_are_numbers_in_ecs_and_opentelemetry(kernel: Kernel, kind: str, name: str, version: str) -> None:
    known = formats()[kind]
    column = next(column for column in known.columns if column.name == name)
    told = read(kernel, known.example.encode(), plan=only(kind))
    assert told.record[name].removeprefix(column.drop_prefix) == version
    assert told.records("ecs")[0][column.ecs] == told.records("otel")[0][column.otel] == version


@pytest.mark.parametrize("kind", ["alb", "nlb", "clb"])
def test_what_every_record_may_have_is_named_in_every_schema(kernel: Kernel, kind: str) -> None:
    layout = next(layout for layout in formats()[kind].layouts if isinstance(layout, Columns))
    words = (formats()[kind].example + " more").split(" ")
    words[[field.columns[0].name for field in layout.fields].index("received_bytes")] = "many"
    line = " ".join(words)
    told = read(kernel, line.encode(), plan=only(kind))
    aws, ecs, otel = (told.records(schema)[0] for schema in ("aws", "ecs", "otel"))
    assert aws["format"] == ecs["event.dataset"] == otel["encoding.format"] == kind
    assert aws["invalid"] == ecs["tailrace.invalid"] == otel["tailrace.invalid"] == {"received_bytes": "many"}
    assert aws["extra"] == ecs["tailrace.extra"] == otel["tailrace.extra"]
    assert aws["extra"][-1] == "more"


def test_a_cut_line_and_a_borrowed_time_are_named_in_every_schema(kernel: Kernel) -> None:
    line = b'<134>Nov 20 19:54:26 lb1 haproxy[1]: httplog f b s 200 -- 0 0 0 1 1 "GET /a'
    told = read(kernel, line)
    aws, ecs, otel = (told.records(schema)[0] for schema in ("aws", "ecs", "otel"))
    assert aws["truncated"] is ecs["tailrace.truncated"] is otel["tailrace.truncated"] is True
    assert aws["time_source"] == ecs["tailrace.time_source"] == otel["tailrace.time_source"] == "syslog"
    assert (ecs["log.syslog.priority"], otel["syslog.hostname"]) == (134, "lb1")


@pytest.mark.parametrize("schema", SCHEMAS)
def test_no_field_is_also_an_object_of_fields(schema: str) -> None:
    """Search servers read dots as objects in objects, and one index may hold every format."""
    found = {name_of(column, schema) for known in formats().values() for column in known.columns}
    found |= {table[schema] for table in (FORMAT, TIME_SOURCE, TRUNCATED, INVALID, EXTRA)}
    assert {name for name in found if any(other.startswith(f"{name}.") for other in found)} == set()
