"""Application Load Balancer, connection log: 11 fields, then 12, now 15.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-connection-logs.html
"""

from __future__ import annotations

from tailrace.formats._fields import NODE, number, seconds, text, time
from tailrace.kernel.layout import Columns, Field, Format, Objects

FIELDS: tuple[Field, ...] = (
    time("time", "when the connection was established or failed", "@timestamp", "timestamp"),
    text("client_ip", "address of the client", "source.ip", "client.address"),
    number("client_port", "port of the client", "source.port", "client.port"),
    number("listener_port", "port of the listener", "destination.port", "destination.port"),
    text("tls_protocol", "TLS version, such as TLSv1.3", "tls.version", "tls.protocol.version", drop="TLSv"),
    text("tls_cipher", "cipher in OpenSSL's spelling", "tls.cipher", "tls.cipher"),
    seconds("tls_handshake_latency", "how long the handshake took", "aws.elb.tls_handshake_latency.sec"),
    text("leaf_client_cert_subject", "subject of the client's certificate (RFC 2253)", "tls.client.subject",
         "tls.client.subject", quoted=True),
    text("leaf_client_cert_validity", "NotBefore=…;NotAfter=… of the client's certificate"),
    text("leaf_client_cert_serial_number", "serial number of the client's certificate"),
    text("tls_verify_status", "Success, or Failed:CODE"),
    text("conn_trace_id", "TID_…, as in the access log", otel="aws.elb.connection_trace_id"),
    text("tls_keyexchange", "key exchange, such as x25519", "tls.curve", "tls.curve"),
    text("elb", "the load balancer: app/NAME/ID", "aws.elb.name", "cloud.resource_id"),
    NODE,
)  # fmt: skip

FORMAT = Format(
    name="alb_connection",
    title="Application Load Balancer, connection log",
    about="One line for each connection, sound or failed. A failed handshake without a client certificate and a plain "
    "HTTP connection look the same apart from the port.",
    source="https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-connection-logs.html",
    layouts=(
        Columns(fields=FIELDS, required=7, starts=("time", "ip", "integer", "integer")),
        Objects(fields=FIELDS, mark="listener_port"),
    ),
    example="2026-09-23T07:11:27.691358Z 192.0.2.40 64326 443 TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256 0.337 "
    '"CN=probe.example.com,O=Example, Inc.,C=NZ" NotBefore=2026-01-01T00:00:00Z;NotAfter=2027-01-01T00:00:00Z '
    "FEF257372D5C14D4 Success TID_cc84979967d1a50e7da0aa752732d4cd secp256r1 app/web/ae5aa1d99ee1b260 203.0.113.57",
)
