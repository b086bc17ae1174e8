"""Each format has a view with all its columns; `requests` holds what the truth of each record says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import stores
from making import StillClock, alb, item, receipt
from parsing import objects
from stores import AWS, haproxy_records, made, parsed, truth
from tailrace.formats._haproxy import compile_log_format
from tailrace.kernel.layout import Format
from tailrace.kernel.plan import Plan
from tailrace.model import StoredFile
from tailrace.registry import formats
from tailrace.store import requests
from tailrace.store.opening import open_store
from tailrace.store.query import Queries

samples = stores.samples
Record = dict[str, Any]
PARQUET = {
    "text": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "time": "TIMESTAMP WITH TIME ZONE", "texts": "VARCHAR[]",
    "ints": "BIGINT[]",
}  # fmt: skip


def ask(directory: Path, sql: str) -> list[Record]:
    with Queries(directory, StillClock()).ask(sql) as answer:
        return answer.rows()


def types(directory: Path, view: str) -> dict[str, str]:
    return {row["column_name"]: row["column_type"] for row in ask(directory, f"DESCRIBE {view}")}


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return made(tmp_path / "empty")


@pytest.mark.parametrize("name", formats())
def test_a_view_has_all_columns_with_their_types_in_an_empty_store(empty: Path, name: str) -> None:
    expected = {column.name: PARQUET[column.type] for column in formats()[name].columns}
    found = types(empty, name)
    assert {column: found[column] for column in expected} == expected
    assert found["_id"] == found["format"] == "VARCHAR"
    assert ask(empty, f"FROM {name}") == []


def test_requests_has_the_documented_columns_in_an_empty_store(empty: Path) -> None:
    written = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
    expected = [(name, written.get(kind, kind)) for name, kind, _doc, _of in requests.documentation()]
    assert list(types(empty, "requests").items()) == expected
    assert ask(empty, "SELECT count(*) AS n, sum(latency) AS s FROM requests") == [{"n": 0, "s": None}]
    assert ask(empty, "SELECT count(*) AS n FROM haproxy") == [{"n": 0}]


def test_types_are_the_same_with_rows_as_without(samples: Path, empty: Path) -> None:
    for view in (*formats(), "haproxy", "requests"):
        assert types(samples, view) == types(empty, view)


def test_every_column_is_documented_and_made_of_known_families() -> None:
    for name, _kind, doc, of in requests.documentation():
        assert doc
        assert of, name
        assert set(of) <= set(requests.FAMILIES)


@pytest.mark.parametrize("kind", AWS)
def test_a_view_tells_what_the_truth_says(samples: Path, kind: str) -> None:
    found = [plain(row) for row in ask(samples, f"SELECT * EXCLUDE (_id, format) FROM {kind}")]
    expected = [plain(record) for record in truth(kind)]
    assert sorted(map(str, found)) == sorted(map(str, expected))


def plain(row: Record) -> Record:
    """A row without its nulls, times without their zeros."""
    return {name: _text(value) for name, value in sorted(row.items()) if value is not None}


def _text(value: Any) -> Any:
    text = value.isoformat() if hasattr(value, "isoformat") else value
    if isinstance(text, str) and re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", text):
        seconds, _, fraction = text.removesuffix("+00:00").removesuffix("Z").partition(".")
        return f"{seconds}.{fraction:0<6}"
    return text


def of_url(url: str | None) -> tuple[str | None, str | None]:
    """Host and path of a URL, cut by hand."""
    if url is None:
        return None, None
    if url.startswith("/") or url == "*":
        return None, url.split("?")[0]
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url):
        return None, None
    rest = url.split("://", 1)[1]
    authority = re.split(r"[/?#]", rest)[0]
    behind = rest[len(authority) :]
    name = authority.rpartition("@")[2]
    host = name[1 : name.index("]")] if name.startswith("[") else name.split(":")[0]
    return host.lower() or None, behind.split("?")[0] if behind.startswith("/") else None


def endpoint(record: Record, name: str) -> str | None:
    ip, port = record.get(f"{name}_ip"), record.get(f"{name}_port")
    if ip is None:
        return None
    return (f"[{ip}]" if ":" in ip else ip) + (f":{port}" if port is not None else "")


def total(record: Record, *names: str) -> float | None:
    values = [record.get(name) for name in names]
    return None if None in values else sum(values)  # type: ignore[arg-type]


def common(record: Record) -> Record:
    kept = ("time", "client_ip", "client_port")
    return {name: record.get(name) for name in kept}


def request(record: Record) -> Record:
    host, path = of_url(record.get("request_url"))
    return {
        "method": record.get("request_method"), "host": host, "path": path, "url": record.get("request_url"),
        "protocol": record.get("request_protocol"),
    }  # fmt: skip


def of_alb(record: Record) -> Record:
    split = request(record)
    sni = record.get("domain_name")
    return common(record) | split | {
        "format": "alb", "load_balancer": record["elb"], "target": endpoint(record, "target"),
        "target_ip": record.get("target_ip"), "target_port": record.get("target_port"),
        "host": split["host"] or (None if sni in (None, "*") else sni.lower()),
        "status": record.get("elb_status_code"), "target_status": record.get("target_status_code"),
        "bytes_in": record.get("received_bytes"), "bytes_out": record.get("sent_bytes"),
        "latency": total(record, "request_processing_time", "target_processing_time", "response_processing_time"),
        "tls_version": record.get("ssl_protocol"), "tls_cipher": record.get("ssl_cipher"),
        "user_agent": record.get("user_agent"), "trace_id": record.get("trace_id"),
        "error_reason": record.get("error_reason"),
    }  # fmt: skip


def of_clb(record: Record) -> Record:
    return common(record) | request(record) | {
        "format": "clb", "load_balancer": record["elb"], "target": endpoint(record, "backend"),
        "target_ip": record.get("backend_ip"), "target_port": record.get("backend_port"),
        "status": record.get("elb_status_code"), "target_status": record.get("backend_status_code") or None,
        "bytes_in": record.get("received_bytes"), "bytes_out": record.get("sent_bytes"),
        "latency": total(record, "request_processing_time", "backend_processing_time", "response_processing_time"),
        "tls_version": record.get("ssl_protocol"), "tls_cipher": record.get("ssl_cipher"),
        "user_agent": record.get("user_agent"),
    }  # fmt: skip


def of_nlb(record: Record) -> Record:
    version, alert, took = (
        record.get(name) for name in ("tls_protocol_version", "incoming_tls_alert", "connection_time")
    )
    return common(record) | {
        "format": "nlb", "load_balancer": record["elb"], "protocol": record.get("alpn_fe_protocol"),
        "host": (record.get("domain_name") or "").lower() or None,
        "bytes_in": record.get("received_bytes"), "bytes_out": record.get("sent_bytes"),
        "latency": None if took is None else took / 1000,
        "tls_version": {"tlsv10": "TLSv1.0", "tlsv11": "TLSv1.1", "tlsv12": "TLSv1.2", "tlsv13": "TLSv1.3"}.get(version, version),
        "tls_cipher": record.get("tls_cipher"), "error_reason": None if alert is None else f"tls_alert_{alert}",
    }  # fmt: skip


def of_haproxy(record: Record) -> Record:
    split = request(record)
    server, state = record.get("server"), record.get("termination_state", "--")
    status = record.get("status_code") if record.get("status_code") != -1 else None
    took, own = record.get("time_total_ms"), (server or "").startswith("<")
    answered = record.get("time_response_ms") is not None and not own and not state.startswith("P")
    return common(record) | split | {
        "format": record["format"], "load_balancer": record["frontend"].rstrip("~"),
        "host": split["host"] or (record.get("ssl_sni") or "").lower() or None,
        "target": None if server is None or own else f"{record['backend']}/{server}",
        "target_ip": record.get("server_ip"), "target_port": record.get("server_port"),
        "status": status, "target_status": status if answered else None,
        "bytes_in": record.get("bytes_uploaded"), "bytes_out": record.get("bytes_read"),
        "latency": None if took is None else took / 1000,
        "tls_version": record.get("ssl_version"), "tls_cipher": record.get("ssl_cipher"),
        "error_reason": record.get("message") or (None if state[:2] == "--" else state[:2]),
    }  # fmt: skip


def close(row: Record) -> Record:
    """A row whose sum of decimals may differ in the last bit."""
    return plain(row | {"latency": None if row.get("latency") is None else round(row["latency"], 9)})


@pytest.mark.parametrize(("kind", "expected"), [("alb", of_alb), ("clb", of_clb), ("nlb", of_nlb)])
def test_requests_of_aws_hold_what_the_truth_says(
    samples: Path,
    kind: str,
    expected: Callable[[Record], Record],
) -> None:
    found = [close(row) for row in ask(samples, f"SELECT * EXCLUDE (_id) FROM requests WHERE format = '{kind}'")]
    records = [close(expected(record)) for record in truth(kind)]
    assert sorted(map(str, found)) == sorted(map(str, records))
    assert len(found) == 280


def test_requests_of_haproxy_hold_what_each_record_says(samples: Path) -> None:
    found = {row["_id"]: close(row) for row in ask(samples, "FROM requests WHERE format LIKE 'haproxy%'")}
    records = [record for record in haproxy_records() if record["format"] != "haproxy_admin"]
    assert found == {record["_id"]: close(of_haproxy(record) | {"_id": record["_id"]}) for record in records}
    assert {record["format"] for record in records} == {
        name for name, known in formats().items() if known.vendor == "haproxy"
    } - {"haproxy_admin"}


def test_haproxy_holds_the_rows_of_all_its_formats(samples: Path) -> None:
    counts = {row["format"]: row["n"] for row in ask(samples, "SELECT format, count(*) AS n FROM haproxy GROUP BY 1")}
    records = [record["format"] for record in haproxy_records()]
    assert counts == {name: records.count(name) for name in set(records)}
    assert "haproxy_admin" in counts


CUSTOM = Format(
    name="haproxy_custom", title="", about="", source="", framing="syslog", vendor="haproxy", example="",
    layouts=(compile_log_format("%ci:%cp [%tr] %ft %ID %TR %{+Q}[req.hdr(host)] %(time_total_ms)b %ST %{+Q}r"),),
)  # fmt: skip
CUSTOM_LINE = b'192.0.2.7:1 [20/Nov/2026:19:54:26.882] web~ u-1 5 "a\'b" slow 200 "GET /x?y HTTP/1.1"\n'


@pytest.fixture
def custom(tmp_path: Path) -> Path:
    return made(tmp_path / "custom", CUSTOM_LINE, plan=Plan(formats=(CUSTOM,), explicit=True))


def test_a_custom_format_has_a_view_with_the_columns_of_its_files(custom: Path) -> None:
    (row,) = ask(custom, "FROM haproxy_custom")
    (batch, _rest) = parsed(CUSTOM_LINE, "0.log", Plan(formats=(CUSTOM,), explicit=True))
    (record,) = objects(bytes(batch.records.ndjson(ids=True)))
    assert plain(row) == plain(record)
    assert row["req.hdr(host)"] == "a'b"


def test_a_custom_format_is_part_of_haproxy_and_requests_whatever_its_columns_hold(custom: Path) -> None:
    (row,) = ask(custom, "FROM requests")
    told = ("format", "load_balancer", "path", "status", "trace_id", "latency")
    assert [row[name] for name in told] == ["haproxy_custom", "web", "/x", 200, "u-1", None]
    (row,) = ask(custom, 'SELECT "req.hdr(host)" AS host, time_total_ms FROM haproxy')
    assert row == {"host": "a'b", "time_total_ms": None}


def test_files_of_an_older_and_a_newer_version_are_read_together(tmp_path: Path) -> None:
    directory = made(tmp_path / "store", alb("2026-09-23", 1))
    (path,) = directory.glob("data/*/*/*.parquet")
    table = pq.read_table(path, partitioning=None)
    other = table.drop_columns(["user_agent", "target_ip"]).append_column("field_37", pa.array(["new"]))
    named = path.with_name("other.parquet")
    pq.write_table(other, named)
    with open_store(directory, StillClock()) as store:
        pq.write_table(other, named)  # opening has removed what no receipt lists
        file = StoredFile(str(named.relative_to(directory)), "alb", "2026-09-23", 1, named.stat().st_size)
        store.state.commit(replace(receipt(item("other"), "store:x"), parts=1), [file])
    rows = ask(directory, "SELECT user_agent, field_37 FROM alb ORDER BY field_37 NULLS FIRST")
    assert rows == [{"user_agent": "Dart/3.11 (dart:io)", "field_37": None}, {"user_agent": None, "field_37": "new"}]
    assert len(ask(directory, "FROM requests")) == 2


def test_a_column_that_a_custom_format_calls_format_gives_way(tmp_path: Path) -> None:
    known = replace(CUSTOM, layouts=(compile_log_format("%ci:%cp [%tr] %(format)f %r"),))
    line = b"192.0.2.7:1 [20/Nov/2026:19:54:26.882] web GET / HTTP/1.1\n"
    directory = made(tmp_path / "store", line, plan=Plan(formats=(known,), explicit=True))
    (row,) = ask(directory, "FROM requests")
    assert row["format"] == "haproxy_custom"
