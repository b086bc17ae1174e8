"""Tailrace as a Lambda function: `tailrace.hosts.awslambda.handler`.

An event may come from S3, SQS, SNS, EventBridge or a subscription filter of CloudWatch Logs, or continue what an earlier
invocation had no time for. Of a queue's messages those that are not delivered are told one by one, so its event source mapping needs ReportBatchItemFailures; for any other
event an error is raised, so that Lambda tries it again and gives it to the function's dead-letter queue or destination.

Nothing is told of single records: an invocation writes one line of JSON about itself, and its metrics.

https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from tailrace.clock import SystemClock
from tailrace.clouds import client
from tailrace.errors import SourceError, TailraceError
from tailrace.hosts._lambda_container import Container, made
from tailrace.hosts._lambda_deadline import Deadline
from tailrace.hosts._lambda_messages import Message, in_order, messages
from tailrace.hosts._lambda_report import Report
from tailrace.hosts._lambda_settings import lambda_settings
from tailrace.hosts._lambda_work import Invocation, Undelivered
from tailrace.settings import Lambda

_FRAMES = 1000
"""So many does Python itself show of a traceback, unless told otherwise."""


def handler(event: Mapping[str, Any], context: Any) -> dict[str, list[dict[str, str]]] | None:
    """Deliver what an event tells of. Raises a TailraceError if that must come again; for SQS tells which messages must."""
    sys.tracebacklimit = _FRAMES
    try:
        return _handled(event, context)
    except TailraceError:
        sys.tracebacklimit = 0  # the sentence says what is wrong: the runtime need not show where it was raised
        raise


def _handled(event: Mapping[str, Any], context: Any) -> dict[str, list[dict[str, str]]] | None:
    clock, report = SystemClock(), Report()
    began = clock.monotonic()
    container = None
    try:
        container = _begun(report)
        remaining = context.get_remaining_time_in_millis() / 1000
        with Deadline(clock, remaining, float(container.settings.awslambda.margin)) as deadline:
            return _answer(event, Invocation(container, deadline, report, context.aws_request_id))
    finally:
        settings = container.settings.awslambda if container else _settings()
        seconds = round(clock.monotonic() - began, 3)
        _tell(settings.metrics_namespace, clock.now(), report, {"request": context.aws_request_id, "seconds": seconds})
        if container and report.lasting:
            _container.cache_clear()
            container.close()


def _begun(report: Report) -> Container:
    """The container. Raises what is wrong if there can be none; then nothing of the event is done."""
    try:
        return _container()
    except TailraceError as error:
        report.failed(str(error), item=False)
        raise
    except Exception as error:  # noqa: BLE001 - a defect is told as one of a message is
        told = _unexpected(error)
        report.failed(told, item=False)
        raise SourceError(told) from None


def _settings() -> Lambda:
    """The settings, where there is no container; what is given by default if they are what is wrong."""
    try:
        return lambda_settings(os.environ, client).settings.awslambda
    except Exception:  # noqa: BLE001 - it has been told
        return Lambda()


@cache
def _container() -> Container:
    """What is kept from invocation to invocation; it is made anew after a failure that may lie in it."""
    return made(os.environ, _notice)


def _answer(event: Mapping[str, Any], invocation: Invocation) -> dict[str, list[dict[str, str]]] | None:
    failed: list[str] = []
    ordered = in_order(event)
    for message in messages(event):
        error = "an earlier message failed" if failed and ordered else _failure(message, invocation)
        if error and not message.id:
            raise SourceError(error)
        if error:
            failed.append(message.id)
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]} if _is_queue(event) else None


def _failure(message: Message, invocation: Invocation) -> str:
    """Why a message was not delivered; empty if it was. Whatever goes wrong concerns this message only."""
    try:
        invocation.carry(message)
    except Undelivered as error:
        return str(error)
    except TailraceError as error:
        told = str(error)
    except Exception as error:  # noqa: BLE001 - one message must not take others along
        invocation.report.lasting = True
        told = _unexpected(error)
    else:
        return ""
    invocation.report.failed(told, item=False)
    return told


def _is_queue(event: Mapping[str, Any]) -> bool:
    return bool(event.get("Records")) and event["Records"][0].get("eventSource") == "aws:sqs"


def _unexpected(error: Exception) -> str:
    """A defect: its kind and place. Its text is not told, for nobody knows what is in it."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "an unknown place"
    return f"an error that Tailrace does not know: {type(error).__name__} in {place}; please report it"


def _tell(namespace: str, now: float, report: Report, about: Mapping[str, Any]) -> None:
    lines = [report.summary(about)]
    if namespace:
        lines += report.metrics(namespace, os.environ.get("AWS_LAMBDA_FUNCTION_NAME", ""), now)
    _say(b"".join(lines))


def _notice(text: str) -> None:
    _say(msgspec.json.encode({"tailrace": "warning", "message": text}) + b"\n")


def _say(lines: bytes) -> None:
    sys.stdout.write(lines.decode())
    sys.stdout.flush()
