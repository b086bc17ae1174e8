"""Application Load Balancer, access log: 18 to 34 documented fields, and 2 without a name since 2026-09.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
"""

from __future__ import annotations

from tailrace.formats._fields import (
    BYTES,
    CERTIFICATE,
    CLIENT,
    NODE,
    decoded,
    endpoint,
    listed,
    number,
    request,
    seconds,
    text,
    time,
    tls,
    user_agent,
)
from tailrace.kernel.layout import Columns, Field, Format, Objects

FIELDS: tuple[Field, ...] = (
    text("type", "http, https, h2, grpcs, ws or wss", "aws.elb.type", "network.protocol.name"),
    time("time", "when the response was generated; for a WebSocket, when it was closed", "@timestamp", "timestamp"),
    text("elb", "the load balancer: app/NAME/ID", "aws.elb.name", "cloud.resource_id"),
    CLIENT,
    endpoint("target", "the target; none for Lambda, redirects, blocked and malformed requests",
             ("aws.elb.backend.ip", "aws.elb.backend.port"), ("destination.address", "destination.port")),
    seconds("request_processing_time", "from receiving the request until it was sent to a target",
            "aws.elb.request_processing_time.sec"),
    seconds("target_processing_time", "from sending the request until the target began to answer",
            "aws.elb.backend_processing_time.sec"),
    seconds("response_processing_time", "from receiving the answer until it was sent to the client",
            "aws.elb.response_processing_time.sec"),
    number("elb_status_code", "status that the load balancer sent", "http.response.status_code", "aws.elb.status.code"),
    number("target_status_code", "status that the target sent",
           "aws.elb.backend.http.response.status_code", "aws.elb.backend.status.code"),
    number("received_bytes", "received from the client, headers included", "http.request.bytes", "http.request.size",
           unit=BYTES),
    number("sent_bytes", "sent to the client, headers included", "http.response.bytes", "http.response.size", unit=BYTES),
    request("hex"),
    user_agent("hex"),
    *tls("ssl_cipher", "ssl_protocol", "TLS version, such as TLSv1.3", ("tls.version", "tls.protocol.version"), "TLSv"),
    text("target_group_arn", "ARN of the target group", "aws.elb.target_group.arn"),
    text("trace_id", "content of the X-Amzn-Trace-Id header; parts of it can be set by the client",
         otel="aws.elb.aws_trace_id", quoted=True),
    text("domain_name", "SNI of the TLS handshake", "tls.client.server_name", "url.domain", quoted=True),
    text("chosen_cert_arn", CERTIFICATE, "aws.elb.chosen_cert.arn", quoted=True),
    number("matched_rule_priority", "1 to 50000, 0 for the default rule, -1 if evaluating the rules failed"),
    time("request_creation_time", "when the request was received", "event.start"),
    listed("actions_executed", "texts", "authenticate, fixed-response, forward, redirect, waf, waf-failed",
           "aws.elb.action_executed", separator=","),
    decoded("redirect_url", "target of a redirect, decoded", escape="hex"),
    text("error_reason", "code of what failed: Auth…, Lambda…, WAF…", "aws.elb.error.reason", quoted=True),
    listed("target_port_list", "texts", "every target tried, as ip:port", "aws.elb.target_port"),
    listed("target_status_code_list", "ints", "the status of every target tried", "aws.elb.target_status_code"),
    text("classification", "desync protection: Acceptable, Ambiguous or Severe", quoted=True),
    text("classification_reason", "why it was classified so", quoted=True),
    text("conn_trace_id", "TID_…, as in the connection log", otel="aws.elb.connection_trace_id"),
    text("transformed_host", "Host header after a transform", quoted=True),
    text("transformed_uri", "URI after a transform", quoted=True),
    text("request_transform_status", "TransformSuccess, or why a transform failed", quoted=True),
    NODE,
)  # fmt: skip

FORMAT = Format(
    name="alb",
    title="Application Load Balancer, access log",
    about="One line for each request. AWS appends fields at the end and never changes the others: old lines with 18 "
    "fields and new ones with 36 and more all parse; what has no name yet goes to `extra`.",
    source="https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html",
    layouts=(
        Columns(fields=FIELDS, required=12, starts=("name", "time", "path")),
        Objects(fields=FIELDS, mark="elb_status_code"),
    ),
    example=r"https 2026-09-23T07:15:47.805298Z app/web/ae5aa1d99ee1b260 198.51.100.165:5815 10.20.20.37:80 "
    r"0.001 0.003 0.000 200 200 153 3860 "
    r'"GET https://www.example.com:443/search?q=\x22tail\x22 HTTP/1.1" "Dart/3.11 (dart:io)" '
    r"ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 "
    r"arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/8a124899b060032e "
    r'"Root=1-6ab37ca3-8ce81a83be274743408939f8" "www.example.com" '
    r'"arn:aws:acm:us-east-1:123456789012:certificate/9114080f-86d8-098e-6d30-8d04f6cdc159" 2 '
    r'2026-09-23T07:15:47.801000Z "forward" "-" "-" "10.20.20.37:80" "200" "-" "-" '
    r'TID_c826c5764a158750871f2faaafae2f3f "-" "-" "-" 203.0.113.60 "-" "-"',
)
