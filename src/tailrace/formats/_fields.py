"""Short ways to declare the fields of AWS's load balancers, with their names in ECS and OpenTelemetry.

Without a name of its own a column is `aws.elb.NAME` in both schemas, as Elastic's integration and OpenTelemetry's
AWS encoding name what their vocabularies do not know.
"""

from __future__ import annotations

from typing import Any

from tailrace.formats._names import Names
from tailrace.kernel.layout import Column, Escape, Field, Kind, Type

SECONDS = "s"
MILLISECONDS = "ms"
BYTES = "bytes"


def column(name: str, type_: Type, doc: str, *, unit: str = "", names: tuple[str, ...] = ()) -> Column:
    """A column. `names`: in ECS, in OpenTelemetry, and what is taken off the value there."""
    given = Names(*names)
    ecs, otel = (known or f"aws.elb.{name}" for known in (given.ecs, given.otel))
    return Column(name=name, type=type_, doc=doc, unit=unit, ecs=ecs, otel=otel, drop_prefix=given.drop)


def text(name: str, doc: str, ecs: str = "", otel: str = "", **how: Any) -> Field:
    """A word or a quoted text."""
    drop = how.pop("drop", "")
    return Field(
        label=how.pop("label", name),
        key=name,
        columns=(column(name, "text", doc, names=(ecs, otel, drop)),),
        **how,
    )


def decoded(name: str, doc: str, ecs: str = "", otel: str = "", *, escape: Escape) -> Field:
    """A quoted text with escapes, and a second column for the text as written where decoding changed it."""
    raw = f"the text of {name} as written, where decoding changed it"
    columns = (
        column(name, "text", doc, names=(ecs, otel)),
        column(f"{name}_raw", "text", raw),
    )
    return Field(label=name, key=name, columns=columns, quoted=True, escape=escape)


def number(name: str, doc: str, ecs: str = "", otel: str = "", **how: Any) -> Field:
    """An integer; `unit` and `minus_one_absent` as the vendor says."""
    unit = how.pop("unit", "")
    return Field(
        label=name, key=name, kind="int", columns=(column(name, "int", doc, unit=unit, names=(ecs, otel)),), **how
    )


def seconds(name: str, doc: str, ecs: str = "", otel: str = "") -> Field:
    """A duration in seconds as a decimal number; -1 where the stage was not reached."""
    columns = (column(name, "float", doc, unit=SECONDS, names=(ecs, otel)),)
    return Field(label=name, key=name, kind="float", columns=columns, minus_one_absent=True)


def time(name: str, doc: str, ecs: str = "", otel: str = "") -> Field:
    """A time of day, ISO 8601; UTC if it does not say otherwise."""
    return Field(label=name, key=name, kind="time", columns=(column(name, "time", doc, names=(ecs, otel)),))


def endpoint(name: str, who: str, ecs: tuple[str, str], otel: tuple[str, str]) -> Field:
    """`ip:port` in one field; IPv6 with and without brackets."""
    columns = (
        column(f"{name}_ip", "text", f"address of {who}, without brackets", names=(ecs[0], otel[0])),
        column(f"{name}_port", "int", f"port of {who}", names=(ecs[1], otel[1])),
    )
    return Field(label=f"{name}:port", key=f"{name}_port", kind="endpoint", columns=columns)


def request(escape: Escape) -> Field:
    """The quoted request line: as logged, and its three parts decoded."""
    columns = (
        column("request", "text", "the request line as logged, escapes and spaces included"),
        column("request_method", "text", "method, decoded", names=("http.request.method", "http.request.method")),
        column("request_url", "text", "URL with scheme, host and port, decoded", names=("url.original", "url.full")),
        column("request_protocol", "text", "HTTP version, such as HTTP/1.1",
               names=("http.version", "network.protocol.version", "HTTP/")),
    )  # fmt: skip
    return Field(label="request", key="request_line", kind="request", columns=columns, quoted=True, escape=escape)


def listed(name: str, kind: Kind, doc: str, ecs: str = "", separator: str = " ") -> Field:
    """A list in one field; an empty pair of quotes is an empty list."""
    type_: Type = "ints" if kind == "ints" else "texts"
    columns = (column(name, type_, doc, names=(ecs, "")),)
    quoted = kind != "offers"
    return Field(label=name, key=name, kind=kind, columns=columns, separator=separator, quoted=quoted, bare=not quoted)


def user_agent(escape: Escape) -> Field:
    """The User-Agent header, in quotes."""
    doc = "User-Agent header, decoded; cut by the load balancer at 8 KB"
    return decoded("user_agent", doc, "user_agent.original", "user_agent.original", escape=escape)


def tls(cipher: str, protocol: str, protocol_doc: str, names: tuple[str, str], drop: str = "") -> tuple[Field, Field]:
    """Cipher and protocol of a TLS connection."""
    return (
        text(cipher, "cipher in OpenSSL's spelling", "tls.cipher", "tls.cipher"),
        text(protocol, protocol_doc, *names, drop=drop),
    )


CLIENT = endpoint("client", "the client", ("source.ip", "source.port"), ("client.address", "client.port"))
NODE = text("ip_address", "address of the load balancer's node")
CERTIFICATE = "ARN of the certificate presented to the client, or session-reused"
