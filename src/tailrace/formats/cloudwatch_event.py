"""Events of CloudWatch Logs, whatever they say: each a JSON object, as Tailrace's source writes them.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilteredLogEvent.html
"""

from __future__ import annotations

from tailrace.kernel.layout import Column, Field, Format, Objects, Type


def _field(key: str, type_: Type, column: str, doc: str, names: tuple[str, str]) -> Field:
    ecs, otel = names
    return Field(
        label=key,
        key=key,
        kind="time" if type_ == "time" else "text",
        columns=(Column(name=column, type=type_, doc=doc, ecs=ecs, otel=otel),),
    )


FIELDS: tuple[Field, ...] = (
    _field("timestamp", "time", "time", "when it happened, as its writer told", ("@timestamp", "timestamp")),
    _field("message", "text", "message", "what the event says, newlines included", ("message", "body")),
    _field("logGroup", "text", "log_group", "the log group", ("aws.cloudwatch.log_group", "aws.log.group.name")),
    _field("logStream", "text", "log_stream", "the log stream", ("aws.cloudwatch.log_stream", "aws.log.stream.name")),
    _field("eventId", "text", "event_id", "CloudWatch's own id of the event", ("event.id", "aws.log.event.id")),
    _field("ingestionTime", "time", "ingestion_time", "when CloudWatch received it",
           ("aws.cloudwatch.ingestion_time", "observed_timestamp")),
    _field("owner", "text", "owner", "the account of the log group, if it is known", ("cloud.account.id", "cloud.account.id")),
)  # fmt: skip

FORMAT = Format(
    name="cloudwatch_event",
    title="Amazon CloudWatch Logs, any event",
    about="One object for each event of a log group, so that whatever stands there can be carried on. A message that is a single "
    "dash has no value.",
    source="https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilteredLogEvent.html",
    layouts=(Objects(fields=FIELDS, mark="logStream"),),
    example='{"timestamp":"2026-11-20T12:00:00.001Z","message":"second line with a\\ttab","logGroup":"/lb/example",'
    '"logStream":"app/example/50dc6c495c0c9188","eventId":"39331530000000000000000000000000000000000000000000000001",'
    '"ingestionTime":"2026-11-20T12:00:02.500Z","owner":"123456789012"}',
)
