"""The function's role: what the function calls is allowed, what is allowed is called, and without any of it something fails."""

from __future__ import annotations

import gzip
import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from cloud import REGION, client_of, cloud
from making import alb
from permitting import ACCOUNT, Call, Gate, actions, names, through, without
from tailrace.deploy import policies
from tailrace.deploy.policies import Place, by_code, filled, function_document
from tailrace.deploy.template.environment import variables
from tailrace.deploy.wanted import Wanted, wanted
from tailrace.errors import TailraceError
from tailrace.hosts import awslambda
from tailrace.hosts._lambda_deadline import Deadline
from tailrace.settings import resolve
from tailrace.state.dynamodb import definition

PLACE = Place("aws", REGION, ACCOUNT)
DEAD = """
[sinks.dead]
url = "s3://{stack}-code-123456789012-eu-west-1/dead-letters/{stack}"
"""
CLOUDWATCH = """
dead_letters = "dead"
to = ["events"]
[sinks.events]
url = "cloudwatch:/{stack}/{{load_balancer}}"
create_group = true
retention_days = 7
redact = {{ client_ip = "hash" }}
redact_key = "ssm:/{stack}/key"
"""
S3 = """
to = ["objects"]
[sinks.objects]
url = "s3://{stack}-code-123456789012-eu-west-1/records"
compression = "none"
part_size = "5MiB"
redact = {{ client_ip = "hash" }}
redact_key = "secretsmanager:{stack}/key#key"
"""
ACL = """
to = ["objects"]
[sinks.objects]
url = "s3://{stack}-code-123456789012-eu-west-1/records"
acl = "bucket-owner-full-control"
compression = "none"
part_size = "5MiB"
"""


class Deployed:
    """A function as it is deployed, in this process, with everything that it works with."""

    def __init__(self, endpoint: str, folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stack = f"t{uuid4().hex[:8]}-test"
        self.text = f'{text.format(stack=self.stack)}\n[deploy]\ncomponent = "{self.stack[:9]}"\n'
        (folder / "tailrace.toml").write_text(self.text)
        self.wanted: Wanted = wanted(
            resolve({}, (), {}, folder / "tailrace.toml"), "test", partition="aws", region=REGION, account=ACCOUNT
        )
        names = self.wanted.names
        self.clients = SimpleNamespace(
            **{name: client_of(name, endpoint) for name in ("s3", "sqs", "dynamodb", "logs", "ssm", "secretsmanager")}
        )
        for bucket in (names.logs_bucket, names.artifacts_bucket):
            self.clients.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.clients.s3.put_bucket_versioning(Bucket=names.logs_bucket, VersioningConfiguration={"Status": "Enabled"})
        self.queue = self.clients.sqs.create_queue(QueueName=names.queue)["QueueUrl"]
        self.clients.dynamodb.create_table(**definition(names.receipts))
        self.clients.ssm.put_parameter(Name=f"/{self.stack}/key", Value="k", Type="SecureString")
        self.clients.secretsmanager.create_secret(Name=f"{self.stack}/key", SecretString='{"key":"k"}')
        self.environ = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
            "TAILRACE_CHECKPOINT": "1MiB",
            "TAILRACE_RETRY__FIRST_PAUSE": "10ms",
            **{name: self._resolved(value) for name, value in variables(self.wanted).items()},
        }
        for name in [name for name in os.environ if name.startswith("TAILRACE_")]:
            monkeypatch.delenv(name)
        for name, value in self.environ.items():
            monkeypatch.setenv(name, value)
        self._deadlines: list[Deadline] = []
        told = self._deadlines

        class Watched(Deadline):
            def __init__(self, *words: Any) -> None:
                super().__init__(*words)
                told.append(self)

        monkeypatch.setattr(awslambda, "Deadline", Watched)

    def _resolved(self, value: Any) -> str:
        """What CloudFormation makes of a variable."""
        match value:
            case {"Ref": "EventQueue"}:
                return self.queue
            case {"Fn::Sub": text}:
                return str(text).replace("${ReceiptsTable}", self.wanted.names.receipts)
        return str(value)

    @property
    def document(self) -> dict[str, Any]:
        return filled(function_document(self.wanted), PLACE)

    def put(
        self, content: bytes, *, versioned: bool = False, sized: bool = True, missing: bool = False
    ) -> dict[str, Any]:
        """Write an object; the message that announces it."""
        bucket = self.wanted.bucket
        key = f"AWSLogs/{ACCOUNT}/elasticloadbalancing/{REGION}/2026/11/20/{ACCOUNT}_elasticloadbalancing_{REGION}_app.shop"
        key += f".50dc6c495c0c9188_20261120T0615Z_198.51.100.10_{uuid4().hex[:8]}.log.gz"
        content = gzip.compress(content)
        answer = self.clients.s3.put_object(Bucket=bucket, Key=key, Body=content)
        told = {"key": key, "eTag": answer["ETag"].strip('"'), "size": len(content) if sized else 0}
        if versioned:
            told["versionId"] = answer["VersionId"]
        if missing:
            self.clients.s3.delete_object(Bucket=bucket, Key=key)
        record = {
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "2026-11-20T12:00:00.005Z",
            "s3": {"bucket": {"name": bucket}, "object": told},
        }  # fmt: skip
        return {"Records": [record]}

    def invoke(self, *bodies: Any) -> list[str]:
        """Give messages of the queue to the function; which of them failed."""
        records = [
            {
                "messageId": str(number),
                "eventSource": "aws:sqs",
                "body": body if isinstance(body, str) else json.dumps(body),
            }
            for number, body in enumerate(bodies)
        ]
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, aws_request_id=uuid4().hex)
        answer = awslambda.handler({"Records": records}, context)
        assert answer
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def refresh(self) -> None:
        """No log group is there."""
        logs = self.clients.logs
        for group in logs.describe_log_groups()["logGroups"]:
            logs.delete_log_group(logGroupName=group["logGroupName"])

    def stop(self, _call: Call) -> None:
        """The time of the invocation is over."""
        self._deadlines[-1].stop.set()


Deploy = Callable[[str], Deployed]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with cloud() as url:
        yield url


@pytest.fixture
def deploy(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deploy]:
    awslambda._container.cache_clear()
    yield lambda text: Deployed(endpoint, tmp_path, text, monkeypatch)
    awslambda._container.cache_clear()


def content(number: int, garbage: int = 0) -> bytes:
    return b"".join([*(alb("2026-11-20", each) for each in range(number)), b"no line of a log\n" * garbage])


def everything(function: Deployed, gate: Gate, writes: str) -> bool:
    """Everything that may happen to objects; whether all of it went well. `writes`: the call by which records are sent."""
    awslambda._container.cache_clear()
    clean = content(3)
    with through(gate):
        try:
            failed = function.invoke(
                function.put(content(3, garbage=1)),
                function.put(clean, versioned=True),
                function.put(clean, sized=False),
                function.put(clean, versioned=True, sized=False),
                function.put(clean, missing=True),
            )
            long = function.put(content(6000))
            gate.after = lambda call: function.stop(call) if call.name == writes else None
            failed += function.invoke(long)
            gate.after = lambda _call: None
        except TailraceError:  # the function cannot even begin
            return False
        if not failed:
            (message,) = function.clients.sqs.receive_message(QueueUrl=function.queue)["Messages"]
            failed += function.invoke(message["Body"])
    return not failed


def broken_uploads(function: Deployed, gate: Gate) -> None:
    """An upload whose answer is lost, and one that is given up."""
    awslambda._container.cache_clear()
    os.environ["TAILRACE_CHECKPOINT"] = "256MiB"  # the fixture's patch takes it away

    def lost(call: Callable[[], Any]) -> Any:
        call()
        raise EndpointConnectionError(endpoint_url="http://s3")

    def refused(_call: Callable[[], Any]) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "UploadPart")

    long = content(9000)
    with through(gate):
        gate.faults["s3:CompleteMultipartUpload"] = deque([lost])
        assert not function.invoke(function.put(long))
        gate.faults["s3:UploadPart"] = deque([refused])
        assert function.invoke(function.put(long))
    assert not any(gate.faults.values())


PROFILES = {
    "default": ("", "logs:PutLogEvents"),
    "cloudwatch": (CLOUDWATCH + DEAD, "logs:PutLogEvents"),
    "s3": (S3, "s3:PutObject"),
    "acl": (ACL, "s3:PutObject?ACL"),
}
BY_FAULT = {"s3:AbortMultipartUpload", "s3:HeadObject", "s3:GetObject"}
"""What is needed of a bucket that is written to only where an upload goes wrong."""


def prepared(deploy: Deploy, name: str) -> tuple[Deployed, str]:
    text, writes = PROFILES[name]
    function = deploy(text)
    function.refresh()
    return function, writes


@pytest.mark.parametrize("name", PROFILES)
def test_what_the_function_calls_is_what_its_policy_allows(deploy: Deploy, name: str) -> None:
    function, writes = prepared(deploy, name)
    gate = Gate(function.document)
    assert everything(function, gate, writes)
    assert not gate.denied


@pytest.mark.parametrize(
    ("name", "only"),
    [("cloudwatch", set[str]()), ("s3", {"secretsmanager:GetSecretValue"}), ("acl", {"s3:PutObjectAcl"})],
)
def test_without_any_one_permission_something_fails(deploy: Deploy, name: str, only: set[str]) -> None:
    function, writes = prepared(deploy, name)
    document = function.document
    gate = Gate(document)
    assert everything(function, gate, writes)
    called = {action for call in gate.calls for action, _arn in call.actions()} | {"s3:ListBucket"}
    assert called >= only
    for action in only or called:
        function.refresh()
        narrower = Gate(without(document, action))
        assert not everything(function, narrower, writes), action
        assert narrower.denied == {action}


def test_nothing_is_allowed_that_is_never_called(deploy: Deploy) -> None:
    needed, called = set[str](), set[str]()
    for name in PROFILES:
        function, writes = prepared(deploy, name)
        gate = Gate(function.document)
        assert everything(function, gate, writes)
        if "records" in function.text:
            broken_uploads(function, gate)
        needed |= names(by_code(function.wanted))
        called |= gate.names
    assert called == needed


def test_what_lambda_itself_calls_is_allowed_beside_that(deploy: Deploy) -> None:
    function = deploy("")
    beside = actions(function.document) - {
        action for need in by_code(function.wanted) for action in policies.actions_of(need)
    }
    assert beside == {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}


NOT_MOTOS = {"s3:GetObjectVersion", "s3:ListBucket", "s3:PutObjectAcl"}
"""What moto does not ask for where AWS does: for HEAD, where an object is missing, and where it is written with an ACL."""
MOTOS = {"dynamodb:ConditionCheckItem": "dynamodb:TransactWriteItems"}
"""What moto asks for where AWS asks for something else."""


@pytest.fixture
def enforcing(endpoint: str) -> Iterator[Callable[[Deployed, Any], None]]:
    """Lets moto ask for permissions, of which the function has those of a policy, and tests have all."""
    iam = client_of("iam", endpoint)
    user = f"function-{uuid4()}"
    iam.create_user(UserName=user)
    given = iam.create_access_key(UserName=user)["AccessKey"]
    tests = f"tests-{uuid4()}"
    iam.create_user(UserName=tests)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName=tests, PolicyName="all", PolicyDocument=json.dumps(everything))
    own = iam.create_access_key(UserName=tests)["AccessKey"]

    def begin(function: Deployed, document: Any) -> None:
        told = json.dumps(for_moto(document))
        admin = client_of("iam", endpoint, key=(own["AccessKeyId"], own["SecretAccessKey"]))
        admin.put_user_policy(UserName=user, PolicyName="function", PolicyDocument=told)
        for name in vars(function.clients):
            setattr(function.clients, name, client_of(name, endpoint, key=(own["AccessKeyId"], own["SecretAccessKey"])))
        os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = (
            given["AccessKeyId"], given["SecretAccessKey"],
        )  # fmt: skip
        ask(endpoint, 0)

    yield begin
    ask(endpoint, 10**9)


def for_moto(document: Any) -> Any:
    """The policy as moto can judge it: it knows no conditions, and resources of S3 and SQS only."""
    told = []
    for each in document["Statement"]:
        if "Condition" not in each:
            known = each["Action"][0].startswith(("s3:", "sqs:"))
            asked = [MOTOS.get(action, action) for action in each["Action"]]
            told.append({**each, "Action": asked, "Resource": each["Resource"] if known else ["*"]})
    return {**document, "Statement": told}


def ask(endpoint: str, after: int) -> None:
    """Let moto ask for permissions after so many calls."""
    headers = {"Content-Type": "text/plain"}
    with urlopen(Request(f"{endpoint}/moto-api/reset-auth", str(after).encode(), headers), timeout=30) as answer:
        assert answer.status == 200


def test_moto_lets_the_function_do_its_work_with_its_policy(deploy: Deploy, enforcing: Any) -> None:
    function, writes = prepared(deploy, "cloudwatch")
    enforcing(function, function.document)
    assert everything(function, Gate(), writes)
    function.refresh()
    enforcing(function, without(function.document, "s3:GetObject"))
    assert not everything(function, Gate(), writes)


@pytest.mark.long
@pytest.mark.parametrize("name", ["cloudwatch", "acl"])
def test_moto_does_not_let_it_without_any_one_permission(deploy: Deploy, enforcing: Any, name: str) -> None:
    function, writes = prepared(deploy, name)
    document = function.document
    enforcing(function, document)
    gate = Gate()
    assert everything(function, gate, writes)
    for action in {action for call in gate.calls for action, _arn in call.actions()} - NOT_MOTOS:
        function.refresh()
        enforcing(function, without(document, action))
        assert not everything(function, Gate(), writes), action
