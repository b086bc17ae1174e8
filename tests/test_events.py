"""Events as real servers wrote them and as AWS documents them (tests/events)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tailrace.events import Announced, NotUnderstood, announced

FOLDER = Path(__file__).parent / "events"
KEY = "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/11/20/team a+b/Zür_日.log.gz"


def document(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "name",
    ["documented_s3_direct", "documented_sns_lambda", "documented_sns_sqs_wrapped_lambda", "documented_sns_sqs_raw_lambda",
     "documented_eventbridge_direct", "documented_eventbridge_sqs_lambda"],
)  # fmt: skip
def test_the_same_key_in_every_envelope(name: str) -> None:
    found = announced((FOLDER / f"{name}.json").read_bytes())
    assert KEY in {each.key for each in found}
    assert {each.bucket for each in found} == {"example-lb-logs"}
    assert all(each.etag and each.sequencer and each.version and each.time and each.size for each in found)


@pytest.mark.parametrize(
    ("name", "key", "etag"),
    [
        ("captured_moto_sqs_put", "AWSLogs/a b+é.log.gz", "9dd4e461268c8034f5c8564e155c67a6"),
        ("captured_ministack_sqs_put", "AWSLogs/a b+é.log.gz", "9dd4e461268c8034f5c8564e155c67a6"),
        ("captured_radosgw_http", "AWSLogs/a b+é.log", "9dd4e461268c8034f5c8564e155c67a6"),
        ("captured_radosgw_amqp", "x/y.log", "c4ca4238a0b923820dcc509a6f75849b"),
        ("captured_moto_eventbridge_sqs_body", "k.log.gz", "9dd4e461268c8034f5c8564e155c67a6"),
        ("captured_ministack_eventbridge_sqs_body", "k.log.gz", "9dd4e461268c8034f5c8564e155c67a6"),
        ("captured_localstack_eventbridge_sqs_body", "k.log.gz", "9dd4e461268c8034f5c8564e155c67a6"),
    ],
)
def test_what_real_servers_write(name: str, key: str, etag: str) -> None:
    (found,) = announced((FOLDER / f"{name}.json").read_bytes())
    assert (found.key, found.etag) == (key, etag)


@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("captured_*sqs_[cm]*.json"))])
def test_copies_and_multipart_uploads_are_objects_too(name: str) -> None:
    (found,) = announced(document(name))
    assert found.bucket
    assert found.key


@pytest.mark.parametrize(
    "name", ["documented_s3_test_event", "captured_moto_sqs_test_event", "captured_ministack_sqs_test_event"]
)
def test_a_test_event_announces_nothing(name: str) -> None:
    assert announced(document(name)) == []


def test_several_messages_and_records_each_with_its_own_key() -> None:
    found = announced(document("documented_sqs_lambda"))
    assert len(found) == len({(each.key, each.sequencer) for each in found}) == 2
    record = document("documented_s3_direct")["Records"][0]
    other = json.loads(json.dumps(record).replace("team+a%2Bb", "b"))
    assert [each.key for each in announced({"Records": [record, other]})] == [KEY, KEY.replace("team a+b", "b")]


def test_minio_writes_the_same_under_its_own_name() -> None:
    record = document("documented_s3_direct")["Records"][0]
    message = {
        "EventName": "s3:ObjectCreated:Put",
        "Key": "b/k",
        "Records": [{**record, "eventSource": "minio:s3", "eventVersion": "2.0"}],
    }
    assert [each.key for each in announced(message)] == [KEY]


@pytest.mark.parametrize(
    "name", ["s3:ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "ObjectTagging:Put", "ObjectRestore:Post"]
)
def test_other_events_of_objects_announce_nothing(name: str) -> None:
    record = document("documented_s3_direct")["Records"][0]
    assert announced({"Records": [{**record, "eventName": name}]}) == []
    assert announced({**document("documented_eventbridge_direct"), "detail-type": "Object Deleted"}) == []


def test_a_restored_object_can_be_read_now() -> None:
    record = document("documented_s3_direct")["Records"][0]
    assert len(announced({"Records": [{**record, "eventName": "ObjectRestore:Completed"}]})) == 1
    assert len(announced({**document("documented_eventbridge_direct"), "detail-type": "Object Restore Completed"})) == 1


def test_what_an_event_does_not_tell_is_empty() -> None:
    message = {"Records": [{"eventVersion": "2.9", "eventName": "ObjectCreated:Put",
                            "s3": {"bucket": {"name": "b"}, "object": {"key": "k", "size": -1}}}]}  # fmt: skip
    assert announced(message) == [Announced(bucket="b", key="k")]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (b"not json", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[]", "of another kind"),
        (b"3", "of another kind"),
        (b"{}", "with nothing"),
        (b'{"hello": 1, "secret": 2}', "with hello, secret: no event"),
        ({"Records": [{}]}, "with nothing"),
        ({"Records": ["x"]}, "of another kind"),
        ({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}, "with nothing"),
        ({"Records": [{"eventSource": "aws:kinesis", "kinesis": {}}]}, "with eventSource, kinesis"),
        ({"Type": "SubscriptionConfirmation", "Message": "x"}, "with Message, Type"),
        ({"source": "aws.ec2", "detail": {}}, "with detail, source"),
        ({"source": "aws.s3", "detail": {}, "detail-type": "AWS API Call via CloudTrail"}, "CloudTrail"),
        ({"source": "aws.s3", "detail": {}, "detail-type": "Object Created"}, "without bucket.name"),
    ],
)
def test_what_is_not_understood_is_an_error_and_not_nothing(message: Any, told: str) -> None:
    with pytest.raises(NotUnderstood, match=told):
        announced(message)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"eventVersion": "3.0"}, "in version 3.0: only version 2"),
        ({"eventName": "ObjectFolded:Twice"}, "called ObjectFolded:Twice"),
        ({"s3": {"bucket": {}}}, "without bucket.name"),
        ({"s3": {"bucket": {"name": "b"}, "object": {"key": ""}}}, "without object.key"),
        ({"s3": {"bucket": "b"}}, "without bucket.name"),
    ],
)
def test_notifications_that_are_not_as_they_should_be(changes: dict[str, Any], told: str) -> None:
    record = document("documented_s3_direct")["Records"][0]
    with pytest.raises(NotUnderstood, match=told):
        announced({"Records": [{**record, **changes}]})


def test_envelopes_in_envelopes_end_somewhere() -> None:
    message: Any = document("documented_s3_direct")
    for _ in range(10):
        message = {"Type": "Notification", "Message": json.dumps(message)}
    with pytest.raises(NotUnderstood):
        announced(message)
