"""The roles of who deploys, rolls back and looks: every call that is made is in their policies, and the other way round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from cloud import REGION
from deploy.stack.account import Account, real
from deploy.stack.formation import REFUSED
from permitting import ACCOUNT, permits
from tailrace.deploy.actions import CALLS, OF_OBJECTS
from tailrace.deploy.cloud import place_of
from tailrace.deploy.policies import Place, document, filled
from tailrace.deploy.stack.needs import deploy_needs, rollback_needs, status_needs
from tailrace.deploy.stack.rollback import Rollback
from tailrace.deploy.stack.status import Looking
from tailrace.deploy.wanted import Wanted
from tailrace.errors import Fatal
from tailrace.permissions import Need

Calls = list[tuple[str, Mapping[str, Any]]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What is called, with which arguments."""
    found: Calls = []
    original = Account.made

    def made(account: Account, name: str, client: Any, method: str, arguments: dict[str, Any]) -> Any:
        found.append((f"{name}?VersionId" if "VersionId" in arguments else name, arguments))
        return original(account, name, client, method, arguments)

    monkeypatch.setattr(Account, "made", made)
    return found


def deploying(account: Account) -> None:
    """A first deployment, others, and what has to be repaired."""
    account.formation.put("REVIEW_IN_PROGRESS", account.name)
    account.deploy()
    account.deploy()
    versions = {"Status": "Enabled"}
    account.s3.put_bucket_versioning(Bucket=account.wanted().bucket, VersioningConfiguration=versions)
    account.deploy("2")
    account.deploy("3", code_only=True)
    other = account.deployment("9").order.package.path.read_bytes()
    account.functions.update_function_code(FunctionName=f"{account.name}-processor", ZipFile=other)
    account.deploy("3")
    account.proves = False
    with suppress(Fatal):
        account.deploy("4")
    account.proves = True
    account.formation.fails = ["update", "rollback"]
    account.formation.reasons = [(account.name, "AWS::CloudFormation::Stack", REFUSED)]
    with suppress(Fatal):
        account.deploy("5")
    account.deploy("5")


def rolling_back(account: Account) -> None:
    place_of(account.cloud())
    back = Rollback(account.cloud(), account.wanted())
    plan = back.plan("")
    assert plan
    back.apply(plan)


def looking(account: Account) -> None:
    names = account.wanted().names
    for queue in (names.queue, names.dead_letter_queue):
        real("sqs", account.endpoint).create_queue(QueueName=queue)
    day = datetime.fromtimestamp(account.clock.now(), UTC)
    key = f"AWSLogs/{ACCOUNT}/elasticloadbalancing/{REGION}/{day:%Y/%m/%d}/a.log"
    account.s3.put_object(Bucket=account.wanted().bucket, Key=key, Body=b"")
    place_of(account.cloud())
    Looking(account.cloud(), account.wanted()).look()


@pytest.mark.parametrize(
    ("work", "needs"), [(deploying, deploy_needs), (rolling_back, rollback_needs), (looking, status_needs)]
)
def test_what_is_called_is_what_the_policy_allows(
    account: Account, calls: Calls, work: Callable[[Account], None],
    needs: Callable[[Wanted], Sequence[Need]],
) -> None:  # fmt: skip
    if work is not deploying:
        account.deploy()
        account.deploy("2")
        calls.clear()
    work(account)
    wanted = account.wanted()
    allowed = filled(document(needs(wanted)), Place("aws", REGION, ACCOUNT))
    for name, words in calls:
        for action, arn in asked(name, words):
            assert permits(allowed, action, arn), (action, arn)
    assert {each.call for each in needs(wanted)} == {name for name, _words in calls}


def asked(name: str, words: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What must be allowed for a call, on what."""
    service = name.partition(":")[0]
    here = f"arn:aws:{service}:{REGION}:{ACCOUNT}:"
    arn = "*"
    match service:
        case "s3":
            arn = f"arn:aws:s3:::{words['Bucket']}" + (f"/{words['Key']}" if "Key" in words else "")
        case "cloudformation":
            told = words["StackName"]
            arn = told if told.startswith("arn:") else f"{here}stack/{told}/11111111-2222"
        case "lambda":
            qualified = f":{words['Qualifier']}" if "Qualifier" in words else ""
            arn = f"{here}function:{words['FunctionName']}{qualified}"
        case "sqs":
            arn = here + str(words.get("QueueName") or words["QueueUrl"].rpartition("/")[2])
        case "dynamodb":
            arn = f"{here}table/{words['TableName']}"
    for action in CALLS[name]:
        if service != "s3" or (action in OF_OBJECTS) == ("/" in arn):
            yield action, arn
        elif action == "s3:ListBucket":  # what is missing is to be told as missing
            yield action, arn.partition("/")[0]
