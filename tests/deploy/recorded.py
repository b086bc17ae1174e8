"""Clients that answer as AWS was seen to, where no server here does; requests and answers are held to botocore's service models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.validate import validate_parameters

from cloud import client_of

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Error(Exception):
    """What a service refuses with."""

    def __init__(self, code: str, text: str = "", status: int = 400) -> None:
        super().__init__(code)
        self.code, self.text, self.status = code, text, status


class _Answered:
    def __init__(self, status: int) -> None:
        self.status_code = status


def recorded(service: str, **answers: Answer) -> Any:
    """A client of which only these operations may be called."""
    client = client_of(service, "http://127.0.0.1:9")
    given: list[Mapping[str, Any]] = []

    def called(params: Mapping[str, Any], **_: Any) -> None:
        given[:] = [dict(params)]

    def answered(model: Any, **_: Any) -> Any:
        try:
            told = dict(answers[model.name](given[0]))
        except Error as error:
            parsed = {
                "Error": {"Code": error.code, "Message": error.text},
                "ResponseMetadata": {"HTTPStatusCode": error.status},
            }
            return _Answered(error.status), parsed
        if model.output_shape:
            validate_parameters(told, model.output_shape)
        return _Answered(200), {**told, "ResponseMetadata": {"HTTPStatusCode": 200}}

    client.meta.events.register("provide-client-params", called)
    client.meta.events.register("before-call", answered)
    return client


def stack(name: str, status: str, **more: Any) -> dict[str, Any]:
    """A stack as CloudFormation tells of it."""
    told = {
        "StackId": f"arn:aws:cloudformation:eu-west-1:123456789012:stack/{name}/1",
        "StackName": name,
        "StackStatus": status,
        "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
        "Tags": [{"Key": "tailrace:environment", "Value": "prod"}],
    }
    return {**told, **more}


def resource(name: str, kind: str, status: str, physical: str) -> dict[str, Any]:
    """A resource of a stack as ListStackResources tells of it."""
    return {
        "LogicalResourceId": name,
        "ResourceType": kind,
        "ResourceStatus": status,
        "PhysicalResourceId": physical,
        "LastUpdatedTimestamp": datetime(2026, 1, 1, tzinfo=UTC),
    }


def event(number: int, name: str, kind: str, status: str, reason: str = "") -> dict[str, Any]:
    """An event of a stack."""
    return {
        "StackId": "arn",
        "StackName": "tailrace-prod",
        "EventId": str(number),
        "LogicalResourceId": name,
        "ResourceType": kind,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "Timestamp": datetime(2026, 1, 1, tzinfo=UTC),
    }
