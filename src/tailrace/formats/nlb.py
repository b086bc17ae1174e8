"""Network Load Balancer, TLS log: version 1.0 with 18 fields, version 2.0 with 21 or 22.

https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-access-logs.html
"""

from __future__ import annotations

from dataclasses import replace

from tailrace.formats._fields import (
    BYTES,
    CERTIFICATE,
    CLIENT,
    MILLISECONDS,
    endpoint,
    listed,
    number,
    text,
    time,
    tls,
)
from tailrace.kernel.layout import Columns, Field, Format, Objects

FIELDS: tuple[Field, ...] = (
    text("type", "always tls: other listeners write no log", "aws.elb.type", "network.protocol.name"),
    text("version", "version of the log entry, 1.0 or 2.0", "aws.elb.log_version", "aws.elb.log_version"),
    time("time", "end of the connection", "@timestamp", "timestamp"),
    text("elb", "the load balancer: net/NAME/ID", "aws.elb.name", "cloud.resource_id"),
    text("listener", "id of the listener", otel="aws.elb.tls.listener.resource_id"),
    CLIENT,
    endpoint("destination", "the listener, or the VPC endpoint", ("destination.ip", "destination.port"),
             ("destination.address", "destination.port")),
    number("connection_time", "from opening to closing", "aws.elb.connection_time.ms", unit=MILLISECONDS,
           minus_one_absent=True),
    number("tls_handshake_time", "how long the handshake took; none if it failed", "aws.elb.tls_handshake_time.ms",
           unit=MILLISECONDS, minus_one_absent=True),
    number("received_bytes", "received from the client, decrypted", "source.bytes", "http.request.size", unit=BYTES),
    number("sent_bytes", "sent to the client, before encryption", "destination.bytes", "http.response.size", unit=BYTES),
    number("incoming_tls_alert", "TLS alert received from the client"),
    text("chosen_cert_arn", CERTIFICATE, "aws.elb.chosen_cert.arn"),
    text("chosen_cert_serial", "reserved", "aws.elb.chosen_cert.serial"),
    *tls("tls_cipher", "tls_protocol_version", "TLS version: tlsv10 to tlsv13",
         ("aws.elb.ssl_protocol", "tls.protocol.version")),
    text("tls_named_group", "key exchange group; AWS calls it tls_keyexchange since 2026", "tls.curve"),
    text("domain_name", "SNI, URL-encoded", "tls.client.server_name", "url.domain"),
    text("alpn_fe_protocol", "protocol agreed with the client"),
    text("alpn_be_protocol", "protocol agreed with the target"),
    listed("alpn_client_preference_list", "offers", "what the client offered, cut at 256 bytes", separator=","),
    time("tls_connection_creation_time", "beginning of the connection", "event.start"),
)  # fmt: skip

VENDED = tuple(replace(field, key="tls_keyexchange") if field.key == "tls_named_group" else field for field in FIELDS)

FORMAT = Format(
    name="nlb",
    title="Network Load Balancer, TLS log",
    about="One line for each TLS connection. Times of day are UTC although they carry no zone, durations are "
    "milliseconds. The list of protocols holds quotes and commas and is one field all the same.",
    source="https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-access-logs.html",
    layouts=(
        Columns(fields=FIELDS, required=12, starts=("name", "version", "time")),
        Objects(fields=VENDED, mark="listener"),
    ),
    example="tls 2.0 2026-10-03T22:15:00 net/web/c6e77e28c25b2234 g3d4b5e8bb8464cd 198.51.100.112:51341 "
    "203.0.113.185:443 5 2 98 246 - "
    "arn:aws:acm:us-east-2:123456789012:certificate/2a108f19-aded-46b0-8493-c63eb1ef4a99 - "
    'ECDHE-RSA-AES128-GCM-SHA256 tlsv12 - web.example.com h2 h2 "h2","http/1.1" 2026-10-03T22:14:58',
)
