"""What is wanted, from settings."""

from __future__ import annotations

import pytest

from tailrace.deploy.wanted import wanted
from tailrace.errors import UsageError
from tailrace.settings import resolve


def test_what_the_settings_leave_open_is_filled_in() -> None:
    made = wanted(resolve({}, ["deploy.prefix=a/b"], {}), "prod", partition="aws", region="eu-west-1", account="1")
    assert made.settings.to == ("log_groups",)
    assert made.settings.sinks == {"log_groups": {"url": "cloudwatch:/tailrace/{load_balancer}", "create_group": True}}
    assert made.settings.state == "dynamodb:tailrace-prod-receipts"
    assert made.settings.dead_letters == "s3://tailrace-prod-code-1-eu-west-1/dead-letters/tailrace-prod"
    assert (made.bucket, made.prefix) == ("tailrace-prod-logs-1-eu-west-1", "a/b/AWSLogs/")
    assert made.tags == {"tailrace:component": "tailrace", "tailrace:environment": "prod"}


def test_a_place_can_follow() -> None:
    made = wanted(resolve({}, ["deploy.tags=team=logs cost=7", "deploy.bucket=theirs"], {}), "prod")
    assert made.artifacts == "tailrace-prod-code-${AWS::AccountId}-${AWS::Region}"
    there = made.in_account(partition="aws", region="eu-west-1", account="1")
    assert (there.artifacts, there.bucket) == ("tailrace-prod-code-1-eu-west-1", "theirs")
    assert there.tags["team"], there.tags["cost"] == ("logs", "7")


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ("deploy.vpc.subnets=subnet-1", "id and subnets are given together"),
        ("deploy.vpc.subnets=subnet-1 deploy.vpc.id=vpc-1", "the endpoints of S3 and DynamoDB need them"),
        ("deploy.prefix=/a", "no slash at its ends"),
        ("deploy.prefix=AWSLogs", "no AWSLogs in it"),
        ("deploy.accounts=12", "'12' is no number of an account"),
        ("deploy.alarm_topic=alarms", "deploy.alarm_topic: 'alarms' is no ARN"),
        ("deploy.permissions_boundary=b", "deploy.permissions_boundary: 'b' is no ARN"),
    ],
)
def test_what_cannot_be(told: str, error: str) -> None:
    with pytest.raises(UsageError, match=error):
        wanted(resolve({}, told.split(), {}), "prod")


def test_a_tag_without_a_value() -> None:
    made = wanted(resolve({}, ["deploy.tags=team"], {}), "prod")
    with pytest.raises(UsageError, match="write KEY=VALUE, not 'team'"):
        _ = made.tags
