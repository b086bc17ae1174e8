"""Everything that a service lists, page by page, as boto3 knows to ask for it; and what may not be there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from tailrace.clouds import failures
from tailrace.deploy.cloud import Cloud, Refused, told

NO_BUCKET: Final = ("404", "NoSuchBucket")
NO_OBJECT: Final = (*NO_BUCKET, "NoSuchKey")
NO_QUEUE: Final = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
NO_RESOURCE: Final = ("ResourceNotFoundException",)
"""The codes with which services say that there is no such thing: older and newer ones, and those of other servers."""


def listed(cloud: Cloud, call: str, key: str, **arguments: Any) -> Sequence[Any]:
    """What all pages of an answer hold under a key. Raises Refused, Fatal, Retryable."""
    return cloud.patiently(partial(_pages, cloud, call, key, arguments))


def known(cloud: Cloud, call: str, *absent: str, **arguments: Any) -> Any:
    """What a call answers; None where the service refuses with one of these codes, because there is no such thing."""
    try:
        return cloud(call, **arguments)
    except Refused as error:
        if error.code in absent:
            return None
        raise


def queue_attributes(cloud: Cloud, queue: str, names: Sequence[str]) -> Mapping[str, str] | None:
    """These attributes of a queue, as far as it has them; None where there is no such queue."""
    found = known(cloud, "sqs:GetQueueUrl", *NO_QUEUE, QueueName=queue)
    if not found:
        return None
    url = found["QueueUrl"]
    told = known(cloud, "sqs:GetQueueAttributes", *NO_QUEUE, QueueUrl=url, AttributeNames=list(names))
    return None if told is None else told.get("Attributes", {})


def _pages(cloud: Cloud, call: str, key: str, arguments: dict[str, Any]) -> list[Any]:
    from botocore import xform_name  # noqa: PLC0415 - an optional library

    service, _, operation = call.partition(":")
    client = cloud.of(service)
    try:
        pages = client.get_paginator(xform_name(operation)).paginate(**arguments)
        return [each for page in pages for each in page.get(key) or ()]
    except failures.raised() as error:
        raise told(error, call, client) from error
