"""Classic Load Balancer: 12 fields before 2015-05-18, then 15; Eucalyptus writes 13 (HTTP) or 11 (TCP).

https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html
"""

from __future__ import annotations

from tailrace.formats._fields import BYTES, CLIENT, endpoint, number, request, seconds, text, time, tls, user_agent
from tailrace.kernel.layout import Columns, Field, Format

FIELDS: tuple[Field, ...] = (
    time("time", "when the request was received", "@timestamp", "timestamp"),
    text("elb", "name of the load balancer", "aws.elb.name", "cloud.resource_id"),
    CLIENT,
    endpoint("backend", "the instance; none if there was none",
             ("aws.elb.backend.ip", "aws.elb.backend.port"), ("destination.address", "destination.port")),
    seconds("request_processing_time", "from receiving the request until it was sent to an instance",
            "aws.elb.request_processing_time.sec"),
    seconds("backend_processing_time", "from sending the request until the instance began to answer",
            "aws.elb.backend_processing_time.sec"),
    seconds("response_processing_time", "from receiving the answer until it was sent to the client",
            "aws.elb.response_processing_time.sec"),
    number("elb_status_code", "status that the load balancer sent; none for TCP and SSL",
           "http.response.status_code", "aws.elb.status.code"),
    number("backend_status_code", "status that the instance sent; 0 with a 503",
           "aws.elb.backend.http.response.status_code", "aws.elb.backend.status.code"),
    number("received_bytes", "received from the client, for HTTP the body only",
           "http.request.body.bytes", "http.request.body.size", unit=BYTES),
    number("sent_bytes", "sent to the client, for HTTP the body only",
           "http.response.body.bytes", "http.response.body.size", unit=BYTES),
    request("backslash"),
    user_agent("backslash"),
    *tls("ssl_cipher", "ssl_protocol", "TLS version, such as TLSv1.2", ("tls.version", "tls.protocol.version"), "TLSv"),
)  # fmt: skip

FORMAT = Format(
    name="clb",
    title="Classic Load Balancer, access log",
    about="One record for each request or connection. A user agent may contain newlines, so that one record spans "
    "several lines: they are joined until its quote closes. The files are plain text, never compressed.",
    source="https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html",
    layouts=(
        Columns(
            fields=FIELDS, required=11, starts=("time", "name", "endpoint"), multiline=True, backslash_escapes=True
        ),
    ),
    example="2026-10-14T11:30:00.365759Z web 203.0.113.147:15729 10.0.10.77:8080 0.000073 0.001048 0.000057 200 200 "
    r'0 29 "GET http://www.example.com:80/ HTTP/1.1" "\"probe\" 1.0" - -',
)
