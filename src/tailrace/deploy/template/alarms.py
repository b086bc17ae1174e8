"""Alarms: messages that were not delivered, errors, calls that were refused, waiting, and what is not complete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tailrace.deploy.template.expressions import Resources, att, ref, tags
from tailrace.deploy.template.function import FUNCTION
from tailrace.deploy.template.queue import DEAD, EVENTS
from tailrace.deploy.wanted import Wanted

_PERIOD_S: Final = 300
_ONCE: Final = {"EvaluationPeriods": 1}
_LASTING: Final = {"EvaluationPeriods": 3, "DatapointsToAlarm": 3}
_ABOVE: Final = "GreaterThanThreshold"


def alarms(wanted: Wanted) -> Resources:
    """All of them; without `deploy.alarm_topic` they are seen in CloudWatch only."""
    of_function = {"FunctionName": ref(FUNCTION)}
    found = {
        "dead-letters": {
            "AlarmDescription": "Messages were not delivered: see the function's log, then send them back from the dead-letter queue.",
            **_metric(
                "AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", {"QueueName": att(DEAD, "QueueName")}
            ),
            **_ONCE,
            **_over(0),
        },
        "errors": {
            "AlarmDescription": "The function has failed for fifteen minutes: its log tells why.",
            **_metric("AWS/Lambda", "Errors", "Sum", of_function),
            **_LASTING,
            **_over(0),
        },
        "throttles": {
            "AlarmDescription": "Calls of the function have been refused for fifteen minutes: its concurrency, or the account's, is too low.",
            **_metric("AWS/Lambda", "Throttles", "Sum", of_function),
            **_LASTING,
            **_over(0),
        },
        "lag": {
            "AlarmDescription": "The oldest message waits longer than deploy.lag_alarm: the function fails, or is too slow.",
            **_metric("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", {"QueueName": att(EVENTS, "QueueName")}),
            **_ONCE,
            **_over(ref("LagAlarmSeconds")),
        },
        **_of_delivery(wanted),
    }
    return {_id(name): _alarm(wanted, name, told) for name, told in found.items()}


def _of_delivery(wanted: Wanted) -> dict[str, Any]:
    """By the metrics that the function writes into its log; none if it writes none."""
    namespace = wanted.settings.awslambda.metrics_namespace
    of_function = {"FunctionName": ref(FUNCTION)}
    if not namespace:
        return {}
    return {
        "completeness": {
            "AlarmDescription": "For fifteen minutes there were objects or messages that could not be delivered: the function's log names them.",
            **_metric(namespace, "Failures", "Sum", of_function),
            **_LASTING,
            **_over(0),
        },
        "rejects": {
            "AlarmDescription": "Lines are no records: they are among the dead letters, with the reason.",
            **_metric(namespace, "Rejects", "Sum", of_function),
            **_ONCE,
            **_over(0),
        },
    }


def _id(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-")) + "Alarm"


def _metric(namespace: str, name: str, statistic: str, dimensions: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Statistic": statistic,
        "Period": _PERIOD_S,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }


def _over(threshold: Any) -> dict[str, Any]:
    return {"Threshold": threshold, "ComparisonOperator": _ABOVE}


def _alarm(wanted: Wanted, name: str, told: dict[str, Any]) -> dict[str, Any]:
    topic = wanted.own.alarm_topic
    actions = {"AlarmActions": [topic], "OKActions": [topic]} if topic else {}
    about = {"AlarmName": wanted.names.alarm(name), "TreatMissingData": "notBreaching"}
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": {**about, **told, **actions, "Tags": tags(wanted.tags)}}
