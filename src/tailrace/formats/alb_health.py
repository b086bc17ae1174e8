"""Application Load Balancer, health-check log: 8 fields in 2025-11, then 10.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-health-check-logs.html
"""

from __future__ import annotations

from tailrace.formats._fields import NODE, SECONDS, column, number, text, time
from tailrace.kernel.layout import Columns, Field, Format, Objects

FIELDS: tuple[Field, ...] = (
    text("type", "protocol of the check: http, https, h2, grpc", "network.protocol", "network.protocol.name"),
    time("time", "when the check was made", "@timestamp", "timestamp"),
    Field(label="latency", key="latency", kind="float", minus_one_absent=True,
          columns=(column("latency", "float", "how long the check took", unit=SECONDS, names=("aws.elb.latency.sec", "")),)),
    Field(label="target_addr", key="target_addr", kind="target", columns=(
        column("target_addr", "text", "the target as written: ip:port, or the ARN of a function"),
        column("target_ip", "text", "address of the target", names=("aws.elb.backend.ip", "destination.address")),
        column("target_port", "int", "port of the target", names=("aws.elb.backend.port", "destination.port")),
    )),
    text("target_group_id", "name of the target group", "aws.elb.target_group.id"),
    text("status", "PASS or FAIL", otel="aws.elb.health_check.status"),
    number("status_code", "status that the target sent", "http.response.status_code", "http.response.status_code"),
    text("reason_code", "why the check failed, such as TargetError", "aws.elb.error.reason", "aws.elb.error_reason"),
    text("elb", "the load balancer: app/NAME/ID", "aws.elb.name", "cloud.resource_id"),
    NODE,
)  # fmt: skip

FORMAT = Format(
    name="alb_health",
    title="Application Load Balancer, health-check log",
    about="One line for each health check of a target.",
    source="https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-health-check-logs.html",
    layouts=(
        Columns(fields=FIELDS, required=6, starts=("name", "time", "float")),
        Objects(fields=FIELDS, mark="target_addr"),
    ),
    example="http 2025-10-31T12:44:59.875678Z 0.019584011 172.31.20.97:80 web-targets PASS 200 - "
    "app/web/ae5aa1d99ee1b260 203.0.113.57",
)
