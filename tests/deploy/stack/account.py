"""An account of AWS that is deployed to: moto's S3, Lambda and DynamoDB, a CloudFormation of our own, and faults where a test wants them."""

from __future__ import annotations

import base64
import hashlib
import io
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from cloud import REGION, client_of
from deploy.stack.formation import ACCOUNT, Formation, Stack
from making import StillClock
from tailrace.deploy.cloud import Cloud, place_of
from tailrace.deploy.stack.artifacts import Artifacts
from tailrace.deploy.stack.deploying import Deployment, Order
from tailrace.deploy.wanted import Wanted, wanted
from tailrace.keys import SMOKE
from tailrace.model import Counts, Identity
from tailrace.receipts import Receipt
from tailrace.settings import resolve
from tailrace.state.dynamodb import DynamodbState, definition

ROLE = f"arn:aws:iam::{ACCOUNT}:role/lambda"


def package(folder: Path, content: str = "1") -> Any:
    """A package of the smallest size; what is in it makes its hash."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(zipfile.ZipInfo("handler.py"), content)
    digest = hashlib.sha256(data.getvalue())
    path = folder / f"{digest.hexdigest()}.zip"
    path.write_bytes(data.getvalue())
    code = base64.b64encode(digest.digest()).decode()
    return SimpleNamespace(path=path, sha256=digest.hexdigest(), code_sha256=code, manifest=None)


def template(**variables: str) -> dict[str, Any]:
    """A template with all that a deployment looks for."""
    function = {"Type": "AWS::Lambda::Function", "Properties": {"Environment": {"Variables": variables}}}
    code = {
        "CodeBucket": {"Type": "String"},
        "CodeKey": {"Type": "String"},
        "Memory": {"Type": "Number", "Default": 256},
    }
    return {"Parameters": code, "Resources": {"EventQueue": {"Type": "AWS::SQS::Queue"}, "Processor": function}}


Fault = Callable[[str, Callable[[], Any]], Any]
"""Is given each call and what makes it."""


class Proxy:
    """A client each of whose calls goes through a fault."""

    def __init__(self, service: str, client: Any, account: Account) -> None:
        self._service, self._client, self._account, self.meta = service, client, account, client.meta

    def __getattr__(self, method: str) -> Callable[..., Any]:
        operation = self.meta.method_to_api_mapping.get(method, method)

        def call(**arguments: Any) -> Any:
            name = f"{self._service}:{operation}"
            self._account.calls.append(name)
            return self._account.fault(name, lambda: self._account.made(name, self._client, method, arguments))

        return call


@cache
def real(service: str, endpoint: str) -> Any:
    """A client of the server; they take long to make."""
    return client_of(service, endpoint)


@dataclass
class Account:
    """The account.

    `proves`: the function works, so its control objects have receipts, with so many `records`; of the first ones as many are `lost` as is told.
    """

    endpoint: str
    folder: Path
    environment: str
    clock: StillClock = field(default_factory=lambda: StillClock(time.time()))
    proves: bool = True
    records: int = 0
    lost: int = 0
    calls: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    policies: dict[str, str] = field(default_factory=dict)
    fault: Fault = field(default=lambda _name, call: call())

    def __post_init__(self) -> None:
        self.formation = Formation(self._effect)
        self._scripted = self.formation.client()
        self.s3, self.functions, self.dynamodb = (real(name, self.endpoint) for name in ("s3", "lambda", "dynamodb"))
        self._iam()

    def client(self, service: str) -> Proxy:
        if service == "cloudformation":
            return Proxy(service, self._scripted, self)
        return Proxy(service, real(service, self.endpoint), self)

    def cloud(self) -> Cloud:
        return Cloud(self.client, self.clock, lasting=self.told.append)

    def wanted(self, **settings: str) -> Wanted:
        assignments = [f"{key.replace('__', '.')}={value}" for key, value in settings.items()]
        asked = wanted(resolve({}, assignments, {}), self.environment)
        return asked.in_account(partition="aws", region=REGION, account=ACCOUNT)

    def deployment(
        self, content: str = "1", made: Mapping[str, Any] | None = None, *, code_only: bool = False, **more: Any
    ) -> Deployment:
        cloud, asked = self.cloud(), self.wanted()
        artifacts = Artifacts(cloud=cloud, name=asked.artifacts, place=place_of(cloud), tags=asked.tags, own=True)
        order = Order(
            wanted=asked,
            template=None if code_only else (made or template(TAILRACE_CONFIG='toml:to=["cloudwatch:/a"]')),
            package=package(self.folder, content),
            label=f"0.1.{content}",
            artifacts=artifacts,
            **more,
        )
        return Deployment(cloud, order, moved=lambda event: self.told.append(str(event)), said=self.told.append)

    def deploy(self, content: str = "1", **more: Any) -> list[Any]:
        """Deploy as the command does; the steps of all plans that were applied."""
        deployment, steps = self.deployment(content, **more), list[Any]()
        while True:
            with deployment.planned(deployment.look()) as plan:
                steps += plan.steps
                if not plan.steps:
                    return steps
                deployment.apply(plan)
            if not plan.repair:
                return steps

    @property
    def name(self) -> str:
        return f"tailrace-{self.environment}"

    @property
    def live(self) -> str:
        return str(self.functions.get_alias(FunctionName=f"{self.name}-processor", Name="live")["FunctionVersion"])

    @property
    def versions(self) -> list[str]:
        found = self.functions.list_versions_by_function(FunctionName=f"{self.name}-processor")["Versions"]
        return [each["Version"] for each in found if each["Version"] != "$LATEST"]

    @property
    def live_code(self) -> str:
        told = self.functions.get_function_configuration(FunctionName=f"{self.name}-processor", Qualifier=self.live)
        return str(told["CodeSha256"])

    def control_objects(self) -> list[str]:
        try:
            found = self.s3.list_objects_v2(Bucket=self.wanted().bucket).get("Contents", ())
        except self.s3.exceptions.NoSuchBucket:
            return []
        return [each["Key"] for each in found]

    def made(self, name: str, client: Any, method: str, arguments: dict[str, Any]) -> Any:
        if name == "s3:PutBucketPolicy":  # moto denies everything by it, for it knows no conditions
            self.policies[arguments["Bucket"]] = arguments["Policy"]
            return {}
        if name == "s3:GetBucketPolicy" and arguments["Bucket"] in self.policies:
            return {"Policy": self.policies[arguments["Bucket"]]}
        answer = getattr(client, method)(**arguments)
        if name == "s3:PutObject" and SMOKE in arguments["Key"] and self.proves:
            self.lost -= 1
            if self.lost < 0:
                self._carry(arguments, answer["ETag"])
        return answer

    def _carry(self, put: Mapping[str, Any], etag: str) -> None:
        """What the function does with a control object."""
        item = Identity("s3", put["Bucket"], put["Key"], etag.strip('"'))
        counts = Counts(lines=1, control=1, records=self.records)
        receipt = Receipt(item=item, sink="cloudwatch:/a", state="complete", counts=counts)
        DynamodbState(f"{self.name}-receipts", self.dynamodb, self.clock).commit(receipt, ())

    def _iam(self) -> None:
        iam = real("iam", self.endpoint)
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName="lambda", AssumeRolePolicyDocument="{}", Path="/")

    def _effect(self, stack: Stack) -> None:
        """What the stack makes of the account."""
        name, parameters = f"{stack.name}-processor", stack.parameters
        code = {"S3Bucket": parameters["CodeBucket"], "S3Key": parameters["CodeKey"]}
        variables = stack.template["Resources"]["Processor"]["Properties"]["Environment"]
        memory = int(parameters["Memory"])
        try:
            self.functions.get_function_configuration(FunctionName=name)
        except ClientError:
            self.s3.create_bucket(Bucket=self.wanted().bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
            self.dynamodb.create_table(**definition(f"{stack.name}-receipts"))
            self.functions.create_function(
                FunctionName=name, Role=ROLE, Runtime="python3.13", Handler="h.h", Code=code, Environment=variables, MemorySize=memory
            )  # fmt: skip
            self.functions.create_alias(FunctionName=name, Name="live", FunctionVersion="$LATEST")
            return
        self.functions.update_function_code(FunctionName=name, **code)
        self.functions.update_function_configuration(FunctionName=name, Environment=variables, MemorySize=memory)


def refusal(name: str, code: str, text: str = "no", status: int = 400) -> ClientError:
    """What a client raises when a service refuses."""
    told: Any = {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(told, name.partition(":")[2])


def at(number: int, how: Callable[[str, Callable[[], Any]], Any]) -> Fault:
    """A fault at the call of that number, counted from 0, and none at others."""
    numbers = iter(range(1 << 30))
    return lambda name, call: how(name, call) if next(numbers) == number else call()


def since(number: int, how: Callable[[str, Callable[[], Any]], Any]) -> Fault:
    """A fault at each call from that number on."""
    numbers = iter(range(1 << 30))
    return lambda name, call: how(name, call) if next(numbers) >= number else call()


def throttled(name: str, _call: Callable[[], Any]) -> Any:
    raise refusal(name, "ThrottlingException" if "cloudformation" not in name else "Throttling", "Rate exceeded")


def expired(name: str, _call: Callable[[], Any]) -> Any:
    raise refusal(name, "ExpiredToken", "The security token included in the request is expired", 403)


def interrupted(_name: str, _call: Callable[[], Any]) -> Any:
    raise KeyboardInterrupt


def interrupted_behind(_name: str, call: Callable[[], Any]) -> Any:
    call()
    raise KeyboardInterrupt


def answer_lost(name: str, call: Callable[[], Any]) -> Any:
    call()
    raise EndpointConnectionError(endpoint_url=f"https://{name.partition(':')[0]}.example.net")
