r"""The view `requests`: one row for each request or connection, under names that are the same for every format.

`COLUMNS` is the whole definition: what each column means, and from which columns of each family it is made. The
formats of HAProxy, custom ones too, are one family: their columns share their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tailrace.store.sqltext import literal

FAMILIES = ("alb", "clb", "nlb", "haproxy")
"""The views that `requests` is made of."""
NO_REQUESTS = ("haproxy_admin",)
"""Formats of HAProxy whose lines are about no request or connection."""


@dataclass(frozen=True, slots=True)
class Common:
    """A column of `requests`: its SQL type, its meaning, and the SQL that makes it from a family's columns."""

    name: str
    type: str
    doc: str
    of: Mapping[str, str]


_AUTHORITY = literal(r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(\[[^\]/?#]*\]|[^:/?#]*)")
_PATH = literal(r"^(?:[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)?(/[^?]*|\*$)")
_HOST = f"nullif(lower(trim(regexp_extract(request_url, {_AUTHORITY}, 1), '[]')), '')"
_URL_PATH = f"nullif(regexp_extract(request_url, {_PATH}, 1), '')"
_OWN_ANSWER = "server LIKE '<%' OR coalesce(termination_state, '--') LIKE 'P%'"
"""HAProxy answered itself: no server was chosen, an applet was, or the server's answer was blocked."""


def _everywhere(sql: str) -> dict[str, str]:
    return dict.fromkeys(FAMILIES, sql)


def _address(name: str) -> str:
    """`ip:port`, with brackets around an IPv6 address."""
    ip, port = f"{name}_ip", f"{name}_port"
    return f"CASE WHEN contains({ip}, ':') THEN '[' || {ip} || ']' ELSE {ip} END || coalesce(':' || {port}, '')"


COLUMNS = (
    Common("time", "TIMESTAMPTZ", "when the log says that it happened, UTC", _everywhere("time")),
    Common("format", "VARCHAR", "the format that the line was written in", _everywhere("format")),
    Common("load_balancer", "VARCHAR", "name of the load balancer, or of HAProxy's frontend without its ~",
           {"alb": "elb", "clb": "elb", "nlb": "elb", "haproxy": "rtrim(frontend, '~')"}),
    Common("client_ip", "VARCHAR", "address of the client", _everywhere("client_ip")),
    Common("client_port", "BIGINT", "port of the client", _everywhere("client_port")),
    Common("target", "VARCHAR", "what answered: ip:port, or HAProxy's backend/server; null if the balancer did itself",
           {"alb": _address("target"), "clb": _address("backend"),
            "haproxy": "CASE WHEN server NOT LIKE '<%' THEN concat_ws('/', backend, server) END"}),
    Common("target_ip", "VARCHAR", "address of the target",
           {"alb": "target_ip", "clb": "backend_ip", "haproxy": "server_ip"}),
    Common("target_port", "BIGINT", "port of the target",
           {"alb": "target_port", "clb": "backend_port", "haproxy": "server_port"}),
    Common("method", "VARCHAR", "method of the request",
           {"alb": "request_method", "clb": "request_method", "haproxy": "request_method"}),
    Common("host", "VARCHAR", "host of the URL in lower case, without port; else the name in the TLS handshake",
           {"alb": f"coalesce({_HOST}, lower(nullif(domain_name, '*')))", "clb": _HOST, "nlb": "lower(domain_name)",
            "haproxy": f"coalesce({_HOST}, lower(ssl_sni))"}),
    Common("path", "VARCHAR", "path of the URL as logged, without its query",
           {"alb": _URL_PATH, "clb": _URL_PATH, "haproxy": _URL_PATH}),
    Common("url", "VARCHAR", "the whole URL as logged", {
           "alb": "request_url", "clb": "request_url", "haproxy": "request_url"}),
    Common("protocol", "VARCHAR", "HTTP version, such as HTTP/1.1; for NLB what was agreed by ALPN",
           {"alb": "request_protocol", "clb": "request_protocol", "nlb": "alpn_fe_protocol",
            "haproxy": "request_protocol"}),
    Common("status", "BIGINT", "status that was sent to the client; null if none was",
           {"alb": "elb_status_code", "clb": "elb_status_code", "haproxy": "nullif(status_code, -1)"}),
    Common("target_status", "BIGINT", "status that the target sent; for HAProxy the same where a server answered",
           {"alb": "target_status_code", "clb": "nullif(backend_status_code, 0)",
            "haproxy": f"CASE WHEN time_response_ms IS NOT NULL AND NOT ({_OWN_ANSWER})"
                       " THEN nullif(status_code, -1) END"}),
    Common("bytes_in", "BIGINT", "bytes received from the client; for CLB and HTTP the body's",
           {"alb": "received_bytes", "clb": "received_bytes", "nlb": "received_bytes", "haproxy": "bytes_uploaded"}),
    Common("bytes_out", "BIGINT", "bytes sent to the client; for CLB and HTTP the body's",
           {"alb": "sent_bytes", "clb": "sent_bytes", "nlb": "sent_bytes", "haproxy": "bytes_read"}),
    Common("latency", "DOUBLE", "seconds: ALB and CLB the sum of the three times, null unless all are known;"
           " HAProxy the total time; NLB how long the connection was open",
           {"alb": "request_processing_time + target_processing_time + response_processing_time",
            "clb": "request_processing_time + backend_processing_time + response_processing_time",
            "nlb": "connection_time / 1000", "haproxy": "time_total_ms / 1000"}),
    Common("tls_version", "VARCHAR", "TLS version, such as TLSv1.3",
           {"alb": "ssl_protocol", "clb": "ssl_protocol", "haproxy": "ssl_version",
            "nlb": r"regexp_replace(tls_protocol_version, '^tlsv(\d)(\d)$', 'TLSv\1.\2')"}),
    Common("tls_cipher", "VARCHAR", "TLS cipher, as the load balancer spells it",
           {"alb": "ssl_cipher", "clb": "ssl_cipher", "nlb": "tls_cipher", "haproxy": "ssl_cipher"}),
    Common("user_agent", "VARCHAR", "User-Agent header", {"alb": "user_agent", "clb": "user_agent"}),
    Common("trace_id", "VARCHAR", "X-Amzn-Trace-Id; HAProxy's unique id where a custom format logs it (%ID)",
           {"alb": "trace_id", "haproxy": '"ID"'}),
    Common("error_reason", "VARCHAR", "what went wrong: ALB's code; the client's TLS alert; HAProxy's message, or its"
           " termination state where that is not --",
           {"alb": "error_reason", "nlb": "'tls_alert_' || incoming_tls_alert",
            "haproxy": "coalesce(message, nullif(left(termination_state, 2), '--'))"}),
    Common("_id", "VARCHAR", "the record's id, as in the view of its format", _everywhere('"_id"')),
)  # fmt: skip

NEEDED = {"ID": "VARCHAR"}
"""Columns of custom HAProxy formats that `requests` looks at, although no format of Tailrace's own has them."""


def documentation() -> Iterator[tuple[str, str, str, Mapping[str, str]]]:
    """Name, SQL type, meaning, and the SQL for each family, for every column."""
    for column in COLUMNS:
        yield column.name, column.type, column.doc, column.of


def view() -> str:
    """The SELECT behind `requests`, over the views of its families."""
    return " UNION ALL ".join(_of_family(family) for family in FAMILIES)


def _of_family(family: str) -> str:
    columns = (f'CAST({column.of.get(family, "NULL")} AS {column.type}) AS "{column.name}"' for column in COLUMNS)
    others = ", ".join(literal(name) for name in NO_REQUESTS)
    condition = f" WHERE format NOT IN ({others})" if family == "haproxy" else ""
    return f"SELECT {', '.join(columns)} FROM {family}{condition}"  # noqa: S608 - put together from constants
