"""Our notification in a bucket of others: nothing of theirs is touched, and taking it out leaves what was there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud import REGION, client_of, cloud
from deploy.kept import Kept
from making import StillClock
from services.real import ministack
from tailrace.deploy.cloud import Cloud
from tailrace.deploy.notifications import Notice, Notifications, canonical, merge, needs, notice_of, overlap, setups
from tailrace.deploy.wanted import wanted
from tailrace.errors import TailraceError, UsageError
from tailrace.settings import resolve

ACCOUNT = "123456789012"
ID = "tailrace-prod-objects"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:tailrace-prod-events"
OTHER = f"arn:aws:sqs:{REGION}:{ACCOUNT}:others"


def entry(name: str, arn: str, prefix: str = "", suffix: str = "", event: str = "s3:ObjectCreated:*") -> dict[str, Any]:
    rules = [{"Name": "prefix", "Value": prefix}] * bool(prefix) + [{"Name": "suffix", "Value": suffix}] * bool(suffix)
    return {"Id": name, "QueueArn": arn, "Events": [event]} | (
        {"Filter": {"Key": {"FilterRules": rules}}} if rules else {}
    )


# --- pure: documents of any kind ---

_words = st.text("ab/", max_size=3)
_events = st.sampled_from(["s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectRemoved:*", "s3:ObjectRestore:Post"])


@st.composite
def _documents(draw: Any) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, destination in (("TopicConfigurations", "TopicArn"), ("QueueConfigurations", "QueueArn")):
        count = draw(st.integers(0, 3))
        entries = []
        for number in range(count):
            each = entry(f"{key}{number}", f"arn:{number}", draw(_words), draw(_words), draw(_events))
            each[destination] = each.pop("QueueArn")
            each |= draw(st.sampled_from([{}, {"Unheard": {"of": [1]}}]))
            entries.append(each)
        if entries:
            document[key] = entries
    return document | draw(st.sampled_from([{}, {"EventBridgeConfiguration": {}}, {"SomethingNew": {"a": "b"}}]))


_notices = st.sampled_from(
    [
        Notice(bucket="b", id=ID, prefix="AWSLogs/", queue=QUEUE),
        Notice(bucket="b", id=ID, prefix="AWSLogs/", function="arn:aws:lambda:live"),
        Notice(bucket="b", id=ID, eventbridge=True),
    ]
)


@given(_documents(), _notices, _notices)
def test_what_is_merged_and_taken_out_leaves_what_was_there(document: Any, first: Notice, second: Notice) -> None:
    before = deepcopy(document)
    switched = first.eventbridge and "EventBridgeConfiguration" not in document
    merged = merge(document, first, switched=False)
    assert document == before
    assert merge(merged, first, switched=False) == merged
    gone = Notice(bucket="b", id=ID)
    assert merge(merged, gone, switched=switched) == before
    on = switched or (second.eventbridge and "EventBridgeConfiguration" not in merged)
    assert merge(merge(merged, second, switched=switched), gone, switched=on) == before
    for key, entries in before.items():
        if isinstance(entries, list):
            assert merged[key][: len(entries)] == entries


@given(_documents())
def test_order_means_nothing(document: Any) -> None:
    turned = {key: value[::-1] if isinstance(value, list) else value for key, value in reversed(document.items())}
    assert canonical(turned) == canonical(document)


@given(_words, _words, _words, _words, st.text("ab/", max_size=6))
def test_entries_overlap_where_a_key_fits_both(prefix: str, suffix: str, others: str, last: str, middle: str) -> None:
    one, other = entry("1", "a", prefix, suffix), entry("2", "b", others, last, "s3:ObjectCreated:Put")
    assert overlap(one, other) == overlap(other, one)
    key = f"{max(prefix, others, key=len)}{middle}{max(suffix, last, key=len)}"
    both = key.startswith(prefix) and key.startswith(others) and key.endswith(suffix) and key.endswith(last)
    assert overlap(one, other) == both
    assert not overlap(one, entry("3", "c", others, last, "s3:ObjectRemoved:*"))


# --- settings ---


@pytest.mark.parametrize(
    ("trigger", "list_", "arn"),
    [
        ("sqs", "QueueConfigurations", QUEUE),
        (
            "s3",
            "LambdaFunctionConfigurations",
            f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:tailrace-prod-processor:live",
        ),
    ],
)
def test_the_settings_say_who_is_told(trigger: str, list_: str, arn: str) -> None:
    notice = notice_of(_wanted(f"deploy.trigger={trigger}", "deploy.prefix=lb"))
    assert notice.entry
    where, said = notice.entry
    assert (where, said["Id"], said["Events"]) == (list_, ID, ["s3:ObjectCreated:*"])
    assert arn in said.values()
    assert said["Filter"] == {"Key": {"FilterRules": [{"Name": "prefix", "Value": "lb/AWSLogs/"}]}}


def test_eventbridge_needs_no_entry() -> None:
    notice = notice_of(_wanted("deploy.trigger=eventbridge"))
    assert notice.entry is None
    assert notice.eventbridge


def test_what_is_called_is_told() -> None:
    assert {need.call for need in needs(_wanted())} == {
        "s3:GetBucketNotificationConfiguration", "s3:PutBucketNotificationConfiguration", "events:ListRules",
    }  # fmt: skip
    assert not needs(wanted(resolve({}, [], {}), "prod"))


# --- servers ---


@pytest.fixture(scope="module", params=["moto", "ministack"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    with (cloud if request.param == "moto" else ministack)() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str) -> str:
    name = f"theirs-{uuid4().hex[:8]}"
    client_of("s3", endpoint).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    sqs = client_of("sqs", endpoint)
    for queue, arn in (("tailrace-prod-events", QUEUE), ("others", OTHER)):
        policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}],
        }  # fmt: skip
        sqs.create_queue(QueueName=queue, Attributes={"Policy": json.dumps(policy)})
    return name


def _wanted(*told: str) -> Any:
    told = (*told, "deploy.bucket=theirs")
    return wanted(resolve({}, told, {}), "prod", partition="aws", region=REGION, account=ACCOUNT)


def _read(endpoint: str, bucket: str) -> dict[str, Any]:
    answer = client_of("s3", endpoint).get_bucket_notification_configuration(Bucket=bucket)
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def _put(endpoint: str, bucket: str, document: Any) -> dict[str, Any]:
    client_of("s3", endpoint).put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=document)
    return _read(endpoint, bucket)


def _setup(endpoint: str, notice: Notice, memory: Kept) -> Notifications:
    return Notifications(notice, Cloud(lambda service: client_of(service, endpoint), StillClock()), memory)


def _done(setup: Notifications) -> int:
    changes = setup.plan(setup.look())
    for change in changes:
        setup.apply(change)
    return len(changes)


def test_ours_comes_and_goes(endpoint: str, bucket: str) -> None:
    before = _put(endpoint, bucket, {"QueueConfigurations": [entry("theirs", OTHER, "images/", ".jpg")]})
    notice, memory = Notice(bucket=bucket, id=ID, prefix="AWSLogs/", queue=QUEUE), Kept()
    assert _done(_setup(endpoint, notice, memory)) == 1
    after = _read(endpoint, bucket)["QueueConfigurations"]
    assert [each for each in after if each["Id"] == "theirs"] == before["QueueConfigurations"]
    assert [each["QueueArn"] for each in after if each["Id"] == ID] == [QUEUE]
    assert _done(_setup(endpoint, notice, memory)) == 0
    assert memory.kinds == {"notifications": {bucket: {"eventbridge": "left as it was"}}}
    gone = Notice(bucket=bucket, id=ID)
    assert _done(_setup(endpoint, gone, memory)) == 1
    assert canonical(_read(endpoint, bucket)) == canonical(before)
    assert memory.kinds == {"notifications": {}}
    assert _done(_setup(endpoint, gone, memory)) == 0


def test_ours_is_brought_to_another_prefix(endpoint: str, bucket: str) -> None:
    memory = Kept()
    for prefix in ("a/AWSLogs/", "b/AWSLogs/"):
        assert _done(_setup(endpoint, Notice(bucket=bucket, id=ID, prefix=prefix, queue=QUEUE), memory)) == 1
    (only,) = _read(endpoint, bucket)["QueueConfigurations"]
    assert only["Filter"]["Key"]["FilterRules"][0]["Value"] == "b/AWSLogs/"


@pytest.mark.parametrize(
    "endpoint", ["ministack"], indirect=True
)  # moto does not tell whether EventBridge is switched on
@pytest.mark.parametrize("before", [{}, {"EventBridgeConfiguration": {}}])
def test_eventbridge_is_switched_off_only_if_we_switched_it_on(endpoint: str, bucket: str, before: Any) -> None:
    _put(endpoint, bucket, before)
    memory = Kept()
    _done(_setup(endpoint, Notice(bucket=bucket, id=ID, eventbridge=True), memory))
    assert "EventBridgeConfiguration" in _read(endpoint, bucket)
    assert _done(_setup(endpoint, Notice(bucket=bucket, id=ID, eventbridge=True), memory)) == 0
    setup = _setup(endpoint, Notice(bucket=bucket, id=ID), memory)
    _done(setup)
    assert _read(endpoint, bucket) == before
    setup.settle()
    setup.close()
    assert not memory.remembered("notifications")


@pytest.mark.parametrize(
    "endpoint", ["ministack"], indirect=True
)  # moto does not tell whether EventBridge is switched on
def test_eventbridge_stays_on_where_rules_of_others_have_come_to_need_it(endpoint: str, bucket: str) -> None:
    memory, events = Kept(), client_of("events", endpoint)
    _done(_setup(endpoint, Notice(bucket=bucket, id=ID, eventbridge=True), memory))
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}
    events.put_rule(Name="thumbnails", EventPattern=json.dumps(pattern))
    events.put_rule(
        Name="elsewhere", EventPattern=json.dumps({"source": ["aws.s3"], "detail": {"bucket": {"name": ["b"]}}})
    )
    setup = _setup(endpoint, Notice(bucket=bucket, id=ID), memory)
    found = setup.look()
    assert found.listening == ("thumbnails",)
    assert setup.plan(found) == ()
    events.delete_rule(Name="thumbnails")
    assert _done(setup) == 1
    assert _read(endpoint, bucket) == {}


def test_what_overlaps_is_an_error_that_names_both_and_changes_nothing(endpoint: str, bucket: str) -> None:
    before = _put(
        endpoint, bucket, {"QueueConfigurations": [entry("theirs", OTHER, suffix=".gz", event="s3:ObjectCreated:Put")]}
    )
    setup = _setup(endpoint, Notice(bucket=bucket, id=ID, prefix="AWSLogs/", queue=QUEUE), Kept())
    with pytest.raises(UsageError, match=rf"{OTHER}.*theirs.*{ID}"):
        _done(setup)
    assert _read(endpoint, bucket) == before


def test_what_somebody_else_writes_meanwhile_is_not_overwritten(endpoint: str, bucket: str) -> None:
    setup = _setup(endpoint, Notice(bucket=bucket, id=ID, prefix="AWSLogs/", queue=QUEUE), Kept())
    (change,) = setup.plan(setup.look())
    theirs = _put(endpoint, bucket, {"QueueConfigurations": [entry("theirs", OTHER, "images/")]})
    with pytest.raises(UsageError, match="changed by somebody else"):
        setup.apply(change)
    assert _read(endpoint, bucket) == theirs


def test_taking_out_needs_no_destination_of_others(endpoint: str, bucket: str) -> None:
    memory = Kept()
    _put(endpoint, bucket, {"QueueConfigurations": [entry("theirs", OTHER, "images/")]})
    _done(_setup(endpoint, Notice(bucket=bucket, id=ID, prefix="AWSLogs/", queue=QUEUE), memory))
    sqs = client_of("sqs", endpoint)
    for queue in ("others", "tailrace-prod-events"):
        sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"])
    assert _done(_setup(endpoint, Notice(bucket=bucket, id=ID), memory)) == 1
    assert [each["Id"] for each in _read(endpoint, bucket)["QueueConfigurations"]] == ["theirs"]


def test_entries_without_our_id_are_ours_by_where_they_go(endpoint: str, bucket: str) -> None:
    _put(
        endpoint,
        bucket,
        {
            "QueueConfigurations": [
                entry("by-cloudformation", QUEUE),
                entry("theirs", OTHER, event="s3:ObjectRemoved:*"),
            ]
        },
    )
    assert _done(_setup(endpoint, Notice(bucket=bucket, id=ID, own=(QUEUE,)), Kept())) == 1
    assert [each["Id"] for each in _read(endpoint, bucket)["QueueConfigurations"]] == ["theirs"]


def test_a_bucket_that_is_wanted_no_more_is_left(endpoint: str, bucket: str) -> None:
    memory = Kept()
    _done(_setup(endpoint, Notice(bucket=bucket, id=ID, prefix="AWSLogs/", queue=QUEUE), memory))
    first, second = setups(_wanted(), Cloud(lambda service: client_of(service, endpoint), StillClock()), memory)
    assert _done(first) == 1
    assert _read(endpoint, bucket) == {}
    assert "theirs" in second.where


# --- answers that no server here gives ---


class _Recorded:
    """S3 with one bucket, which answers as it is told."""

    def __init__(self, endpoint: str) -> None:
        self.s3 = client_of("s3", endpoint)
        self.bodies: list[bytes] = []
        self.refusals = 0
        self.s3.meta.events.register("before-call.s3.GetBucketNotificationConfiguration", self._get)
        self.s3.meta.events.register("before-call.s3.PutBucketNotificationConfiguration", self._put)

    def _get(self, model: Any, **_: Any) -> Any:
        from botocore.parsers import create_parser  # noqa: PLC0415

        body = self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0]
        told = {"status_code": 200, "headers": {}, "body": body}
        event = "before-parse.s3.GetBucketNotificationConfiguration"
        self.s3.meta.events.emit(event, operation_model=model, response_dict=told, customized_response_dict={})
        return _Answer(200), create_parser("rest-xml").parse(told, model.output_shape)

    def _put(self, **_: Any) -> Any:
        if self.refusals:
            self.refusals -= 1
            said = "Unable to validate the following destination configurations"
            return _Answer(400), {
                "Error": {"Code": "InvalidArgument", "Message": said},
                "ResponseMetadata": {"HTTPStatusCode": 400},
            }
        return _Answer(200), {"ResponseMetadata": {"HTTPStatusCode": 200}}


class _Answer:
    def __init__(self, status: int) -> None:
        self.status_code = status


def _xml(*parts: str) -> bytes:
    return f'<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{"".join(parts)}</NotificationConfiguration>'.encode()


OURS = (
    f"<QueueConfiguration><Id>{ID}</Id><Queue>{QUEUE}</Queue><Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule>"
    "<Name>Prefix</Name><Value>AWSLogs/</Value></FilterRule></S3Key></Filter></QueueConfiguration>"
)


@pytest.fixture
def recorded() -> Iterator[_Recorded]:
    with cloud() as url:
        yield _Recorded(url)


@pytest.fixture
def recorded_setup(recorded: _Recorded) -> Callable[[Kept], Notifications]:
    notice = Notice(bucket="theirs", id=ID, prefix="AWSLogs/", queue=QUEUE)
    return lambda memory: Notifications(notice, Cloud(lambda _service: recorded.s3, StillClock()), memory)


def test_what_boto3_does_not_know_is_never_dropped(recorded: _Recorded, recorded_setup: Any) -> None:
    known = "<CloudFunctionConfiguration><CloudFunction>arn</CloudFunction><Event>e</Event></CloudFunctionConfiguration><EventBridgeConfiguration/>"
    recorded.bodies = [_xml(OURS, known)]
    assert recorded_setup(Kept()).look().document["EventBridgeConfiguration"] == {}
    recorded.bodies = [_xml("<PigeonConfiguration/>", OURS.replace("<Queue>", "<Weight>7</Weight><Queue>"))]
    with pytest.raises(UsageError, match=r"PigeonConfiguration, Weight.*pip install -U boto3"):
        recorded_setup(Kept()).look()


def test_a_policy_that_s3_does_not_see_yet_is_waited_for(recorded: _Recorded, recorded_setup: Any) -> None:
    recorded.bodies, recorded.refusals = [_xml(), _xml(), _xml(), _xml(OURS)], 5
    assert _done(recorded_setup(Kept())) == 1


def test_a_destination_that_cannot_be_reached_is_told_with_its_neighbours(
    recorded: _Recorded, recorded_setup: Any
) -> None:
    theirs = (
        f"<TopicConfiguration><Id>t</Id><Topic>{OTHER}</Topic><Event>s3:ObjectRemoved:*</Event></TopicConfiguration>"
    )
    recorded.bodies, recorded.refusals = [_xml(theirs)], 100
    with pytest.raises(UsageError, match=rf"policy of {QUEUE}; or one of the others is gone: {OTHER}"):
        _done(recorded_setup(Kept()))


def test_what_is_not_there_after_writing_is_an_error(recorded: _Recorded, recorded_setup: Any) -> None:
    recorded.bodies = [_xml()]
    with pytest.raises(TailraceError, match="somebody else writes them too") as caught:
        _done(recorded_setup(Kept()))
    assert caught.value.exit_code == 4
