"""The Lambda handler under AWS's own runtime client, with S3, SQS and DynamoDB on a real server."""

from __future__ import annotations

import base64
import gzip
import json
import time
import zipfile
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus
from uuid import uuid4

import pail
import pytest

from cloud import REGION, client_of, cloud
from making import alb
from services.lambda_package import packed
from services.lambda_runtime import GROUP, FunctionError, Runtime, runtime
from services.strict_logs import KEY as KEY_ID
from services.strict_logs import SECRET, StrictLogs, lost, throttled
from tailrace.clock import SystemClock
from tailrace.model import Identity
from tailrace.state.dynamodb import DynamodbState, definition

HANDLER = "tailrace.hosts.awslambda.handler"
EVENTS = Path(__file__).parents[1] / "events"
KEY = "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/11/20/team a+b/Zür_日.log.gz"
NUMBERS = count()


class Aws:
    """Clients of the server, and what tests do with it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.s3, self.sqs, self.dynamodb, self.ssm = (
            client_of(name, endpoint) for name in ("s3", "sqs", "dynamodb", "ssm")
        )
        self.bucket = "lambda-logs"  # moto keeps one account for all servers of a process
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.environ = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
        }

    def put(self, content: bytes, key: str = "") -> dict[str, Any]:
        """Write an object; the event that S3 sends."""
        key = key or f"logs/{next(NUMBERS)}.log"
        etag = self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)["ETag"].strip('"')
        return self.event(key, etag, len(content))

    def event(self, key: str, etag: str, size: int) -> dict[str, Any]:
        event: dict[str, Any] = json.loads((EVENTS / "documented_s3_direct.json").read_text(encoding="utf-8"))
        event["Records"] = event["Records"][:1]
        event["Records"][0]["s3"]["bucket"]["name"] = self.bucket
        event["Records"][0]["s3"]["object"] = {
            "key": quote_plus(key, safe="/"),
            "eTag": etag,
            "size": size,
            "sequencer": "0",
        }
        return event

    def table(self) -> str:
        name = f"receipts-{uuid4()}"
        self.dynamodb.create_table(**definition(name))
        return name

    def queue(self) -> str:
        return str(self.sqs.create_queue(QueueName=f"more-{uuid4()}")["QueueUrl"])

    def taken(self, queue: str) -> list[str]:
        """Take the messages of a queue: their bodies."""
        found = []
        while received := self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                found.append(message["Body"])
                self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with cloud() as endpoint:
        yield Aws(endpoint)


class Function:
    """A function: what it has poured, and how it is invoked."""

    def __init__(self, run: Runtime, poured: Path) -> None:
        self.run, self._poured = run, poured

    @property
    def sink(self) -> str:
        return f"pail:{self._poured}"

    @property
    def poured(self) -> list[bytes]:
        return self._poured.read_bytes().splitlines(keepends=True) if self._poured.exists() else []

    def empty(self) -> None:
        """Forget what was poured and told."""
        self._poured.unlink(missing_ok=True)
        self.run.forget()

    def __call__(self, event: Any, **how: Any) -> Any:
        return self.run.invoke(event, **how)

    @property
    def summary(self) -> dict[str, Any]:
        return self.run.lines()[-1]


Make = Callable[..., Function]


@pytest.fixture
def make(aws: Aws, tmp_path: Path) -> Iterator[Make]:
    """Makes functions: what their pail does, and their environment."""
    with ExitStack() as stack:

        def made(options: str = "", **environ: str) -> Function:
            return stack.enter_context(function_in(tmp_path / str(next(NUMBERS)), aws, options, **environ))

        yield made


@pytest.fixture(scope="module")
def standing(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    with function_in(tmp_path_factory.mktemp("functions") / "plain", aws) as made:
        yield made


@pytest.fixture
def plain(standing: Function) -> Function:
    """A function that keeps no receipts and has not poured anything yet."""
    standing.empty()
    return standing


@contextmanager
def function_in(folder: Path, aws: Aws, options: str = "", **environ: str) -> Iterator[Function]:
    folder.mkdir()
    pail.install(folder)
    poured = folder / "poured"
    variables = {"TAILRACE_TO": f"pail:{poured}?{options}", **aws.environ, **environ}
    with runtime(HANDLER, folder, variables) as run:
        yield Function(run, poured)


def lines(number: int) -> list[bytes]:
    return [alb("2026-11-20", each) for each in range(number)]


def sqs(*bodies: Any, queue: str = "arn:aws:sqs:eu-west-1:123456789012:logs") -> dict[str, Any]:
    """The event of a queue; the id of each message is its number."""
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    told = {"eventSource": "aws:sqs", "eventSourceARN": queue, "awsRegion": REGION, "attributes": {}}
    return {"Records": [{"messageId": str(number), "body": text, **told} for number, text in enumerate(texts)]}


def failed(answer: Any) -> list[str]:
    assert answer.keys() == {"batchItemFailures"}
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def test_an_object_that_s3_announces_is_delivered_and_accounted_for(aws: Aws, plain: Function) -> None:
    content = lines(50)
    assert plain(aws.put(gzip.compress(b"".join(content)))) is None
    assert plain.poured == content
    summary = plain.summary
    assert (summary["objects"], summary["lines"], summary["records"], summary["failures"]) == (
        {"delivered": 1}, 50, 50, 0,
    )  # fmt: skip
    ((sink, outcomes),) = summary["sinks"].items()
    assert sink.startswith("pail:")
    assert outcomes == {"accepted": 50, "already": 0, "refused": 0}
    assert summary["max_memory_mb"] > 0


def test_nothing_is_told_but_a_summary_and_metrics(aws: Aws, plain: Function) -> None:
    plain(aws.put(b"".join(lines(20))))
    told = plain.run.told().splitlines()
    assert len(told) == 2
    assert [line["tailrace"] for line in plain.run.lines()] == ["summary"]
    (metrics,) = plain.run.lines("_aws")
    names = {}
    for directive in metrics["_aws"]["CloudWatchMetrics"]:
        assert directive["Namespace"] == "Tailrace"
        (dimensions,) = directive["Dimensions"]
        assert all(isinstance(metrics[each], str) for each in dimensions)
        names |= {each["Name"]: (each["Unit"], metrics[each["Name"]], dimensions[1:]) for each in directive["Metrics"]}
    assert names["ObjectsDelivered"] == ("Count", 1, [])
    assert names["Lines"] == ("Count", 20, [])
    assert names["RecordsAccepted"] == ("Count", 20, ["Sink"])
    assert names["Lag"][0] == "Seconds"
    assert abs(metrics["_aws"]["Timestamp"] / 1000 - time.time()) < 600


ENVELOPES = [
    "s3_direct", "sns_lambda", "eventbridge_direct", "sns_sqs_wrapped_lambda", "sns_sqs_raw_lambda",
    "eventbridge_sqs_lambda", "sqs_lambda",
]  # fmt: skip


def test_every_envelope_leads_to_the_object(aws: Aws, make: Make) -> None:
    """The objects of the documents are not there: that they were asked for by the right name shows in the receipts."""
    table = aws.table()
    function = make(TAILRACE_STATE=f"dynamodb:{table}")
    aws.s3.create_bucket(Bucket="example-lb-logs", CreateBucketConfiguration={"LocationConstraint": REGION})
    for name in ENVELOPES:
        event = json.loads((EVENTS / f"documented_{name}.json").read_text(encoding="utf-8"))
        answer = function(event)
        assert (answer is None) == ("sqs" not in name)
        assert not answer or not failed(answer)
        assert function.summary["objects"].keys() == {"gone"}
    receipts = list(DynamodbState.open(table, aws.dynamodb, SystemClock()).receipts())
    assert {receipt.state for receipt in receipts} == {"gone"}
    assert {receipt.item.container for receipt in receipts} == {"example-lb-logs"}
    assert KEY in {receipt.item.key for receipt in receipts}


@pytest.mark.parametrize("name", ["cloudwatch_logs_subscription", "kinesis_cloudwatch_logs"])
def test_what_a_subscription_filter_sends_is_carried(plain: Function, name: str) -> None:
    event = json.loads((EVENTS / f"documented_{name}.json").read_text(encoding="utf-8"))
    told = json.loads((EVENTS / "documented_cloudwatch_logs_subscription_decoded.json").read_text(encoding="utf-8"))
    plain(event)
    found = [json.loads(line) for line in plain.poured]
    assert {each["message"] for each in told["logEvents"]} == {each["message"] for each in found}
    assert {each["logGroup"] for each in found} == {told["logGroup"]}


def test_its_own_log_group_is_not_carried_and_that_is_told_once(plain: Function) -> None:
    told = {"messageType": "DATA_MESSAGE", "logGroup": GROUP, "logStream": "s", "owner": "1", "logEvents": [
        {"id": "1", "timestamp": 1795176000000, "message": "what it said itself"}
    ]}  # fmt: skip
    data = base64.b64encode(gzip.compress(json.dumps(told).encode())).decode()
    for _ in range(3):
        assert plain({"awslogs": {"data": data}}) is None
    assert not plain.poured
    assert plain.summary["objects"] == {"own": 1}
    (warning,) = plain.run.lines("warning")
    assert "is the log group of this function itself" in warning["message"]


def test_of_a_batch_only_what_failed_comes_again(aws: Aws, plain: Function) -> None:
    test_event = json.loads((EVENTS / "documented_s3_test_event.json").read_text(encoding="utf-8"))
    good, bad = aws.put(b"".join(lines(3))), aws.put(b"no log at all\n")
    answer = plain(sqs(good, "{}", test_event, bad, "no JSON", aws.put(b"".join(lines(2)))))
    assert failed(answer) == ["1", "3", "4"]
    assert len(plain.poured) == 5
    summary = plain.summary
    assert (summary["messages"], summary["failures"], summary["objects"]) == (6, 3, {"delivered": 2, "failed": 1})
    told = "\n".join(summary["errors"])
    assert "no event of an object store that is known" in told
    assert "no record (unknown_format), and there is no place for it: name a sink by dead_letters" in told


def test_in_a_queue_that_keeps_its_order_nothing_overtakes_what_failed(aws: Aws, plain: Function) -> None:
    event = sqs(aws.put(lines(1)[0]), "{}", aws.put(lines(1)[0]), queue="arn:aws:sqs:eu-west-1:123456789012:logs.fifo")
    assert failed(plain(event)) == ["1", "2"]
    assert len(plain.poured) == 1


def test_of_several_objects_in_a_message_all_are_carried_though_one_fails(aws: Aws, plain: Function) -> None:
    event = aws.put(b"no log at all\n")
    event["Records"] += aws.put(b"".join(lines(4)))["Records"]
    with pytest.raises(FunctionError, match="there is no place for it"):
        plain(event)
    assert len(plain.poured) == 4


def test_what_is_delivered_is_recognised_when_its_event_comes_again(aws: Aws, make: Make) -> None:
    event, table = aws.put(b"".join(lines(10))), aws.table()
    first, second = (make(TAILRACE_STATE=f"dynamodb:{table}") for _ in range(2))
    first(event)
    first(sqs(event, event))
    assert first.summary["objects"] == {"skipped": 2}
    assert len(first.poured) == 10
    second(event)  # another sink by its name, which has a receipt of its own
    assert len(second.poured) == 10
    receipts = DynamodbState.open(table, aws.dynamodb, SystemClock()).receipts()
    assert {receipt.sink for receipt in receipts} == {first.sink, second.sink}


def test_what_another_invocation_is_at_work_on_comes_again(aws: Aws, make: Make) -> None:
    table, event = aws.table(), aws.put(lines(1)[0])
    function = make(TAILRACE_STATE=f"dynamodb:{table}")
    state = DynamodbState.open(table, aws.dynamodb, SystemClock())
    function(sqs())  # nothing, but the sandbox is there
    told = event["Records"][0]["s3"]["object"]
    assert state.claim(Identity("s3", aws.bucket, told["key"], told["eTag"]), "somebody", 60)
    with pytest.raises(FunctionError, match="is being delivered by another invocation"):
        function(event)
    assert failed(function(sqs(event))) == ["0"]
    assert not function.poured


def test_an_object_that_takes_several_invocations_is_in_effect_delivered_once(aws: Aws, make: Make) -> None:
    table, queue = aws.table(), aws.queue()
    function = make(
        "slow=0.6", TAILRACE_STATE=f"dynamodb:{table}", TAILRACE_AWSLAMBDA__CONTINUATION_QUEUE=queue,
        TAILRACE_AWSLAMBDA__MARGIN="1s",
    )  # fmt: skip
    content = lines(16_000)  # some 9 chunks
    message: Any = json.dumps(aws.put(gzip.compress(b"".join(content)), "a+b/%25é.log"))
    hops = 0
    function(sqs())  # the sandbox starts, which takes longer than an invocation may
    while True:
        assert not failed(function(sqs(message), seconds=3))
        bodies = aws.taken(queue)
        if not bodies:
            break
        (message,) = bodies
        hops += 1
        assert json.loads(message)["hop"] == hops
    assert hops >= 3
    assert function.poured == content
    (receipt,) = DynamodbState.open(table, aws.dynamodb, SystemClock()).receipts()
    assert (receipt.state, receipt.counts.lines, receipt.totals.accepted, receipt.totals.pending) == (
        "complete", 16_000, 16_000, 0,
    )  # fmt: skip
    assert sum(line["continued"] for line in function.run.lines()) == hops


def test_without_a_state_what_takes_too_long_comes_again(aws: Aws, make: Make) -> None:
    function = make("slow=0.6", TAILRACE_AWSLAMBDA__MARGIN="1s")
    event = aws.put(b"".join(lines(16_000)))
    function(sqs())
    with pytest.raises(FunctionError, match=r"takes longer than one invocation: set state to dynamodb:TABLE"):
        function(event, seconds=3)


def continuation(event: dict[str, Any], bucket: str, **other: Any) -> str:
    told = event["Records"][0]["s3"]["object"]
    return json.dumps({
        "tailrace": "continuation", "version": 1, "bucket": bucket, "key": told["key"], "etag": told["eTag"],
        "object_version": "", "size": told["size"], "time": "2026-11-20T12:00:00Z", "hop": 1, "offsets": {}, **other,
    })  # fmt: skip


def test_a_continuation_ends_where_it_cannot_go_on(aws: Aws, make: Make) -> None:
    table, queue = aws.table(), aws.queue()
    function = make(
        "slow=0.6", TAILRACE_STATE=f"dynamodb:{table}", TAILRACE_AWSLAMBDA__CONTINUATION_QUEUE=queue,
        TAILRACE_AWSLAMBDA__MARGIN="1s",
    )  # fmt: skip
    event = aws.put(b"".join(lines(16_000)))
    function(sqs())
    assert failed(function(sqs(continuation(event, aws.bucket, hop=20)), seconds=3)) == ["0"]
    assert "is not delivered after 20 continuations" in function.summary["errors"][0]
    far = continuation(event, aws.bucket, offsets={function.sink: 10**9})
    assert failed(function(sqs(far), seconds=3)) == ["0"]
    assert "has brought it no further than" in function.summary["errors"][0]
    assert failed(function(sqs(continuation(event, aws.bucket, version=2)))) == ["0"]
    assert "a continuation that this version of Tailrace does not know" in function.summary["errors"][0]
    assert not aws.taken(queue)


def test_a_continuation_of_what_was_replaced_is_superseded(aws: Aws, make: Make) -> None:
    function = make(TAILRACE_STATE=f"dynamodb:{aws.table()}")
    event = aws.put(b"".join(lines(3)), "replaced.log")
    aws.put(b"".join(lines(4)), "replaced.log")
    assert not failed(function(sqs(continuation(event, aws.bucket))))
    assert function.summary["objects"] == {"superseded": 1}
    assert not function.poured


@pytest.mark.parametrize("envelope", ["direct", "queue"])
def test_killed_in_the_middle_the_next_try_goes_on_from_what_was_confirmed(aws: Aws, make: Make, envelope: str) -> None:
    table = aws.table()
    function = make("slow=0.2", TAILRACE_STATE=f"dynamodb:{table}", TAILRACE_CHECKPOINT="1MiB")
    content = lines(12_000)
    event: Any = aws.put(gzip.compress(b"".join(content)))
    event = event if envelope == "direct" else sqs(event)
    function(sqs())
    begun = function.run.begin(event, seconds=4, request="the-same")
    state = DynamodbState.open(table, aws.dynamodb, SystemClock())
    while not list(state.receipts()):  # the first checkpoint
        time.sleep(0.05)
    function.run.kill()
    assert not begun.answered.is_set()
    (receipt,) = state.receipts()
    assert 0 < receipt.counts.lines < len(content)
    # Lambda tries an event again under the same id; a queue's messages come again under another one, later.
    if envelope == "queue":
        # Until the killed one's lease has ended, the message is given back; on a slow machine it has ended by now.
        assert failed(function(event)) == ["0"] or time.time() > receipt.finished + 4
        time.sleep(max(0, 5.1 - (time.time() - receipt.finished)))
        assert failed(function(event)) == []
    else:
        assert function(event, request="the-same") is None
    poured = Counter(function.poured)
    assert poured.keys() == set(content)
    # What the pail took after the last receipt may be there twice: this sink cannot tell.
    assert all(poured[line] == 1 for line in content[: receipt.counts.lines])
    (receipt,) = state.receipts()
    assert (receipt.state, receipt.totals.accepted) == ("complete", len(content))


def test_a_sink_that_asks_for_time_is_asked_again_and_counted(aws: Aws, make: Make) -> None:
    function = make("busy")
    function(aws.put(b"".join(lines(3))))
    assert function.summary["retries"] == 1
    assert len(function.poured) == 3


def test_what_a_sink_will_never_take_fails_without_dead_letters_and_goes_there_with_them(
    aws: Aws, make: Make, tmp_path: Path
) -> None:
    content = b"".join(lines(2)) + lines(1)[0].replace(b"/search", b"/refused") + b"no record\n"
    event, dead = aws.put(content), tmp_path / "dead"
    function = make("picky")
    with pytest.raises(FunctionError, match="there is no place for it: name a sink by dead_letters"):
        function(event)
    assert not function.poured
    function = make("picky", TAILRACE_DEAD_LETTERS=f"pail:{dead}")
    assert function(event) is None
    letters = [json.loads(line) for line in dead.read_bytes().splitlines()]
    assert {letter["reason"] for letter in letters} == {"picky", "unknown_format"}
    summary = function.summary
    assert summary["rejects"] == {"unknown_format": 1}
    assert list(summary["refusals"].values()) == [{"picky": 1}]


def test_a_container_that_cannot_be_made_fails_every_event(aws: Aws, make: Make) -> None:
    event = aws.put(lines(1)[0])
    function = make(TAILRACE_STATE="dynamodb:not-yet")
    with pytest.raises(FunctionError, match="there is no table not-yet at"):
        function(sqs(event))
    aws.dynamodb.create_table(**definition("not-yet"))
    assert not failed(function(sqs(event)))


def test_what_lasts_and_what_is_a_defect_is_told_without_what_is_in_it(aws: Aws, make: Make) -> None:
    event = aws.put(lines(1)[0])
    function = make("denied")
    assert failed(function(sqs(event))) == ["0"]
    assert function.summary["errors"] == ["pail: nobody may pour"]
    function = make("broken")
    assert failed(function(sqs(event, "{}"))) == ["0", "1"]
    (told, _) = function.summary["errors"]
    assert told.startswith("an error that Tailrace does not know: ZeroDivisionError in pail.py:")
    assert "only the pail knows" not in function.run.told()


def recent(number: int) -> list[bytes]:
    """Lines of yesterday, which CloudWatch takes."""
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400))
    return [alb(day, each) for each in range(number)]


def test_from_a_bucket_to_cloudwatch_logs_as_strict_as_aws(aws: Aws, make: Make) -> None:
    with StrictLogs() as logs:
        logs.faults += [throttled(), lost()]
        function = make(
            TAILRACE_TO="cloudwatch:/logs/alb", AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=logs.url,
            AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET,
        )  # fmt: skip
        content = recent(2000)
        logs.create("/logs/alb")
        function(aws.put(gzip.compress(b"".join(content))))
        assert logs.broken == []
        assert {event.message.encode() + b"\n" for event in logs.accepted} == set(content)
        assert function.summary["retries"] >= 1
        assert function.summary["records"] == 2000


@pytest.mark.parametrize("megabytes", [64, pytest.param(1024, marks=pytest.mark.long)])
def test_it_fits_into_128_mb_whatever_the_object(aws: Aws, make: Make, megabytes: int) -> None:
    """The process may not have more memory of its own than 128 MB; it has less than 100 in all."""
    member = gzip.compress(b"".join(recent(20_000)))
    members = (megabytes << 20) // (20_000 * len(recent(1)[0])) + 1
    with StrictLogs() as logs:
        logs.create("/logs/alb")
        logs.accepted = logs.called = deque(maxlen=1)  # type: ignore[assignment]
        function = make(
            TAILRACE_TO="cloudwatch:/logs/alb", TAILRACE_STATE=f"dynamodb:{aws.table()}", AWS_ACCESS_KEY_ID=KEY_ID,
            AWS_SECRET_ACCESS_KEY=SECRET, AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=logs.url, TAILRACE_CHECKPOINT="16MiB",
        )  # fmt: skip
        event = aws.put(member * members)
        function.run.start("prlimit", f"--data={128 << 20}", f"--stack={1 << 20}")
        function(event, seconds=3600)
        assert function.summary["lines"] == 20_000 * members
        assert function.summary["max_memory_mb"] <= 100


BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Blocked())
sys.path[:0] = [{package!r}]
"""


def test_a_package_of_a_few_megabytes_is_enough(aws: Aws, tmp_path: Path) -> None:
    """As it is built; h11 is loaded by the sinks that speak HTTP only. boto3 is the runtime's own."""
    package = packed(tmp_path / "package.zip")
    assert package.stat().st_size < 6 << 20
    root = tmp_path / "task"
    zipfile.ZipFile(package).extractall(root)
    (root / "started.py").write_text(
        BLOCKED.format(blocked={"click", "rich", "pyarrow", "duckdb", "prometheus_client", "h11"}, package=str(root))
        + "from tailrace.hosts.awslambda import handler\n",
        encoding="utf-8",
    )
    environ = {"TAILRACE_TO": "stdout", "PYTHONPATH": "", **aws.environ}
    with runtime("started.handler", root, environ) as run:
        run.invoke(aws.put(b"".join(lines(3))))
        assert [line["objects"] for line in run.lines()] == [{"delivered": 1}]
        assert len(run.told().splitlines()) == 5


def test_a_control_object_has_receipts_and_no_record(aws: Aws, make: Make) -> None:
    table = aws.table()
    function = make(TAILRACE_STATE=f"dynamodb:{table}")
    key = "AWSLogs/123456789012/TailraceSmokeTest-4f"
    event = aws.put(alb("2026-11-20"), key)
    assert function(event) is None
    assert function.poured == []
    assert (function.summary["lines"], function.summary["records"]) == (1, 0)
    etag = event["Records"][0]["s3"]["object"]["eTag"]
    state = DynamodbState.open(table, aws.dynamodb, SystemClock(), read_only=True)
    (receipt,) = state.receipts_of(Identity("s3", aws.bucket, key, etag)).values()
    assert (receipt.state, receipt.counts.control) == ("complete", 1)


@pytest.mark.parametrize(
    ("environ", "told", "namespace"),
    [
        ({"TAILRACE_TO": f"cloudwatch:{GROUP}"}, "is the log group of this function", "Tailrace"),
        ({"TAILRACE_SCHEMA": "xml"}, "TAILRACE_SCHEMA: expected one of aws, ecs, otel", "Tailrace"),
        ({"TAILRACE_STATE": "sqlite", "TAILRACE_AWSLAMBDA__METRICS_NAMESPACE": "Own"}, "state: sqlite needs a disk", "Own"),
    ],
)  # fmt: skip
def test_a_function_that_cannot_begin_tells_so_as_any_other_failure(
    aws: Aws, make: Make, environ: dict[str, str], told: str, namespace: str
) -> None:
    function = make(**environ)
    event = aws.put(lines(1)[0])
    for failures in (1, 2):
        with pytest.raises(FunctionError, match=told) as raised:
            function(event, request=f"r{failures}")
        (*_, summary) = function.run.lines()
        assert (summary["request"], summary["failures"], summary["lines"]) == (f"r{failures}", 1, 0)
        assert summary["errors"] == [str(raised.value)]
        assert summary["seconds"] >= 0
        (*_, metrics) = function.run.lines("_aws")
        assert (metrics["Failures"], metrics["FunctionName"]) == (1, "tailrace")
        assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == namespace
    assert ".py" not in function.run.told()


def test_what_is_raised_shows_no_lines_of_ours(aws: Aws, plain: Function) -> None:
    """The sentence says what is wrong; an alarm, or who reads the log, needs no more."""
    with pytest.raises(FunctionError, match="there is no place for it"):
        plain(aws.put(b"no log at all\n"))
    assert "[ERROR] SourceError: " in plain.run.told()
    assert ".py" not in plain.run.told()
