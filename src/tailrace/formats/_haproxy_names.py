"""HAProxy's log-format aliases: the column that each fills, and how its end is found.

Names are those of the agreement in the design; an alias without one keeps its own. Texts follow the configuration
manual, sections 8.2.2, 8.2.3 and 8.2.6.

https://docs.haproxy.org/3.2/configuration.html#8.2.6
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tailrace.formats._names import Names
from tailrace.kernel.layout import Column, Escape, Kind, Shape, Type


@dataclass(frozen=True, slots=True)
class Alias:
    """What an alias stands for. `parts` are the columns that its text is split into."""

    column: Column
    shape: Shape | Literal["address"]
    label: str
    kind: Kind = "text"
    escape: Escape = ""
    minus_one_absent: bool = False
    parts: tuple[Column, ...] = ()
    never_quoted: bool = False
    """HAProxy writes numbers, dates and termination states without quotes even under `+Q`."""


def column(name: str, doc: str, type_: Type = "text", names: tuple[str, ...] = (), unit: str = "") -> Column:
    """A column. `names`: in ECS, in OpenTelemetry, and what is taken off the value there."""
    given = Names(*names)
    ecs, otel = (known or f"haproxy.{name}" for known in (given.ecs, given.otel))
    return Column(name=name, type=type_, doc=doc, unit=unit, ecs=ecs, otel=otel, drop_prefix=given.drop)


def _word(alias: str, name: str, doc: str, *names: str) -> Alias:
    return Alias(column(name, doc, "text", names), "word", f"%{alias}")


def _state(alias: str, doc: str) -> Alias:
    return Alias(column("termination_state", doc), "word", f"%{alias}", never_quoted=True)


def _count(alias: str, name: str, doc: str, *names: str, unit: str = "") -> Alias:
    return Alias(column(name, doc, "int", names, unit), "integer", f"%{alias}", "int", never_quoted=True)


def _timer(alias: str, name: str, doc: str, *names: str) -> Alias:
    what = column(name, doc, "int", names, unit="ms")
    return Alias(what, "integer", f"%{alias}", "int", minus_one_absent=True, never_quoted=True)


def _date(alias: str, doc: str) -> Alias:
    what = column("time", doc, "time", ("@timestamp", "timestamp"))
    return Alias(what, "date", f"%{alias}", "time", never_quoted=True)


def _address(alias: str, name: str, doc: str, *names: str) -> Alias:
    return Alias(column(name, doc, "text", names), "address", f"%{alias}")


def _cookie(alias: str, name: str, doc: str, *names: str) -> Alias:
    return Alias(column(name, doc, "text", names), "cookies", f"%{alias}")


def _captured(alias: str, which: str, shape: Shape) -> Alias:
    doc = f"headers captured from the {which}, decoded, in the order of the configuration"
    what = column(f"captured_{which}_headers", doc, "texts", (f"haproxy.http.{which}.captured_headers",))
    return Alias(what, shape, f"%{alias}", "captures", "hash")


def _part(alias: str, name: str, doc: str, *names: str) -> Alias:
    return Alias(column(name, doc, "text", names), "word", f"%{alias}", "text", "hash")


METHOD = _part("HM", "request_method", "HTTP method, decoded", "http.request.method", "http.request.method")
URL = _part("HU", "request_url", "URL as the client sent it, decoded", "url.original", "url.full")
VERSION = _part(
    "HV", "request_protocol", "HTTP version, such as HTTP/1.1", "http.version", "network.protocol.version", "HTTP/"
)
REQUEST = Alias(
    column("request", "the request line as logged; `<BADREQ>` if it could not be read", "text",
           ("haproxy.http.request.raw_request_line", "haproxy.request")),
    "request", "%r", "request", "hash", parts=(METHOD.column, URL.column, VERSION.column),
)  # fmt: skip

ALIASES: dict[str, Alias] = {alias.label.removeprefix("%"): alias for alias in (
    _date("t", "when the connection was accepted"),
    _date("T", "when the connection was accepted"),
    _date("Tl", "when the connection was accepted"),
    _date("tr", "when the first byte of the request was received"),
    _date("trg", "when the first byte of the request was received"),
    _date("trl", "when the first byte of the request was received"),
    _date("Ts", "when the connection was accepted"),
    _count("ms", "ms", "milliseconds of the time of accepting", unit="ms"),
    _address("ci", "client_ip", "address of the client; `unix` for a socket", "source.ip", "client.address"),
    _count("cp", "client_port", "port of the client", "source.port", "client.port"),
    _address("fi", "frontend_ip", "address that accepted the connection", "destination.ip", "destination.address"),
    _count("fp", "frontend_port", "port that accepted the connection", "destination.port", "destination.port"),
    _address("si", "server_ip", "address of the server", "server.ip", "server.address"),
    _count("sp", "server_port", "port of the server", "server.port", "server.port"),
    _address("bi", "bi", "address that HAProxy connected from"),
    _count("bp", "bp", "port that HAProxy connected from"),
    _word("f", "frontend", "the frontend", "haproxy.frontend_name"),
    _word("ft", "frontend", "the frontend; `~` at its end means TLS", "haproxy.frontend_name"),
    _word("b", "backend", "the backend", "haproxy.backend_name"),
    _word("s", "server", "the server; `<NOSRV>` if none was chosen, or an applet", "haproxy.server_name"),
    _timer("TR", "time_request_ms", "receiving the request, after its first byte", "haproxy.http.request.time_wait_ms"),
    _timer("Tq", "time_request_ms", "receiving the request, handshakes and idle time included",
           "haproxy.http.request.time_wait_ms"),
    _timer("Tw", "time_queue_ms", "waiting in queues", "haproxy.total_waiting_time_ms"),
    _timer("Tc", "time_connect_ms", "connecting to the server", "haproxy.connection_wait_time_ms"),
    _timer("Tr", "time_response_ms", "waiting for the server's response",
           "haproxy.http.request.time_wait_without_data_ms"),
    _timer("Ta", "time_total_ms", "the whole request; a minimum under logasap"),
    _timer("Tt", "time_total_ms", "the whole session; a minimum under logasap"),
    _timer("Th", "Th", "handshakes (TLS, PROXY protocol)"),
    _timer("Ti", "Ti", "idle before the request"),
    _timer("Td", "Td", "transmitting the data"),
    _timer("Tu", "Tu", "as the user sees it, from the request to the end"),
    _count("ST", "status_code", "status sent to the client; -1 if none was", "http.response.status_code",
           "http.response.status_code"),
    _count("B", "bytes_read", "sent to the client; a minimum under logasap", unit="bytes"),
    _count("U", "bytes_uploaded", "sent to the server", unit="bytes"),
    _cookie("CC", "captured_request_cookie", "captured cookie of the request, NAME=VALUE, not decoded",
            "haproxy.http.request.captured_cookie"),
    _cookie("CS", "captured_response_cookie", "captured cookie of the response, NAME=VALUE, not decoded",
            "haproxy.http.response.captured_cookie"),
    _state("ts", "how the session ended: 2 characters"),
    _state("tsc", "how the session ended, and what became of the cookie: 4 characters"),
    _count("ac", "actconn", "connections of the process", "haproxy.connections.active"),
    _count("fc", "feconn", "connections of the frontend", "haproxy.connections.frontend"),
    _count("bc", "beconn", "connections of the backend", "haproxy.connections.backend"),
    _count("sc", "srvconn", "connections of the server", "haproxy.connections.server"),
    _count("rc", "retries", "connection retries; the `+` of a redispatch is not kept", "haproxy.connections.retries"),
    _count("sq", "srv_queue", "requests before this one in the server's queue", "haproxy.server_queue"),
    _count("bq", "backend_queue", "requests before this one in the backend's queue", "haproxy.backend_queue"),
    _captured("hr", "request", "captures"),
    _captured("hs", "response", "captures"),
    _captured("hrl", "request", "listed"),
    _captured("hsl", "response", "listed"),
    REQUEST, METHOD, URL, VERSION,
    _part("HP", "HP", "URL without its query, decoded"),
    _part("HPO", "HPO", "path of the URL, decoded"),
    Alias(column("HQ", "query of the URL, decoded"), "query", "%HQ", "text", "hash"),
    Alias(column("ssl_version", "TLS version, such as TLSv1.3", "text", ("tls.version", "tls.protocol.version", "TLSv")),
          "word", "%sslv"),
    _word("sslc", "ssl_cipher", "cipher of the client's connection", "tls.cipher", "tls.cipher"),
    _word("ID", "ID", "unique id of the request"),
    _word("H", "H", "host name of HAProxy's machine"),
    _word("OG", "OG", "where the line was written from"),
    _count("pid", "pid", "process id of HAProxy", "process.pid", "process.pid"),
    _count("rt", "rt", "counter of requests"),
    _count("lc", "lc", "counter of the frontend's log lines"),
)}  # fmt: skip

EXPRESSIONS: dict[str, Alias] = {alias.label: alias for alias in (
    Alias(column("fc_err", "error code of the client's connection", "int", ("haproxy.connections.fc_err",)),
          "integer", "fc_err", "int"),
    Alias(column("ssl_fc_err", "OpenSSL error of the client's connection, 16 hex digits", "text",
                 ("haproxy.connections.ssl_fc_err",)), "word", "ssl_fc_err,hex"),
    Alias(column("ssl_c_err", "error in verifying the client's certificate", "int",
                 ("haproxy.connections.ssl_c_err",)), "integer", "ssl_c_err", "int"),
    Alias(column("ssl_c_ca_err", "error in verifying the certificate's chain", "int",
                 ("haproxy.connections.ssl_c_ca_err",)), "integer", "ssl_c_ca_err", "int"),
    Alias(column("ssl_resumed", "1 if the TLS session was resumed", "int", ("haproxy.ssl_resumed",)),
          "integer", "ssl_fc_is_resumed", "int"),
    Alias(column("ssl_sni", "SNI of the TLS handshake", "text", ("tls.client.server_name", "url.domain")),
          "loose", "ssl_fc_sni"),
)}  # fmt: skip


def alias_of(name: str) -> Alias | None:
    """The alias of this name, or None."""
    return ALIASES.get(name)
