"""The rules of PutLogEvents and of signatures, as AWS documents them, none of which an emulator enforces.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.sigv4 import canonical, signature

GROUP = re.compile(r"[\.\-_/#A-Za-z0-9]{1,512}")
STREAM = re.compile(r"[^:*]{1,512}")
RETENTION = {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
DAY_MS = 86_400_000
_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, "
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)


class Broken(Exception):
    """A request that AWS would refuse, with the code of its answer."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


@dataclass(frozen=True)
class Request:
    """What came over the wire; names of headers in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def check_form(request: Request) -> None:
    """That it is a call of the JSON 1.1 protocol."""
    if request.method != "POST":
        raise Broken("UnknownOperationException", request.method, 404)
    if request.headers.get("content-type") != "application/x-amz-json-1.1":
        raise Broken("UnknownOperationException", "the content type is not that of JSON 1.1", 404)
    if not request.headers.get("x-amz-target", "").startswith("Logs_20140328."):
        raise Broken("UnknownOperationException", "the target is none of CloudWatch Logs", 404)


def check_signature(request: Request, secrets: Mapping[str, str], region: str, now: float) -> None:
    """That it is signed by a known key for this service, region, host and content, now."""
    match = _CREDENTIAL.fullmatch(request.headers.get("authorization", ""))
    if match is None:
        raise Broken("MissingAuthenticationTokenException", "no signature", 403)
    if match["key"] not in secrets:
        raise Broken("UnrecognizedClientException", "the security token included in the request is invalid")
    stamp = request.headers.get("x-amz-date", "")
    at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    if abs(at - now) > 15 * 60 or not stamp.startswith(match["day"]):
        raise Broken("InvalidSignatureException", "signature expired")
    signed = match["signed"].split(";")
    must = {"host", "x-amz-date", "x-amz-target"} | ({"content-encoding"} & request.headers.keys())
    if (match["region"], match["service"]) != (region, "logs") or not must <= set(signed):
        raise Broken(
            "InvalidSignatureException", "credential not scoped to this service and region, or headers not signed"
        )
    scope = f"{match['day']}/{region}/logs/aws4_request"
    content = hashlib.sha256(request.body).hexdigest()
    text = canonical((request.method, request.target), request.headers, signed, content)
    expected = signature(secrets[match["key"]], stamp, scope, text)
    if not hmac.compare_digest(expected, match["signature"]):
        raise Broken("InvalidSignatureException", "the signature does not match")


def check_names(document: Mapping[str, Any]) -> None:
    """That group and stream, where they are told, can be."""
    group, stream = document.get("logGroupName"), document.get("logStreamName")
    if not isinstance(group, str) or not GROUP.fullmatch(group) or group.startswith("aws/"):
        raise Broken("InvalidParameterException", f"logGroupName: {group!r}")
    if stream is not None and (not isinstance(stream, str) or not STREAM.fullmatch(stream)):
        raise Broken("InvalidParameterException", f"logStreamName: {stream!r}")


def check_events(document: Mapping[str, Any], now_ms: int) -> list[dict[str, Any]]:
    """The events of a PutLogEvents, of which every rule holds."""
    if unknown := document.keys() - {"logGroupName", "logStreamName", "logEvents", "sequenceToken", "entity"}:
        raise Broken("SerializationException", f"unknown members {unknown}")
    events = document.get("logEvents")
    if not isinstance(events, list) or not 1 <= len(events) <= 10_000 or "logStreamName" not in document:
        raise Broken("InvalidParameterException", "logEvents: 1 to 10,000, and a logStreamName")
    total, before = 0, 0
    for event in events:
        size = check_event(event)
        total += size + 26
        if event["timestamp"] < before:
            raise Broken("InvalidParameterException", "log events must be in chronological order")
        before = event["timestamp"]
    if total > 1_048_576:
        raise Broken("InvalidParameterException", f"upload too large: {total} bytes exceeds limit of 1048576")
    valid = [event["timestamp"] for event in events
             if now_ms - 14 * DAY_MS <= event["timestamp"] <= now_ms + DAY_MS // 12]  # fmt: skip
    if valid and valid[-1] - valid[0] > DAY_MS:
        raise Broken("InvalidParameterException", "the batch of log events spans more than 24 hours")
    return events


def check_event(event: Any) -> int:
    """The bytes of an event's message."""
    if not isinstance(event, dict) or event.keys() != {"timestamp", "message"}:
        raise Broken("SerializationException", "an event has a timestamp and a message")
    time, message = event["timestamp"], event["message"]
    if not isinstance(time, int) or isinstance(time, bool) or not isinstance(message, str):
        raise Broken("SerializationException", "a timestamp is a long, a message a string")
    if time < 0 or not message:
        raise Broken("InvalidParameterException", "timestamp at least 0, message at least 1 character")
    try:
        size = len(message.encode())
    except UnicodeEncodeError as error:
        raise Broken("SerializationException", "half a character") from error
    if size > 1_048_576:
        raise Broken("InvalidParameterException", f"log event too large: {size} bytes exceeds limit of 1048576")
    return size


def rejected(events: list[dict[str, Any]], now_ms: int, retention_days: int | None) -> dict[str, int]:
    """`rejectedLogEventsInfo` for events in the order of time; empty if all are taken."""
    oldest, newest = now_ms - 14 * DAY_MS, now_ms + DAY_MS // 12
    kept_since = now_ms - retention_days * DAY_MS if retention_days else 0
    times = [event["timestamp"] for event in events]
    info = {}
    if old := sum(time < oldest for time in times):
        info["tooOldLogEventEndIndex"] = old
    if expired := sum(time < kept_since for time in times):
        info["expiredLogEventEndIndex"] = expired
    if new := sum(time > newest for time in times):
        info["tooNewLogEventStartIndex"] = len(times) - new
    return info
